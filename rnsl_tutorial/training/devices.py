"""The machine that a run uses: choose it, launch on it, and tell its memory and time.

`Hardware` is what a user chooses, and `launch` turns it into a `lightning_fabric.Fabric`, which
places networks and batches and speaks between processes. The other functions take a `torch.device`
and can be used alone.
"""

import atexit
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import psutil
import torch

if TYPE_CHECKING:
    from lightning_fabric import Fabric

__all__ = [
    "Hardware", "Stopwatch", "close", "find_device",
    "free_memory", "launch", "memory", "report",
]  # fmt: skip

_ACCELERATORS = ("auto", "cpu", "cuda", "mps")
_PRECISIONS = ("32", "bf16", "fp16")
_STRATEGIES = ("auto", "ddp")

_AMPERE = 8  # the first generation of NVIDIA GPUs that computes in bfloat16


@dataclass(frozen=True, kw_only=True)
class Hardware:
    """What a run uses; nothing here changes what is computed, but for rounding.

    Attributes:
        accelerator: "cpu", "cuda" or "mps"; "auto" takes the best that torch finds.
        devices: GPUs, or processes on the CPU, on each node.
        num_nodes: machines.
        strategy: "ddp" for distributed data parallel training; "auto" means it wherever there is
            more than one process.
        precision: "32", or automatic mixed precision with "bf16" or "fp16" (not on a CPU).
        channels_last: whether images and weights are stored with the channels innermost, which
            convolutions prefer.
        compile: whether networks go through ``torch.compile``.
        memory_share: in (0, 1], of the free memory of a device, that a data set may take there.

    Raises:
        ValueError: a field out of range.
    """

    accelerator: str = "auto"
    devices: int = 1
    num_nodes: int = 1
    strategy: str = "auto"
    precision: str = "32"
    channels_last: bool = True
    compile: bool = False
    memory_share: float = 0.5

    def __post_init__(self) -> None:
        """Refuse what no machine could be."""
        allowed = {"accelerator": _ACCELERATORS, "strategy": _STRATEGIES, "precision": _PRECISIONS}
        for name, choices in allowed.items():
            self._require(name, f"one of {', '.join(choices)}", getattr(self, name) in choices)
        self._require("devices", "at least 1", self.devices >= 1)
        self._require("num_nodes", "at least 1", self.num_nodes >= 1)
        self._require("memory_share", "in (0, 1]", 0 < self.memory_share <= 1)

    def _require(self, name: str, allowed: str, holds: bool) -> None:
        if not holds:
            raise ValueError(f"{name} is {getattr(self, name)!r}; it must be {allowed}.")

    def check(self) -> None:
        """Refuse what this machine has not, before any work is done.

        Raises:
            ValueError: the accelerator is not there, has fewer devices, or cannot compute in this
                precision.
        """
        _check_available(self._kind, self, 0)

    @property
    def _kind(self) -> str:
        return find_device().type if self.accelerator == "auto" else self.accelerator

    @property
    def distributed(self) -> bool:
        """Whether processes have to speak with each other."""
        return self.strategy == "ddp" or self.devices * self.num_nodes > 1


# ------------------------------------------------------------------ choosing and launching


def find_device() -> torch.device:
    """Return the best device that torch finds: CUDA, then Apple's MPS, then the CPU."""
    if torch.cuda.is_available():
        return torch.device("cuda", 0)
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


