import base64
import io
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import ipywidgets
import numpy as np
import pytest
import traitlets
from PIL import Image
from synthetic_maps import CLASSES, IMAGES, small_maps

from rnsl_tutorial._files import PACKAGE, SEEN
from rnsl_tutorial.experiments.style import _DARK, _luminance
from rnsl_tutorial.tutorial import _standing, explorers, plots
from rnsl_tutorial.tutorial.explorers import (
    EmbeddingExplorer,
    Explorer,
    Playground,
    base,
    one_page,
    standalone_html,
)

MODULES = sorted((PACKAGE / "tutorial").glob("**/static/*.js"))
EXPLORERS = [
    member
    for member in vars(explorers).values()
    if isinstance(member, type) and issubclass(member, Explorer) and member is not Explorer
]


def contrast(color: str, ground: str) -> float:
    """Of WCAG 2.2: 1 for one brightness, 21 for black on white."""
    parts = [_luminance([int(c[i : i + 2], 16) / 255 for i in (1, 3, 5)]) for c in (color, ground)]
    return (max(parts) + 0.05) / (min(parts) + 0.05)


@pytest.fixture
def explorer() -> EmbeddingExplorer:
    return EmbeddingExplorer(small_maps())


# ------------------------------------------------------------------ choosing


def test_it_begins_with_the_first_choices_or_the_given_ones(explorer: EmbeddingExplorer) -> None:
    assert (explorer.noise, explorer.rate, explorer.loss) == ("symmetric", 0.0, "nsl")
    other = EmbeddingExplorer(small_maps(), noise="label_dependent", rate=0.3, loss="rnsl")
    assert (other.noise, other.rate, other.loss) == ("label_dependent", 0.3, "rnsl")


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [
        ("rate", 0.2, "0.0, 0.3, 0.55"),
        ("rate", [0.3], "0.0, 0.3, 0.55"),
        ("loss", "NSL", "'nsl', 'rnsl', 'trnsl'"),
        ("noise", "white", "'symmetric', 'label_dependent'"),
    ],
)
def test_what_the_table_lacks_is_refused_and_the_choices_are_named(
    explorer: EmbeddingExplorer, name: str, value: Any, allowed: str
) -> None:
    before = getattr(explorer, name)
    message = f"{name} is {value!r}; this explorer has {allowed}."
    with pytest.raises(traitlets.TraitError, match=re.escape(message)):
        setattr(explorer, name, value)
    assert getattr(explorer, name) == before
    with pytest.raises(traitlets.TraitError, match=re.escape(message)):
        EmbeddingExplorer(small_maps(), **{name: value})


def test_a_computed_rate_is_taken_for_the_one_it_means(explorer: EmbeddingExplorer) -> None:
    for rate in (0.1 + 0.2, np.float32(0.3)):
        explorer.rate = 0.0
        explorer.rate = rate
        assert explorer.rate == 0.3


def test_two_explorers_can_be_linked(explorer: EmbeddingExplorer) -> None:
    other = EmbeddingExplorer(small_maps())
    ipywidgets.link((explorer, "rate"), (other, "rate"))
    explorer.rate = 0.55
    assert other.rate == 0.55
    assert other.loss == explorer.loss == "nsl"


@pytest.mark.parametrize("name", ["coordinates", "predicted", "labels", "accuracy", "spread"])
def test_tables_that_disagree_are_named(name: str) -> None:
    maps = small_maps()
    with pytest.raises(ValueError, match=f"{name} has shape .* 80 files need"):
        EmbeddingExplorer(maps._replace(**{name: getattr(maps, name)[..., :-1]}))


@pytest.mark.parametrize("name", ["labels", "predicted"])
def test_a_class_without_a_name_is_refused(name: str) -> None:
    maps = small_maps()
    with pytest.raises(ValueError, match=f"{name} holds class 3; 3 class names allow 0 to 2"):
        EmbeddingExplorer(
            maps._replace(
                **{"labels": maps.labels % 3, "predicted": maps.predicted % 3}
                | {name: getattr(maps, name)},
                class_names=CLASSES[:3],
            )
        )


def test_a_number_between_two_steps_of_a_range_means_the_nearest() -> None:
    losses = explorers.LossExplorer()
    losses.q = 0.331
    assert losses.q == 0.34
    slider = ipywidgets.FloatSlider(0.7, min=0, max=1, step=0.01)
    ipywidgets.link((slider, "value"), (losses, "q"))
    slider.value = 0.309
    assert losses.q == 0.3
    losses.q = 0.9
    assert slider.value == 0.9


def test_a_name_that_no_control_has_is_refused(explorer: EmbeddingExplorer) -> None:
    with pytest.raises(AttributeError, match="no 'T' to set; it has rate, loss, noise"):
        explorer.T = 0.1
    with pytest.raises(TypeError, match="no 'T'; it has rate, loss, noise"):
        EmbeddingExplorer(small_maps(), T=0.1)
    explorer.observe(lambda change: None, "rate")
    explorer.layout.width = "50%"


