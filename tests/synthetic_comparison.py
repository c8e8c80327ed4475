"""Three losses, made up: RNSL at 88, 86, 84%; NSL and GCE below it, GCE not measured at 30%."""

import numpy as np

from rnsl_tutorial.tutorial.plots import Comparison


def small_comparison() -> Comparison:
    """Two metrics and two kinds of noise, of which the second of each is ten points lower."""
    reached = np.array([[0.88, 0.87, 0.88], [0.86, 0.78, np.nan], [0.84, 0.70, 0.82]])
    lower = np.array([0.0, 0.1])
    mean = reached - lower[:, None, None, None] - lower[:, None, None]
    difference = mean - mean[..., :1]
    reach = np.where(np.isnan(difference), np.nan, 0.03) * (np.arange(3) > 0)
    return Comparison(
        metrics=("knn_clean", "memorized"),
        noises=("symmetric", "label_dependent"),
        rates=(0.0, 0.3, 0.5),
        losses=("rnsl", "nsl", "gce"),
        reference="rnsl",
        mean=mean,
        spread=np.where(np.isnan(mean), np.nan, 0.01),
        difference=difference,
        low=difference - reach,
        high=difference + reach,
        seeds=5,
    )