def launch(hardware: "Hardware | torch.device") -> "Fabric":
    """Build the Fabric of this process and launch it.

    With several processes, every process has to run the same script up to this call; the first one
    starts the others of its node, unless a launcher such as ``torchrun`` or SLURM did. A single
    process looks at no launcher, prints nothing, and can be launched from several threads at once.
    On CUDA, cuDNN may then choose its kernels by trying them: two runs can differ in rounding.

    Args:
        hardware: what to use; or the one device, such as cuda:1, for one process in float32.

    Raises:
        ValueError: the accelerator is not there, has fewer devices, or cannot compute in this
            precision.
    """
    index = 0
    if isinstance(hardware, torch.device):
        index = hardware.index or 0
        hardware = Hardware(accelerator=hardware.type)
    kind = hardware._kind
    _check_available(kind, hardware, index)

    from lightning_fabric import Fabric
    from lightning_fabric.plugins.environments.lightning import LightningEnvironment
    from lightning_fabric.strategies.ddp import DDPStrategy

    plugins: list[Any] = _mixed_precision(kind, hardware.precision)
    strategy: Any = "auto"
    if hardware.distributed:
        # Nothing here needs rank 0's buffers before every step; sending them would cost time.
        strategy = DDPStrategy(broadcast_buffers=False, process_group_backend=_backend(kind))
    else:
        plugins.append(LightningEnvironment())
    fabric = Fabric(
        accelerator=kind,
        devices=[index] if index and kind == "cuda" else hardware.devices,
        num_nodes=hardware.num_nodes,
        strategy=strategy,
        plugins=plugins,
    )
    fabric.launch()
    if kind == "cuda":  # batches are all of one size, so trying the kernels once pays
        torch.backends.cudnn.benchmark = True
    return fabric


def close(fabric: "Fabric") -> None:
    """Wait for the other processes, then part from them.

    A process that ends without this can make the others abort.
    """
    if fabric.world_size > 1:
        fabric.barrier()
        _release_at_exit(torch.distributed.group.WORLD)
        torch.distributed.destroy_process_group()


def _release_at_exit(group: Any) -> None:
    """Keep a process group until the interpreter ends.

    A distributed module that goes last takes the group along while it holds Python's lock, and then
    waits for a thread of the group that may wait for this lock. A reference from Python lets go of
    the lock first.
    """
    held = [group]
    atexit.register(held.clear)


def _check_available(kind: str, hardware: Hardware, index: int) -> None:
    found = _device_count(kind)
    if not found:
        raise ValueError(
            f"accelerator is {kind!r}, which torch does not find on this machine. Choose 'auto' or "
            "'cpu', or install a PyTorch that supports it and its driver."
        )
    if kind != "cpu" and hardware.devices > found:
        raise ValueError(
            f"devices is {hardware.devices}, but torch finds {found} of kind {kind!r}. "
            "Ask for fewer."
        )
    if kind == "cuda" and index >= found:
        raise ValueError(f"The device is cuda:{index}, and torch finds {found} of kind 'cuda'.")
    if kind == "mps" and hardware.distributed:
        raise ValueError("MPS runs in one process only: set devices and num_nodes to 1.")
    supported = _precisions(torch.device(kind))
    if hardware.precision not in supported:
        raise ValueError(
            f"precision is {hardware.precision!r}, which this {kind} device does not support; "
            f"choose one of {', '.join(supported)}."
        )


def _device_count(kind: str) -> int:
    if kind == "cuda":
        return torch.cuda.device_count() if torch.cuda.is_available() else 0
    return int(torch.backends.mps.is_available()) if kind == "mps" else 1


def _mixed_precision(kind: str, precision: str) -> list[Any]:
    """The plugin for a precision; handed over ready-made, Fabric does not announce it."""
    from lightning_fabric.plugins import MixedPrecision

    if precision == "32":
        return []
    return [MixedPrecision("bf16-mixed" if precision == "bf16" else "16-mixed", device=kind)]


def _backend(kind: str) -> str:
    return "nccl" if kind == "cuda" and torch.distributed.is_nccl_available() else "gloo"


# ------------------------------------------------------------------ what a device is


class _Report(NamedTuple):
    """A device; ``str`` gives one line.

    Attributes:
        kind: "cpu", "cuda" or "mps".
        name: of the GPU; of a CPU, its threads in torch.
        total_bytes: of memory.
        free_bytes: of memory, see `free_memory`.
        precisions: those of `_PRECISIONS` that it computes in.
        capability: compute capability of a CUDA device, such as (8, 0); else None.
    """

    kind: str
    name: str
    total_bytes: int
    free_bytes: int
    precisions: tuple[str, ...]
    capability: tuple[int, int] | None

    def __str__(self) -> str:
        kind = self.kind if self.capability is None else "cuda {}.{}".format(*self.capability)
        return (
            f"{self.name} ({kind}), {self.free_bytes / 1e9:.1f} of {self.total_bytes / 1e9:.1f} GB "
            f"free, precisions {', '.join(self.precisions)}"
        )


