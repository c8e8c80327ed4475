"""The explorers of maps hold the table as it is; what is selected comes back to Python."""

import numpy as np
import pytest
import traitlets
from explorer_checks import array
from synthetic_umap_maps import DISTS, IMAGES, LOSSES, NEIGHBORS, small_umap_maps

from rnsl_tutorial.tutorial import plots
from rnsl_tutorial.tutorial.explorers import (
    EpochMapsExplorer,
    UmapSettingsExplorer,
    standalone_html,
    umap_maps,
)

TABLE = small_umap_maps()


def test_each_loss_has_a_panel_with_its_maps_over_epochs() -> None:
    panels = EpochMapsExplorer(TABLE)._table["panels"]
    assert [panel["title"] for panel in panels] == ["NSL", "RNSL", "t-RNSL"]
    for i, panel in enumerate(panels):
        assert tuple(panel["axes"]) == ("epoch",)
        np.testing.assert_array_equal(array(panel["maps"]), TABLE.over_epochs[i])
        trust, overlap, _ = TABLE.measured_over_epochs[i, 1]
        assert panel["captions"][1] == f"trustworthiness {trust:.3f}; neighbours kept {overlap:.0%}"


def test_the_settings_stand_beside_pca() -> None:
    table = UmapSettingsExplorer(TABLE)._table
    umap, pca = table["panels"]
    assert (tuple(umap["axes"]), tuple(pca["axes"])) == (
        ("loss", "n_neighbors", "min_dist"),
        ("loss",),
    )
    np.testing.assert_array_equal(array(umap["maps"]), TABLE.over_settings)
    np.testing.assert_array_equal(array(pca["maps"]), TABLE.pca)
    np.testing.assert_array_equal(array(table["neighbors"]["places"]), TABLE.neighbors)
    places = list(np.ndindex(len(LOSSES), len(NEIGHBORS), len(DISTS)))
    for place, told, caption in zip(places, table["told"]["texts"], umap["captions"], strict=True):
        kept = f"{TABLE.measured_over_settings[place][1]:.0%}"
        n_neighbors, min_dist = NEIGHBORS[place[1]], DISTS[place[2]]
        assert f"n_neighbors {n_neighbors}, min_dist {min_dist:g}: " in told
        assert f"UMAP keeps {kept} and" in told
        assert caption.endswith(f"kept {kept}")


def test_colours_come_from_labels_p_and_kept() -> None:
    over_epochs = EpochMapsExplorer(TABLE)._table["colorings"]
    np.testing.assert_array_equal(array(over_epochs["true"]["codes"]), TABLE.labels)
    np.testing.assert_array_equal(array(over_epochs["given"]["codes"]), TABLE.given)
    np.testing.assert_array_equal(array(over_epochs["p"]["codes"]), TABLE.p)
    np.testing.assert_array_equal(array(over_epochs["kept"]["codes"]), TABLE.kept)
    assert tuple(over_epochs["p"]["axes"]) == ("panel", "epoch")
    at_the_end = UmapSettingsExplorer(TABLE)._table["colorings"]
    np.testing.assert_array_equal(array(at_the_end["p"]["codes"]), TABLE.p[:, -1])
    np.testing.assert_array_equal(array(at_the_end["kept"]["codes"]), TABLE.kept[:, -1])
    for coloring in over_epochs.values():
        assert array(coloring["codes"]).max() < len(coloring["colors"])


def test_p_goes_from_red_to_blue() -> None:
    colors = [[int(c[i : i + 2], 16) for i in (1, 3, 5)] for c in umap_maps._p_colors()]
    assert len(colors) == 256
    assert (np.diff([red for red, _, _ in colors])[128:] <= 0).all()
    assert colors[0][0] > colors[0][2]
    assert colors[-1][0] < colors[-1][2]


def test_traits_take_the_values_of_their_controls() -> None:
    explorer = EpochMapsExplorer(TABLE)
    assert (explorer.epoch, explorer.color, explorer.mark) == (5, "given", "nothing")
    explorer.epoch = 1
    with pytest.raises(traitlets.TraitError, match="epoch is 2; this explorer has 0, 1, 5"):
        explorer.epoch = 2
    settings = UmapSettingsExplorer(TABLE)
    assert (settings.loss, settings.n_neighbors, settings.min_dist) == ("trnsl", 5, 0.0)
    with pytest.raises(traitlets.TraitError, match="color is 'loss'"):
        settings.color = "loss"


def test_a_selection_is_sorted_and_of_images() -> None:
    explorer = EpochMapsExplorer(TABLE)
    assert explorer.selected == []
    explorer.selected = [7, 3, 7]
    assert explorer.selected == [3, 7]
    with pytest.raises(traitlets.TraitError, match="selected holds 60; there are 60 images, 0 to"):
        explorer.selected = [60]


@pytest.mark.parametrize("shape", [(IMAGES - 1, 3, 8, 8), (IMAGES, 8, 8, 3), (IMAGES, 8, 8)])
def test_images_of_another_shape_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"images are uint8 .*; uint8 \(60, 3, S, S\) is needed"):
        EpochMapsExplorer(TABLE, images=np.zeros(shape, dtype=np.uint8))


@pytest.mark.parametrize("name", ["over_epochs", "over_settings", "pca", "p", "given"])
def test_arrays_that_disagree_are_named(name: str) -> None:
    broken = TABLE._replace(**{name: getattr(TABLE, name)[..., :-1]})
    with pytest.raises(ValueError, match=rf"^{name} has shape .* Make the table anew"):
        UmapSettingsExplorer(broken)


def test_maps_side_by_side_lie_where_the_table_says_and_cross_what_is_marked() -> None:
    coloring = plots.Coloring(TABLE.given, plots.class_colors(4))
    maps, wrong = TABLE.over_epochs[:2, 1], TABLE.wrong
    figure = plots.maps_side_by_side(maps, coloring, ["NSL", "RNSL"], marked=wrong, mark="wrong")
    assert [axes.get_title("left") for axes in figure.axes] == ["NSL", "RNSL"]
    for axes, map_N2 in zip(figure.axes, maps.astype(float), strict=True):
        places = np.concatenate([part.get_offsets() for part in axes.collections])
        np.testing.assert_allclose(places, np.concatenate([map_N2[~wrong], map_N2[wrong]]))


def test_the_figure_refuses_maps_of_other_images() -> None:
    coloring = plots.Coloring(np.zeros(3, dtype=int), ["#000000"])
    with pytest.raises(ValueError, match="all must be"):
        plots.maps_side_by_side([np.zeros((3, 2)), np.zeros((4, 2))], coloring, ["a", "b"])
    with pytest.raises(ValueError, match=r"The codes have shape \(3,\)"):
        plots.maps_side_by_side([np.zeros((4, 2))], coloring, ["a"])


def test_a_page_of_both_is_small() -> None:
    assert len(standalone_html(EpochMapsExplorer(TABLE), UmapSettingsExplorer(TABLE))) < 3e5
