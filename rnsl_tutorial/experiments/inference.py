"""What a trained network makes of images: their embeddings, and the classes that they are near.

Shapes: N images, C classes, D embedding dimensions.
"""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rnsl_tutorial import losses
from rnsl_tutorial._files import written_whole
from rnsl_tutorial.datasets.archives import Archive
from rnsl_tutorial.experiments.images import Model
from rnsl_tutorial.training import devices, embed
from rnsl_tutorial.training.devices import Hardware
from rnsl_tutorial.training.sources import place

__all__ = ["Embedded", "embed_archive"]


class Embedded(NamedTuple):
    """Images as a trained network sees them.

    Attributes:
        embeddings: float32 [N, D], of unit length.
        nearest: int64 [N], the class of the nearest prototype.
        probability: float32 [N], softmax of that class.
        files: N relative paths.
        class_names: C names, those of the training.
    """

    embeddings: NDArray[np.float32]
    nearest: NDArray[np.int64]
    probability: NDArray[np.float32]
    files: tuple[str, ...]
    class_names: tuple[str, ...]

    def save(self, path: Path) -> None:
        """Write the fields into an npz file, whole or not at all."""
        fields: dict[str, Any] = self._asdict()
        with written_whole(path) as file:
            np.savez_compressed(file, **fields)


def embed_archive(model: Model, archive: Archive, hardware: Hardware | None = None) -> Embedded:
    """Embed the images of an archive.

    Args:
        model: from `images.load_model`.
        archive: from `datasets.load_archive`, at the image size of the model's config.
        hardware: where and how; by default on the device that is found.

    Raises:
        ValueError: images of another size than the network was trained on, or embeddings that are
            not finite.
    """
    size, expected = archive.images.shape[-1], model.config.image_size
    if size != expected:
        raise ValueError(f"The images have {size} pixels a side; this model wants {expected}.")
    hardware = hardware or Hardware()
    fabric = devices.launch(hardware)
    network = model.network.to(fabric.device)
    images = place(archive.images, fabric.device, share=hardware.memory_share)
    embeddings_ND = embed(network, images, batch_size=256, fabric=fabric)
    log_p_NC = losses.class_log_probabilities(
        embeddings_ND, model.prototypes.to(fabric.device), model.config.temperature
    )
    if not embeddings_ND.isfinite().all():
        raise ValueError(
            f"{int((~embeddings_ND.isfinite()).any(dim=1).sum())} of {len(embeddings_ND)} "
            "embeddings are not finite; embed them in precision 32, or train again."
        )
    best_N = log_p_NC.max(dim=1)
    return Embedded(
        embeddings_ND.cpu().numpy(),
        best_N.indices.cpu().numpy(),
        best_N.values.exp().cpu().numpy(),
        archive.files,
        model.class_names,
    )
