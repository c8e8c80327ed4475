import io
import os
from itertools import combinations
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pytest
from explorer_checks import refuses
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.text import Annotation, Text

from rnsl_tutorial.experiments import style
from rnsl_tutorial.tutorial import plots
from rnsl_tutorial.tutorial.explorers import audit, truncation, umap_maps

RATES = (0.0, 0.3, 0.7)
LOSSES = ("nsl", "rnsl", "trnsl")
MEAN = np.array([[0.87, 0.76, 0.44], [0.87, 0.85, 0.65], [0.87, 0.86, 0.66]])
SPREAD = np.full((3, 3), 0.01)
OKABE_ITO = {"#E69F00", "#56B4E9", "#009E73", "#F0E442", "#0072B2", "#D55E00", "#CC79A7", "#000000"}


def pixels(figure: Figure) -> Any:
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())


def written(axes: Axes) -> list[Annotation]:
    return [text for text in axes.texts if isinstance(text, Annotation)]


# ------------------------------------------------------------------ accuracy over the rate


def curves(**changes: Any) -> Figure:
    given: dict[str, Any] = {"rates": RATES, "mean": MEAN, "spread": SPREAD, "loss_names": LOSSES}
    return plots.accuracy_over_rate(**given | changes)


def lines_of(figure: Figure) -> list[Any]:
    return [container.lines[0] for container in figure.axes[0].containers]


def test_lines_show_percentages_of_the_given_numbers() -> None:
    for line, mean_R in zip(lines_of(curves()), MEAN, strict=True):
        np.testing.assert_allclose(line.get_xdata(), [0, 30, 70])
        np.testing.assert_allclose(line.get_ydata(), 100 * mean_R)


def test_error_bars_reach_one_spread_up_and_down() -> None:
    (bars,) = curves().axes[0].containers[0].lines[2]
    heights = [segment[:, 1] for segment in bars.get_segments()]
    np.testing.assert_allclose(heights, [(100 * m - 1, 100 * m + 1) for m in MEAN[0]])


def test_lines_differ_in_more_than_colour() -> None:
    lines = lines_of(curves())
    assert len({line.get_marker() for line in lines}) == 3
    assert len({str(line._dash_pattern) for line in lines}) == 3
    assert {style.color for style in plots.LOSS_STYLES.values()} <= OKABE_ITO


def test_axes_have_labels_with_units() -> None:
    (axes,) = curves(title="AID").axes
    assert axes.get_xlabel() == "wrong labels in training (%)"
    assert axes.get_ylabel() == "k-NN accuracy (% of test images)"
    assert axes.get_title("left") == "AID"


def test_names_stand_at_the_lines_in_their_order_and_do_not_touch() -> None:
    figure = curves()
    pixels(figure)
    names = {text.get_text(): text.get_window_extent() for text in written(figure.axes[0])}
    assert sorted(names, key=lambda name: names[name].y0) == ["NSL", "RNSL", "t-RNSL"]
    assert not any(a.overlaps(b) for a, b in combinations(names.values(), 2))


def test_one_seed_has_no_spread_and_still_a_figure() -> None:
    figure = curves(spread=np.full((3, 3), np.nan))
    assert figure.axes[0].get_ylim() == (40, 90)
    assert pixels(figure).std() > 0


def test_a_loss_of_the_learner_gets_its_own_name_and_style() -> None:
    styles = plots.loss_styles(["nsl", "mine", "yours"])
    assert [style.label for style in styles] == ["NSL", "mine", "yours"]
    assert len({style.color for style in styles}) == 3
    (axes,) = curves(loss_names=("nsl", "mine", "yours")).axes
    assert {text.get_text() for text in written(axes)} == {"NSL", "mine", "yours"}


@pytest.mark.parametrize(
    "changes", [{"mean": MEAN.T[:2]}, {"spread": SPREAD[:2]}, {"rates": [RATES]}, {"rates": ()}]
)
def test_shapes_that_disagree_are_named(changes: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"mean has shape .* need \[losses, rates\]"):
        curves(**changes)


def test_range_holds_every_bar_and_stays_a_percentage() -> None:
    assert plots.whole_tens(np.array([0.44, 0.87]), np.array([0.01, np.nan])) == (40, 90)
    assert plots.whole_tens(np.array([0.01, 0.99]), np.array([0.05, 0.05])) == (0, 100)
    assert [plots.whole_tens(np.array([x]), np.zeros(1)) for x in (0.0, 0.5, 1.0)] == [
        (0, 10), (40, 60), (90, 100),
    ]  # fmt: skip


# ------------------------------------------------------------------ metric learning

FOUND = (("Port", "Pond", "Port"), ("Pond", "$\\frac$", "River"))