# ------------------------------------------------------------------ what is handed over


def test_the_table_holds_the_maps_byte_for_byte(explorer: EmbeddingExplorer) -> None:
    maps, table = explorer.maps, explorer._table
    for name, dtype in [("coordinates", "<u2"), ("predicted", "u1"), ("labels", "u1")]:
        expected = getattr(maps, name)
        found = np.frombuffer(table[name]["data"], dtype).reshape(expected.shape)
        np.testing.assert_array_equal(found, expected)
    medians = np.frombuffer(table["medians"]["data"], "<u2").reshape(2, 3, 3, len(CLASSES), 2)
    one = maps.coordinates[1, 2, 0, maps.labels == 2]
    np.testing.assert_allclose(medians[1, 2, 0, 2], np.median(one, axis=0), atol=1)


def test_the_rest_of_the_table_is_json(explorer: EmbeddingExplorer) -> None:
    maps, table = explorer.maps, explorer._table
    text = {name: value for name, value in table.items() if not isinstance(value, dict)}
    read = json.loads(json.dumps(text, allow_nan=False))
    np.testing.assert_allclose(read["accuracy"], 100 * maps.accuracy, rtol=1e-6)
    assert read["percents"] == [0, 30, 55]
    for loss, style in zip(read["losses"], plots.LOSS_STYLES.values(), strict=True):
        assert tuple(loss[field] for field in ("label", "color", "marker")) == (
            style.label, f"light-dark({style.color}, {_DARK[style.color]})", style.marker,
        )  # fmt: skip
        assert loss["dash"] == list(style.dash)


def test_only_what_is_called_a_color_is_handed_over_for_both_grounds() -> None:
    handed = base.handed({"colors": ["#000000", "#123456"], "class_names": ["#000000"]})
    assert handed["colors"] == ["light-dark(#000000, #F0F6FC)", "#123456"]
    assert handed["class_names"] == ["#000000"]
    control = base.Control("Colour", ("#000000",), ("black",))
    assert base.handed({"color": control})["color"]["values"] == ["#000000"]


def test_headlines_tell_the_accuracy_beside_that_of_the_other_end(
    explorer: EmbeddingExplorer,
) -> None:
    headlines = np.array(explorer._table["headlines"]).reshape(2, 3, 3)
    nsl, rnsl, trnsl = (f"{a:.1%}" for a in explorer.maps.accuracy[0, 2])
    told = "of test images find their class"
    assert headlines[0, 2, 0] == f"NSL at 55% wrong labels: {nsl} {told} (t-RNSL: {trnsl})"
    assert headlines[0, 2, 1] == f"RNSL at 55% wrong labels: {rnsl} {told} (NSL: {nsl})"
    assert headlines[0, 2, 2] == f"t-RNSL at 55% wrong labels: {trnsl} {told} (NSL: {nsl})"


def test_one_seed_has_no_spread_and_one_loss_nothing_beside_it() -> None:
    maps = small_maps()
    maps = maps._replace(
        losses=("nsl",),
        coordinates=maps.coordinates[:, :, :1],
        predicted=maps.predicted[:, :, :1],
        accuracy=maps.accuracy[:, :, :1],
        spread=np.full((2, 3, 1), np.nan, dtype=np.float32),
        seeds=1,
    )
    table = EmbeddingExplorer(maps)._table
    assert table["headlines"][0] == "NSL at 0% wrong labels: 90.0% of test images find their class"
    assert table["spread"][0][0] == [0.0]
    assert table["chart_note"] == "One seed."


def test_a_full_size_table_stays_below_two_megabytes() -> None:
    maps = small_maps()
    repeated = {
        name: np.repeat(getattr(maps, name), 25, axis=axis)
        for name, axis in [("coordinates", 3), ("predicted", 3), ("labels", 0)]
    }
    explorer = EmbeddingExplorer(maps._replace(files=maps.files * 25, **repeated))
    assert len(explorer.maps.files) == 25 * IMAGES == 2000
    assert len(standalone_html(explorer)) < 2e6


# ------------------------------------------------------------------ modules and the page


@pytest.mark.parametrize("kind", EXPLORERS)
def test_the_joined_module_imports_nothing_and_exports_one_default(kind: type[Explorer]) -> None:
    source = str(kind._esm)
    assert not re.search(r"^import ", source, re.MULTILINE)
    assert len(re.findall(r"^export default ", source, re.MULTILINE)) == 1


@pytest.mark.parametrize("kind", EXPLORERS)
def test_no_two_of_the_joined_files_declare_one_name(kind: type[Explorer]) -> None:
    declaration = re.compile(r"^(?:export )?(?:const|let|function|class) (\w+)", re.MULTILINE)
    declared = declaration.findall(str(kind._esm))
    assert len(declared) == len(set(declared)) > 10


