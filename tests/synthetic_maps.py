"""A small table for the tests of the explorer, in which one image can be followed by eye."""

import numpy as np

from rnsl_tutorial.tutorial.tables import EmbeddingMaps

CLASSES = ("Beach", "Forest", "Port", "<b>Pond</b>")  # the last would show if text became markup
IMAGES = 80  # the first is the one to follow: alone in the left half, at another place on each map


def small_maps() -> EmbeddingMaps:
    """Two noises, three rates, three losses; images 1, 2, 3 ... are of classes 1, 2, 3, 0, 1 ..."""
    cells = (2, 3, 3)
    rng = np.random.default_rng(0)
    labels = np.arange(IMAGES) % len(CLASSES)
    home = np.array([(0.6, 0.2), (0.9, 0.2), (0.6, 0.8), (0.9, 0.8)])
    places = home[labels] + rng.uniform(-0.08, 0.08, (*cells, IMAGES, 2))
    places[..., 0, :] = np.linspace((0.05, 0.1), (0.4, 0.9), 18).reshape(*cells, 2)
    accuracy = np.linspace(0.9, 0.4, 18).reshape(cells)
    is_found = rng.uniform(size=(*cells, IMAGES)) < accuracy[..., None]
    is_found[..., 0] = np.arange(18).reshape(cells) % 2 == 0
    return EmbeddingMaps(
        noises=("symmetric", "label_dependent"),
        rates=(0.0, 0.3, 0.55),
        losses=("nsl", "rnsl", "trnsl"),
        coordinates=np.round(places * 65535).astype(np.uint16),
        predicted=np.where(is_found, labels, (labels + 1) % len(CLASSES)).astype(np.uint8),
        labels=labels.astype(np.uint8),
        class_names=CLASSES,
        files=tuple(f"{CLASSES[c]}/{i}.jpg" for i, c in enumerate(labels)),
        accuracy=accuracy.astype(np.float32),
        spread=np.full(cells, 0.01, dtype=np.float32),
        seeds=3,
    )
