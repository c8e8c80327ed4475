"""What a run holds, small and without training."""

import numpy as np
from numpy.typing import NDArray


def small_run(moments: int = 1, images: int = 400) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Log p [moments, images] whose right labels rise, and which labels are wrong."""
    generator = np.random.default_rng(0)
    flipped = generator.random(images) < 0.4
    rise = np.linspace(0.1, 3.0, moments)[:, None]
    log_p = -generator.exponential(1.0, (moments, images)) / rise * np.where(flipped, 6 * rise, 1)
    return log_p.astype(np.float32), flipped
