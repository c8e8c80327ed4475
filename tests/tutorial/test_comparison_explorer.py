"""The explorer of measured losses: its table, its sentence, its traits, its figure."""

import numpy as np
import pytest
from explorer_checks import lacks, unpacked
from synthetic_comparison import small_comparison

from rnsl_tutorial.experiments import figures
from rnsl_tutorial.tutorial.explorers import ComparisonExplorer, standalone_html


@pytest.fixture
def explorer() -> ComparisonExplorer:
    return ComparisonExplorer(small_comparison(), rate=0.5, loss="gce")


def test_the_table_holds_percent(explorer: ComparisonExplorer) -> None:
    table, handed = small_comparison(), explorer._table
    assert handed["percents"] == [0, 30, 50]
    assert [style["label"] for style in handed["styles"]] == ["RNSL", "NSL", "GCE"]
    assert handed["reference"] == 0
    for name in ("mean", "spread", "difference", "low", "high"):
        expected = 100 * getattr(table, name)
        np.testing.assert_allclose(unpacked(explorer, name), expected, rtol=1e-6)
    assert len(handed["headlines"]) == table.mean.size
    assert len(handed["axes"]) == 4


def test_the_axes_hold_every_mark(explorer: ComparisonExplorer) -> None:
    table = small_comparison()
    for (m, k), axes in zip(np.ndindex(2, 2), explorer._table["axes"], strict=True):
        x, y, difference, losses = (axis["range"] for axis in axes)
        assert x[0] < 0 < 50 < x[1]
        assert y[0] <= 100 * np.nanmin(table.mean[m, k] - table.spread[m, k])
        assert y[1] >= 100 * np.nanmax(table.mean[m, k] + table.spread[m, k])
        assert difference[0] < min(0, 100 * np.nanmin(table.low[m, k]))
        assert difference[1] > max(0, 100 * np.nanmax(table.high[m, k]))
        assert losses[0] > 2 > 0 > losses[1], "the first loss stands at the top"


def test_the_sentence_tells_the_interval_and_what_is_missing(explorer: ComparisonExplorer) -> None:
    assert explorer.reading == (
        "GCE at 50% wrong labels: 82.0%, -2.0 points from RNSL "
        "(95% interval -5.0 to +1.0: it holds 0)"
    )
    explorer.loss = "nsl"
    assert explorer.reading.endswith("-14.0 points from RNSL (95% interval -17.0 to -11.0)")
    explorer.loss = "rnsl"
    assert explorer.reading == "RNSL at 50% wrong labels: 84.0%"
    explorer.loss, explorer.rate = "gce", 0.3
    assert explorer.reading == "GCE at 30% wrong labels: not measured"


def test_traits_take_the_values_of_their_controls(explorer: ComparisonExplorer) -> None:
    explorer.metric, explorer.noise, explorer.rate = "memorized", "label_dependent", 0.3
    lacks(explorer, rate=0.4, loss="sce", metric="speed", noise="salt")


def test_tables_that_disagree_are_refused() -> None:
    table = small_comparison()
    with pytest.raises(ValueError, match=r"3 rates and 3 losses need \(2, 2, 3, 3\) each"):
        ComparisonExplorer(table._replace(low=table.low[:1]))
    with pytest.raises(ValueError, match="reference is 'ce'; it must be one of"):
        ComparisonExplorer(table._replace(reference="ce"))


def test_the_page_is_small(explorer: ComparisonExplorer) -> None:
    assert len(standalone_html(explorer)) < 4e5


def test_nothing_measured_still_has_axes() -> None:
    table = small_comparison()
    empty = np.full_like(table.mean, np.nan)
    axes = figures._comparison_axes(table._replace(mean=empty, low=empty, high=empty), 0, 0)
    assert axes[1].range == (0, 100)
    assert axes[2].range[0] < 0 < axes[2].range[1]