def test_modules_hold_no_power_no_root_no_exponential_and_no_logarithm() -> None:
    """The mathematics stands in Python, and in the playground's engine, which torch is held to;
    elsewhere only motion slows down exponentially."""
    found = {}
    for path in (path for path in MODULES if path.name != "engine.js"):
        code = re.sub(r"/\*.*?\*/", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
        found[path.name] = set(re.findall(r"Math\.(?:exp|expm1|log\w*|pow|sqrt)|\*\*", code))
    assert {name: formulas for name, formulas in found.items() if formulas} == {
        "widgets.js": {"Math.exp"}
    }


def test_text_can_be_read_on_light_and_on_dark_ground() -> None:
    css = (PACKAGE / "tutorial" / "static" / "explorers.css").read_text(encoding="utf-8")
    pairs = re.findall(r"--rnsl-(\w+): .*light-dark\((#\w+), (#\w+)\)", css)
    colors = {name: both for name, *both in pairs}
    assert {"text", "quiet", "background", "raised", "accent"} <= set(colors)
    for i in (0, 1):
        for ground in ("background", "raised"):
            for name, least in (("text", 4.5), ("quiet", 4.5), ("accent", 3)):
                assert contrast(colors[name][i], colors[ground][i]) >= least, (name, ground, i)


def test_every_explorer_brings_all_styles_the_common_ones_first() -> None:
    names = {path.name for path in (PACKAGE / "tutorial" / "static").glob("*.css")}
    assert len(set(base._STYLES)) == len(base._STYLES)
    assert set(base._STYLES) == names - {"one_page.css", "tile.css"}  # of pages that hold several
    assert base._STYLES[0] == "explorers.css"
    kinds = [getattr(explorers, name) for name in explorers.__all__ if name.endswith("Explorer")]
    assert len({kind._css for kind in kinds}) == 1


@pytest.mark.parametrize("path", MODULES, ids=[path.name for path in MODULES])
def test_modules_ask_nothing_of_a_network_and_parse(path: Path, tmp_path: Path) -> None:
    source = path.read_text(encoding="utf-8")
    assert set(re.findall(r"https?://\S+?(?=[\"'`])", source)) <= {"http://www.w3.org/2000/svg"}
    assert "innerHTML" not in source
    if (node := shutil.which("node")) is None:
        pytest.skip("no node to parse it with; the browser tests run it")
    module = tmp_path / f"{path.stem}.mjs"
    module.write_text(source, encoding="utf-8")
    subprocess.run([node, "--check", str(module)], check=True)


def test_a_page_carries_each_explorer_with_its_state(explorer: EmbeddingExplorer) -> None:
    other = EmbeddingExplorer(small_maps(), rate=0.55, loss="rnsl")
    page = standalone_html(explorer, other)
    found = re.findall(r'<script type="application/json"[^>]*>(.*?)</script>', page)
    states = [json.loads(text)["state"] for text in found]
    assert [(s["noise"], s["rate"], s["loss"]) for s in states] == [
        ("symmetric", 0.0, "nsl"),
        ("symmetric", 0.55, "rnsl"),
    ]
    own = {"noise", "rate", "loss", "guess", "_guessing", "_controls", "_table"}
    assert set(states[0]) == own
    coordinates = base64.b64decode(states[0]["_table"]["coordinates"]["data"]["base64"])
    assert coordinates == explorer._table["coordinates"]["data"]


def test_names_cannot_break_out_of_the_page() -> None:
    attack = "</script><script>alert(1)</script>"
    maps = small_maps()._replace(class_names=(attack, *CLASSES[1:]))
    page = standalone_html(EmbeddingExplorer(maps), title=attack)
    assert attack not in page
    assert "<title>&lt;/script&gt;" in page
    found = re.search(r'<script type="application/json"[^>]*>(.*?)</script>', page)
    assert found
    assert json.loads(found[1])["state"]["_table"]["class_names"][0] == attack


# ------------------------------------------------------------------ where no widget can live


def test_an_output_holds_a_picture_of_its_class_and_how_to_move_it(
    explorer: EmbeddingExplorer,
) -> None:
    for shown in (explorer, Playground()):
        data, _ = shown._repr_mimebundle_()
        assert "application/vnd.jupyter.widget-view+json" in data
        assert data["text/plain"].endswith("Run this cell to move it.")
        with Image.open(io.BytesIO(base64.b64decode(data["image/png"]))) as picture:
            assert picture.format == "PNG"


def test_a_page_is_the_same_where_a_notebook_keeps_pictures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = standalone_html(EmbeddingExplorer(small_maps()))
    monkeypatch.setenv(SEEN, str(tmp_path))
    kept = EmbeddingExplorer(small_maps())
    assert "seenOf" in kept._esm
    assert standalone_html(kept) == page


def test_every_explorer_of_the_page_of_all_has_a_picture() -> None:
    pictures = {path.stem for path in _standing._FOLDER.glob("*.png")}
    assert {type(place.make()).__name__ for place in one_page.EXPLORERS} <= pictures
