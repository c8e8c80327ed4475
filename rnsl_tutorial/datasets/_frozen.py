"""A frozen network as a function of images: by onnxruntime on a CPU, else by torch.

onnxruntime joins layers that torch runs one by one, and is about three times as fast on a CPU
(`benchmarks/features.py` measures both). The same network rounds otherwise in it: features differ
by some 1e-6 of the largest. Its own are equal bit for bit, however many threads it has: as many as
torch (``OMP_NUM_THREADS``).

Shapes: B images of S pixels a side.
"""

import warnings
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

Run: TypeAlias = Callable[[NDArray[np.uint8]], NDArray[np.float32]]
"""uint8 [B, 3, S, S] -> float32 [B, ...]"""

_OPSET = 17  # of ONNX; every onnxruntime since 2022 knows it
_AT_ONCE = 8  # images; more are no faster, and take more memory
_AGREE = 1e-3  # of the largest output: rounding is a hundredth of it


class NotExportedError(Exception):
    """Why onnxruntime cannot take a network's place."""


def by_torch(network: Any, device: str = "cpu") -> Run:
    """Return the network, moved to the device and put into evaluation mode.

    Args:
        network: uint8 [B, 3, S, S] -> float [B, ...]; a torch module, or any function.
        device: as torch names it.
    """
    if isinstance(network, nn.Module):
        network.eval().to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    @torch.inference_mode()
    def run(images: NDArray[np.uint8]) -> NDArray[np.float32]:
        batch = torch.tensor(images, device=device).contiguous(memory_format=torch.channels_last)
        found: NDArray[np.float32] = network(batch).float().cpu().numpy()
        return found

    return run


def by_onnxruntime(network: nn.Module, images: NDArray[np.uint8]) -> Run:
    """Return the network as onnxruntime runs it on a CPU, compared with torch on a few images.

    Args:
        network: is put into evaluation mode and moved to the CPU.
        images: some of those to come, which are of the same size. That all sizes are known, that of
            the batch too, lets onnxruntime join padding and convolutions.

    Raises:
        NotExportedError: onnxruntime or onnx is not installed, the network holds what ONNX does not
            know, or the outputs differ.
    """
    batch = images[:_AT_ONCE]
    expected = by_torch(network)(batch)  # what it refuses itself, it says here
    try:
        with TemporaryDirectory() as folder:
            path = Path(folder, "network.onnx")
            _export(network, batch, path)
            run = _session(path, len(batch))
        found = run(batch)
    except Exception as error:  # exporters raise nearly anything on what they do not know
        said = f"{type(error).__name__}: {error}".splitlines()[0].partition(". ")[0]
        raise NotExportedError(said[:200]) from error
    largest = np.abs(np.nan_to_num(expected)).max()
    if not np.allclose(found, expected, rtol=0, atol=_AGREE * largest, equal_nan=True):
        raise NotExportedError("its output differs from torch's")
    return run


def _export(network: nn.Module, images: NDArray[np.uint8], path: Path) -> None:
    """Write the network, for batches of this shape, in ONNX."""
    with suppress(AttributeError):  # no way that is public keeps it from printing what failed
        torch._C._jit_set_onnx_log_enabled(False)
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # the exporter that needs no further package is the older
        torch.onnx.export(
            network, (torch.tensor(images),), path, dynamo=False, opset_version=_OPSET
        )


def _session(path: Path, count: int) -> Run:
    """Run a network that was written for batches of so many images."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.log_severity_level = 3  # errors
    # threads that wait in a loop take what other processes need
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name

    def run(images: NDArray[np.uint8]) -> NDArray[np.float32]:
        filled = np.pad(images, ((0, -len(images) % count), (0, 0), (0, 0), (0, 0)))
        parts = np.split(filled, len(filled) // count)
        found: NDArray[np.float32] = np.concatenate(
            [session.run(None, {name: p})[0] for p in parts]
        )
        return found[: len(images)]

    return run