def searches(**changes: Any) -> Figure:
    given: dict[str, Any] = {"query": "Port", "found": FOUND, "titles": ("before", "after")}
    return plots.nearest_scenes(**given | changes)


def test_a_search_is_a_row_of_named_tiles_and_the_other_classes_are_hatched() -> None:
    for axes, row, title in zip(searches().axes, FOUND, ("before", "after"), strict=True):
        assert [text.get_text() for text in axes.texts] == list(row)
        assert [bool(tile.get_hatch()) for tile in axes.patches] == [name != "Port" for name in row]
        assert axes.get_title("left") == title


test_searches_that_disagree_are_named = refuses(
    searches,
    ({"titles": ("before",)}, r"1 titles and searches of \[3, 3\] images"),
    ({"found": (("Port",), ())}, r"searches of \[1, 0\] images"),
)


def test_the_picture_of_metric_learning_joins_a_query_with_its_ten_nearest() -> None:
    *_, search = plots.metric_learning().axes
    ends = np.array([line.get_xydata()[1] for line in search.lines])
    query = search.lines[0].get_xydata()[0]
    points = np.concatenate([cloud.get_offsets() for cloud in search.collections[:3]])
    distances = np.sort(np.linalg.norm(points - query, axis=1))
    np.testing.assert_allclose(np.sort(np.linalg.norm(ends - query, axis=1)), distances[:10])


def test_thirty_classes_have_thirty_colours() -> None:
    assert len(set(plots.class_colors(30))) == 30
    assert all(len(color) == 7 for color in plots.class_colors(30))


def contrast(color: str, ground: str) -> float:
    """Of WCAG 2.2: 1 for one brightness, 21 for black on white."""
    low, high = sorted(style._luminance(to_rgb(c)) for c in (color, ground))
    return (high + 0.05) / (low + 0.05)


GROUNDS = ("#0d1117", "#111111", "#212121")  # of the explorers in the dark, and of JupyterLab's


def test_contrast_of_known_colours() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.005)


def test_every_mark_is_seen_on_paper_and_in_the_dark() -> None:
    """A contrast of 3 at least (WCAG 2.2, 1.4.11), also of the lines of text's colour."""
    for light, dark in style._DARK.items():
        assert contrast(light, "#ffffff") >= 3, light
        assert min(contrast(dark, ground) for ground in GROUNDS) >= 3, dark
    everywhere = [*plots.class_colors(100), *umap_maps._p_colors()]
    for color in everywhere:
        assert min(contrast(color, ground) for ground in ("#ffffff", *GROUNDS)) >= 3, color


def test_every_style_has_a_colour_for_both_grounds() -> None:
    tables = (
        style.LOSS_STYLES.values(), style._BASELINE_STYLES.values(),
        style._WITHOUT_LOSS_STYLES.values(), style._OTHER_STYLES, [plots.RIGHT, plots.WRONG],
        plots.prototype_styles(6), plots.MEASURE_STYLES.values(),
    )  # fmt: skip
    colors = {look.color for table in tables for look in table} - {""}  # "": that of text
    assert {*colors, *umap_maps._KEPT_COLORS, audit._FLAGGED_COLOR, truncation._CUT_COLOR} == set(
        style._DARK
    )


# ------------------------------------------------------------------ every figure


@pytest.mark.parametrize("draw", [curves, searches, plots.metric_learning])
def test_figures_are_opaque_closed_and_independent_of_the_readers_style(draw: Any) -> None:
    expected = pixels(draw())
    with plt.style.context("dark_background"):
        figure = draw()
        found = pixels(figure)
        reader = dict(plt.rcParams)
    np.testing.assert_array_equal(found, expected)
    assert reader["text.color"] == "white"
    assert tuple(found[0, 0]) == (255, 255, 255, 255)
    assert plt.get_fignums() == []


@pytest.mark.parametrize("name", ["$\\frac$", "a$b$c", os.fsdecode(b"\xff\xfe")])
def test_a_class_may_be_called_anything(name: str) -> None:
    """No name is mathematics, and one that is no text is drawn too."""
    matrix = np.full((3, 3), 0.1) + 0.7 * np.eye(3)
    figures = (
        plots.transitions_side_by_side({name: matrix}, (name, "b", "c")),
        plots.transition_beside_row(matrix, matrix[0], (name, "b", "c"), 1, title=name),
        plots.doubtful_images(np.zeros((1, 3, 4, 4), np.uint8), [name], title=name),
    )
    for figure in figures:
        figure.savefig(io.BytesIO(), format="png")
        drawn = [text.get_text() for text in figure.findobj(Text)]
        assert any(name.encode("utf-8", "replace").decode() in text for text in drawn)
