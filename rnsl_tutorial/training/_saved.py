"""Files of torch: tensors, numbers and texts alone, and refused in words of our own.

What torch says of a file that it does not read runs over many lines, and advises to trust it.
"""

import io
import pickle
import zipfile
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from rnsl_tutorial import __version__
from rnsl_tutorial._files import printable

__all__ = ["load", "made_by", "weights"]


def load(data: bytes) -> Any:
    """Read what `torch.save` wrote, on the CPU.

    Raises:
        ValueError: the bytes are none of a file of torch, damaged, packed, or hold what could run.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as packed:
            if any(info.compress_type != zipfile.ZIP_STORED for info in packed.infolist()):
                raise ValueError("it is packed, as torch packs no file, and may unpack to anything")
        return torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    except ValueError:
        raise
    except pickle.UnpicklingError as error:
        raise ValueError("it holds other things than tensors, numbers and texts") from error
    except Exception as error:  # the reader raises nearly anything on bytes that it does not know
        raise ValueError("it is no file of torch, or damaged") from error


def weights(found: Mapping[str, Any], name: str) -> dict[str, Tensor]:
    """Return weights by their names, or refuse them.

    Args:
        found: of each name its tensor.
        name: of all together, for the message.

    Raises:
        ValueError: one is no tensor, larger than what the file holds of it, or not finite.
    """
    for key, value in found.items():
        if not isinstance(value, Tensor):
            raise ValueError(f"{name} {key!a:.60} is a {type(value).__name__}; a tensor is needed")
        if value.layout != torch.strided or value.nbytes > value.untyped_storage().nbytes():
            raise ValueError(f"{name} {key!a:.60} has more numbers than the file")
        if not value.isfinite().all():
            raise ValueError(f"{name} {key!a:.60} holds NaN or infinity")
    return dict(found)


def made_by(saved: Mapping[str, Any]) -> str:
    """Say which version of the package made it, if it was another, and what to do; else ""."""
    version = saved.get("rnsl_tutorial", __version__)
    if version == __version__:
        return ""
    return (
        f"; it was made by rnsl-tutorial {printable(str(version))}, and this is {__version__}: "
        f"install that version, pip install rnsl-tutorial=={printable(str(version))}"
    )
