"""The map of one's own that plotly draws: what is drawn, told, selected and kept."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import plotly.graph_objects as go
import pytest
from PIL import Image
from plotly.callbacks import Points

from rnsl_tutorial.evaluation.umap import umap_map
from rnsl_tutorial.tutorial import plots

RNG = np.random.default_rng(0)
FLAT, SOLID = RNG.random((20, 2)), RNG.random((20, 3))
LABELS = np.arange(20) % 3
NAMES = ("Beach", "Forest", "<b>Pond</b>")
IMAGES = np.broadcast_to(np.arange(20, dtype=np.uint8)[:, None, None, None], (20, 3, 8, 8))


def point_at(shown: Any, trace: Any, places: list[int]) -> Points:
    return Points(point_inds=places, xs=[], ys=[], trace_name=trace.name, trace_index=0)


@pytest.mark.parametrize(("map_ND", "kind"), [(FLAT, go.Scatter), (SOLID, go.Scatter3d)])
def test_each_class_is_a_cloud_of_its_own(map_ND: Any, kind: type) -> None:
    figure = plots.scatter(map_ND, LABELS, NAMES).figure
    assert [trace.name for trace in figure.data] == ["Beach", "Forest", "&lt;b>Pond&lt;/b>"]
    for c, trace in enumerate(figure.data):
        assert isinstance(trace, kind)
        drawn = np.stack([trace[axis] for axis in "xyz"[: map_ND.shape[1]]], axis=1)
        np.testing.assert_array_equal(drawn, map_ND[c == LABELS])
        assert trace.marker.color == plots.class_colors(3)[c]


def test_a_pointer_is_told_and_shown_the_image() -> None:
    files = [f"{i}.jpg" for i in range(20)]
    shown = plots.scatter(FLAT, LABELS, NAMES, files=files, images=IMAGES)
    trace = shown.figure.data[1]
    assert trace.text[2] == "7.jpg"
    assert trace.hovertemplate.startswith("<b>Forest</b>")
    before, sent = shown.children[1].get_state(), []
    shown.children[1].send = lambda _, buffers: sent.extend(buffers)
    trace._dispatch_on_hover(point_at(shown, trace, [2]), None)
    with Image.open(io.BytesIO(sent[0])) as picture:
        np.testing.assert_allclose(np.asarray(picture), np.full((8, 8, 3), 7), atol=2)
    assert shown.children[1].get_state() == before, "no state keeps a picture"


def test_a_lasso_over_classes_selects_images() -> None:
    shown = plots.scatter(FLAT, LABELS, NAMES)
    assert shown.selected.tolist() == []
    first, _, third = shown.figure.data
    first.selectedpoints, third.selectedpoints = [0, 2], [1]
    first._dispatch_on_selection(point_at(shown, first, [0, 2]), None)
    assert shown.selected.tolist() == [0, 5, 6]
    assert shown.figure.layout.dragmode == "lasso"


def test_doubts_are_a_scale_with_its_name() -> None:
    doubt = np.linspace(0, 1, 20)
    [trace] = plots.scatter(FLAT, doubt, measure="doubt").figure.data
    np.testing.assert_array_equal(trace.marker.color, doubt)
    assert trace.marker.colorbar.title.text == "doubt"
    assert "%{marker.color" in trace.hovertemplate


def test_a_large_flat_map_is_drawn_by_webgl() -> None:
    large = plots.scatter(RNG.random((6000, 2)), np.zeros(6000, int), ["one"])
    assert isinstance(large.figure.data[0], go.Scattergl)


def test_it_is_kept_as_a_page_without_a_network(tmp_path: Path) -> None:
    plots.scatter(FLAT, LABELS, NAMES).figure.write_html(tmp_path / "map.html")
    page = (tmp_path / "map.html").read_text(encoding="utf-8")
    assert "Forest" in page
    assert '<script src="http' not in page


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"map": FLAT[:, :1]}, r"map is \[20, 1\]; it must be \[N, 2\] or \[N, 3\]"),
        ({"color": LABELS[:5]}, r"\[5\] colors and 0 files for 20 points"),
        ({"files": ["a"]}, r"\[20\] colors and 1 files"),
        ({"images": IMAGES[:3]}, r"uint8 \[20, 3, S, S\] is needed"),
        ({"class_names": NAMES[:2]}, "2 classes allow 0 to 1"),
        ({"map": np.full((20, 2), np.nan)}, "map"),
    ],
)
def test_what_does_not_fit_is_refused(changed: dict[str, Any], message: str) -> None:
    given: dict[str, Any] = {"map": FLAT, "color": LABELS, "class_names": NAMES}
    with pytest.raises(ValueError, match=message):
        plots.scatter(**given | changed)


def test_umap_has_three_dimensions_too(tmp_path: Path) -> None:
    points = RNG.random((30, 8)).astype(np.float32)
    found = umap_map(points, n_neighbors=5, dims=3, cache=tmp_path)
    assert found.shape == (30, 3)
    assert np.isfinite(found).all()
    with pytest.raises(ValueError, match="dims is 4; a map has 2 or 3 dimensions"):
        umap_map(points, dims=4, cache=tmp_path)
