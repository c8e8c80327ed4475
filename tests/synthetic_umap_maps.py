"""A small table for the tests of the projection explorers, in which images can be followed."""

import numpy as np

from rnsl_tutorial.tutorial.tables import UmapMaps

CLASSES = ("Beach", "Forest", "Port", "<b>Pond</b>")  # the last would show if text became markup
FULL_SCALE = 65535  # of coordinates
IMAGES = 60  # image 0 is alone at the lower left of each map, a little further up on the next
LOSSES, EPOCHS, NEIGHBORS, DISTS = ("nsl", "rnsl", "trnsl"), (0, 1, 5), (5, 15), (0.0, 0.5)


def small_umap_maps() -> UmapMaps:
    """Three losses, three moments, a grid of 2 x 2; every third label is wrong."""
    rng = np.random.default_rng(0)
    labels = np.arange(IMAGES) % len(CLASSES)
    given = np.where(np.arange(IMAGES) % 3 == 0, (labels + 1) % len(CLASSES), labels)
    losses, epochs, grid = len(LOSSES), len(EPOCHS), (len(NEIGHBORS), len(DISTS))
    over_epochs = _places(rng, labels, (losses, epochs))
    over_settings = _places(rng, labels, (losses, *grid))
    return UmapMaps(
        losses=LOSSES,
        epochs=EPOCHS,
        n_neighbors=NEIGHBORS,
        min_dists=DISTS,
        over_epochs=over_epochs,
        over_settings=over_settings,
        pca=_places(rng, labels, (losses,)),
        measured_over_epochs=rng.random((losses, epochs, 3)).astype(np.float32),
        measured_over_settings=rng.random((losses, *grid, 3)).astype(np.float32),
        measured_of_pca=rng.random((losses, 3)).astype(np.float32),
        same_class=rng.random((losses, epochs)).astype(np.float32),
        p=rng.integers(256, size=(losses, epochs, IMAGES)).astype(np.uint8),
        kept=rng.random((losses, epochs, IMAGES)) < 0.6,
        neighbors=np.stack([(np.arange(IMAGES) + i) % IMAGES for i in range(1, 5)], axis=1)[None]
        .repeat(losses, axis=0)
        .astype(np.uint16),
        labels=labels.astype(np.uint8),
        given=given.astype(np.uint8),
        class_names=CLASSES,
        files=tuple(f"{CLASSES[c]}/{i}.jpg" for i, c in enumerate(labels)),
        made_with={"config": {"noise": "symmetric"}},
    )


def _places(rng: np.random.Generator, labels: np.ndarray, maps: tuple[int, ...]) -> np.ndarray:
    home = np.array([(0.6, 0.2), (0.9, 0.2), (0.6, 0.8), (0.9, 0.8)])
    places = home[labels] + rng.uniform(-0.08, 0.08, (*maps, IMAGES, 2))
    count = int(np.prod(maps))
    places[..., 0, :] = np.linspace((0.05, 0.1), (0.35, 0.9), count).reshape(*maps, 2)
    return np.round(places * FULL_SCALE).astype(np.uint16)