def report(device: torch.device | str) -> _Report:
    """Tell what a device is and what it can do."""
    device = torch.device(device)
    free, supported = free_memory(device), _precisions(device)
    if device.type == "cuda":
        gpu = torch.cuda.get_device_properties(device)
        capability = (gpu.major, gpu.minor)
        return _Report("cuda", gpu.name, gpu.total_memory, free, supported, capability)
    if device.type == "mps":
        total = torch.mps.recommended_max_memory()
        return _Report("mps", "Apple GPU", total, free, supported, None)
    threads = torch.get_num_threads()
    name = f"CPU, {threads} thread{'s' * (threads > 1)}"
    return _Report("cpu", name, psutil.virtual_memory().total, free, supported, None)


def _precisions(device: torch.device) -> tuple[str, ...]:
    """Those of `_PRECISIONS` that make sense on a device.

    A CPU has no fp16 worth using; an NVIDIA GPU older than Ampere merely emulates bf16.
    """
    if device.type == "cpu":
        return ("32", "bf16")
    old = device.type == "cuda" and torch.cuda.get_device_capability(device)[0] < _AMPERE
    return ("32", "fp16") if old else _PRECISIONS


# ------------------------------------------------------------------ memory and time


class _MemoryReport(NamedTuple):
    """Bytes in use now and at the peak.

    Attributes:
        process_bytes: main memory that this process holds.
        process_peak_bytes: the most it held since it started.
        device_bytes: that tensors hold on the GPU; 0 for a CPU.
        device_peak_bytes: the most they held since the start, or since
            ``torch.cuda.reset_peak_memory_stats``; on MPS, which keeps no peak, what the driver
            has set aside by now.
    """

    process_bytes: int
    process_peak_bytes: int
    device_bytes: int
    device_peak_bytes: int


def memory(device: torch.device | str) -> _MemoryReport:
    """Tell how much memory this process uses, in main memory and on a device."""
    device = torch.device(device)
    process = psutil.Process().memory_info().rss
    held = (0, 0)
    if device.type == "cuda":
        held = (torch.cuda.memory_allocated(device), torch.cuda.max_memory_allocated(device))
    elif device.type == "mps":
        held = (torch.mps.current_allocated_memory(), torch.mps.driver_allocated_memory())
    return _MemoryReport(process, max(process, _process_peak()), *held)


def _process_peak() -> int:
    if sys.platform == "win32":
        return int(psutil.Process().memory_info().peak_wset)
    if sys.platform == "linux":  # where getrusage begins with what the parent held at the fork
        status = Path("/proc/self/status").read_text(encoding="ascii")
        return 1024 * int(status.partition("VmHWM:")[2].split()[0])
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def free_memory(device: torch.device | str) -> int:
    """Bytes that this process could still take on a device, or of main memory.

    On a GPU this counts what torch has set aside and does not use.
    """
    device = torch.device(device)
    if device.type == "cuda":
        unused = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return torch.cuda.mem_get_info(device)[0] + unused
    if device.type == "mps":
        return torch.mps.recommended_max_memory() - torch.mps.driver_allocated_memory()
    return psutil.virtual_memory().available


class Stopwatch:
    """Seconds that a block takes on a device, all work that it queued included.

    Around the block::

        with Stopwatch(device) as watch:
            step()
        print(watch.seconds)

    Attributes:
        seconds: of the block; grows if the same stopwatch is used again.
    """

    def __init__(self, device: torch.device | str) -> None:
        self._device = torch.device(device)
        self.seconds = 0.0

    def __enter__(self) -> Self:
        """Wait for the work queued before, then start."""
        _synchronize(self._device)
        self._start = time.perf_counter()
        return self

    def __exit__(self, *error: object) -> None:
        """Wait for the work queued in the block, then stop."""
        _synchronize(self._device)
        self.seconds += time.perf_counter() - self._start


def _synchronize(device: torch.device) -> None:
    """Wait until a GPU has done all work queued on it; a CPU queues none."""
    if device.type != "cpu":
        torch.accelerator.synchronize(device)
