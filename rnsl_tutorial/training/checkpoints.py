"""Checkpoints of a training run: written whole, checked when read, found again after a crash.

A checkpoint is ``epoch-0012-step-00000340.pt`` and, beside it, a file of that name with ``.sha256``
at its end, which ``sha256sum -c`` verifies. The checksum is written first: a process that is killed
leaves a checkpoint that can be checked, or none.
"""

import hashlib
import io
import random
import re
import signal
import threading
import time
import warnings
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import numpy as np
import torch
from torch import Tensor, nn

from rnsl_tutorial import __version__, losses
from rnsl_tutorial._files import in_one_line, opened, printable, written_whole
from rnsl_tutorial.training import _saved, sources
from rnsl_tutorial.training.settings import Settings

if TYPE_CHECKING:
    from lightning_fabric import Fabric

__all__ = ["Resumable", "saved_on_signals"]

_State = dict[str, Any]

_REQUIRED = {"config": dict, "epoch": int, "step": int}

_NAME = re.compile(r"epoch-(\d+)-step-(\d+)\.pt")
_LEAVES = (Tensor, nn.Parameter, type(None), bool, int, float, str)
_ABANDONED_S = 3600.0  # a save takes seconds: who owned a temporary file this old is gone


class _Found(NamedTuple):
    """What `_latest` found.

    Attributes:
        path: the checkpoint.
        state: what was saved, tensors on the CPU.
        problems: one sentence or more for each newer checkpoint that was passed over.
    """

    path: Path
    state: _State
    problems: list[str]


# ------------------------------------------------------------------ saving


def _save_checkpoint(folder: Path, state: _State, *, keep: int = 2) -> Path:
    """Write a checkpoint, then remove those older than the newest ``keep``.

    Whatever goes wrong, the checkpoints of other epochs and steps stay as they are.

    Args:
        folder: of this run alone; created if missing.
        state: "config" (dict), "epoch" and "step" (int, at least 0), and whatever the run needs to
            go on. Its values are tensors, numbers, strings, None, and lists, tuples and dicts of
            these; a ``torch.Generator`` goes in as its ``get_state()``.
        keep: how many checkpoints stay, this one included, at least 1. Two survive a damaged one.

    Returns:
        The path of the checkpoint.

    Raises:
        ValueError: keep below 1, a key that is missing, or a value that could not be read again.
        OSError: the folder cannot be written to, or the disk is full.
    """
    if keep < 1:
        raise ValueError(f"keep is {keep}; at least 1 checkpoint must stay.")
    _check_required(state)
    _check_readable(state, "state")
    path = folder / f"epoch-{state['epoch']:04d}-step-{state['step']:08d}.pt"
    buffer = io.BytesIO()
    torch.save(state, buffer)
    _write(path, buffer.getbuffer())
    older = [other for other in _listed(folder) if _progress(other) < _progress(path)]
    for other in older[keep - 1 :]:
        other.unlink()
        _sidecar(other).unlink(missing_ok=True)
    _remove_abandoned(folder)
    return path


def _write(path: Path, data: memoryview) -> None:
    try:
        with written_whole(_sidecar(path)) as file:
            file.write(f"{hashlib.sha256(data).hexdigest()}  {path.name}\n".encode())
        with written_whole(path) as file:
            file.write(data)
    except OSError as error:
        raise OSError(
            error.errno,
            f"The checkpoint cannot be written ({error.strerror}). It needs {len(data) / 1e6:.1f} "
            "MB. Make room, or choose a folder that you may write to",
            str(path),
        ) from error


def _check_required(state: _State) -> None:
    for key, kind in _REQUIRED.items():
        if type(state.get(key)) is not kind:
            raise ValueError(
                f"state[{key!r}] is {state.get(key)!r}; give {kind.__name__}. A checkpoint needs "
                f"{', '.join(_REQUIRED)}"
            )
    if state["epoch"] < 0 or state["step"] < 0:
        raise ValueError(
            f"epoch is {state['epoch']} and step is {state['step']}; both count from 0"
        )


def _check_readable(value: Any, where: str) -> None:
    """Refuse what ``torch.load(weights_only=True)`` would refuse, while it can still be mended.

    Types are compared exactly: a numpy.float64 is a float, and would be refused.
    """
    if type(value) in (dict, OrderedDict):
        for key, inner in value.items():
            _check_readable(key, f"a key of {where}")
            _check_readable(inner, f"{where}[{key!r}]")
    elif type(value) in (list, tuple):
        for i, inner in enumerate(value):
            _check_readable(inner, f"{where}[{i}]")
    elif type(value) not in _LEAVES:
        raise ValueError(
            f"{where} is of type {type(value).__module__}.{type(value).__qualname__}; a checkpoint "
            "holds tensors, numbers, strings, None, and lists, tuples and dicts of these."
        )


def _remove_abandoned(folder: Path) -> None:
    """Remove what writers that were killed left behind: checksums of no checkpoint."""
    for path in folder.glob("epoch-*.pt.sha256"):
        with suppress(OSError):
            if path.with_suffix("").exists():
                continue
            if time.time() - path.stat().st_mtime > _ABANDONED_S:
                path.unlink()


# ------------------------------------------------------------------ finding


def _latest(folder: Path, config: Mapping[str, Any]) -> _Found | None:
    """Load the newest checkpoint that is undamaged and was made with the same settings.

    Args:
        folder: where `_save_checkpoint` wrote; it need not exist.
        config: the settings of this run; those of the checkpoint must equal them, every one.

    Returns:
        The checkpoint, and what was wrong with newer ones; None if there is no checkpoint at all.

    Raises:
        ValueError: there are checkpoints, and none of them can be used.
    """
    problems: list[str] = []
    for path in _listed(folder):
        try:
            return _Found(path, _load(path, config), problems)
        except ValueError as error:
            problems.append(str(error))
    if problems:
        raise ValueError(
            f"None of the checkpoints in {folder} can be used. {' '.join(problems)} Choose another "
            "folder, delete this one, or use the settings that it was made with."
        )
    return None


def _load(path: Path, config: Mapping[str, Any]) -> _State:
    """Return the state; ValueError if it is damaged or of another run."""
    data = _checked_bytes(path)
    try:
        state = _saved.load(data)
        _check_required(state)
        differences, version = _differences(config, state["config"]), _saved.made_by(state)
    except Exception as error:  # the unpickler makes nearly anything of bytes it does not know
        raise ValueError(
            f"{printable(path.name)} is no checkpoint of this package ({in_one_line(error)[:99]}); "
            "remove it."
        ) from error
    if differences:
        said = f"was made with other settings: {'; '.join(differences)}"
        raise ValueError(f"{path.name} {said}{version}.")
    if version:
        raise ValueError(f"{path.name} is of another version{version}, or begin anew.")
    return dict(state)


def _checked_bytes(path: Path) -> bytes:
    try:
        with opened(_sidecar(path), 2**12) as file:
            line = file.read()
        with opened(path) as file:
            data = file.read()
    except FileNotFoundError as error:
        raise ValueError(
            f"{path.name} is unfinished: its checksum {_sidecar(path).name} is missing; remove it."
        ) from error
    except OSError as error:
        raise ValueError(f"{path.name} cannot be read ({error.strerror}).") from error
    digest = hashlib.sha256(data).hexdigest()
    if line != f"{digest}  {path.name}\n".encode():
        raise ValueError(
            f"{path.name} is damaged: its {len(data)} bytes do not have the checksum in "
            f"{_sidecar(path).name}; remove both."
        )
    return data


def _differences(given: Mapping[str, Any], stored: Mapping[str, Any]) -> list[str]:
    def shown(config: Mapping[str, Any], name: str) -> str:
        return repr(config[name]) if name in config else "absent"

    return [
        f"{name} is {shown(given, name)} here and {shown(stored, name)} there"
        for name in {**given, **stored}
        if name not in given or name not in stored or given[name] != stored[name]
    ]


def _listed(folder: Path) -> list[Path]:
    """Return the checkpoints, those that got farthest first."""
    paths = [path for path in folder.glob("epoch-*.pt") if _NAME.fullmatch(path.name)]
    return sorted(paths, key=_progress, reverse=True)


def _progress(path: Path) -> tuple[int, int]:
    match = _NAME.fullmatch(path.name)
    assert match is not None
    return int(match[1]), int(match[2])


def _sidecar(path: Path) -> Path:
    return path.with_name(f"{path.name}.sha256")


# ------------------------------------------------------------------ signals


@contextmanager
def saved_on_signals(stop: threading.Event) -> Iterator[None]:
    """Let Ctrl-C and requests to terminate set the event; a second one interrupts at once."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def request(*_: object) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()

    before = {number: signal.signal(number, request) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


# ------------------------------------------------------------------ random states


def _rng_state() -> _State:
    """Return the states of the global random streams: torch (CPU and CUDA), numpy, Python.

    CUDA is asked only once it is in use: asking would start it.
    """
    kind, keys, position, has_gauss, gauss = np.random.get_state(legacy=True)
    version, words, next_gauss = random.getstate()
    in_use = torch.cuda.is_initialized()  # type: ignore[no-untyped-call]
    return {
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if in_use else [],
        "numpy": [kind, torch.tensor(np.asarray(keys, dtype=np.int64)), position, has_gauss, gauss],
        "python": [version, torch.tensor(words), next_gauss],
    }


def _set_rng_state(state: _State) -> None:
    """Set the global random streams to what `_rng_state` returned.

    Raises:
        ValueError: the state is of another number of CUDA devices; nothing was set.
    """
    devices = torch.cuda.device_count()
    if state["cuda"] and len(state["cuda"]) != devices:
        raise ValueError(
            f"The random states are of {len(state['cuda'])} CUDA devices, and this process sees "
            f"{devices}. Resume on a machine like the first, or choose the devices with "
            "CUDA_VISIBLE_DEVICES."
        )
    torch.set_rng_state(state["torch"])
    if state["cuda"]:
        torch.cuda.set_rng_state_all(state["cuda"])
    kind, keys, position, has_gauss, gauss = state["numpy"]
    np.random.set_state((kind, keys.numpy().astype(np.uint32), position, has_gauss, gauss))
    version, words, next_gauss = state["python"]
    random.setstate((version, tuple(words.tolist()), next_gauss))


# ------------------------------------------------------------------ what goes on


class Resumable:
    """What `loop.Training` writes down and takes up again; its attributes are explained there."""

    network: nn.Module
    loss: losses.NormalizedSoftmaxLoss
    inputs: Tensor | sources.Source
    labels: Tensor
    settings: Settings
    made_with: Mapping[str, Any]
    fabric: "Fabric"
    epoch: int
    step: int
    history: list[Any]
    _report: Callable[..., tuple[Any, ...]]
    _optimizer: torch.optim.Optimizer
    _scheduler: torch.optim.lr_scheduler.LRScheduler
    _order_generator: torch.Generator
    _augmentation_generator: torch.Generator
    _order_N: Tensor  # noqa: N815
    _losses_S: Tensor  # noqa: N815
    _selected: dict[str, Any] | None
    _embeddings_ND: Tensor | None  # noqa: N815
    _last_checkpoint: Path | None

    def restore(self, folder: Path) -> None:
        """Go on from the newest usable checkpoint in a folder; warn of those that are not.

        Raises:
            ValueError: there are checkpoints, but none can be used; or several processes found
                different ones.
        """
        found = _latest(folder, self._made_with())
        _check_agreement(self.fabric, folder, found)
        if found is None:
            return
        for problem in found.problems:
            warnings.warn(problem, stacklevel=2)
        self.load_state(found.state)
        self._last_checkpoint = found.path

    def _save(self, folder: Path | None) -> None:
        if folder is None:
            return
        state = self.state()
        if self.fabric.is_global_zero:
            self._last_checkpoint = _save_checkpoint(folder, state)
        self.fabric.barrier()

    def state(self) -> dict[str, Any]:
        """Everything that `load_state` needs to go on bit for bit, in plain tensors and numbers.

        Several processes have to ask for it together, and all get the same. It shares memory with
        the training: write it down before going on.
        """
        return {
            "rnsl_tutorial": __version__,
            "config": self._made_with(),
            "epoch": self.epoch,
            "step": self.step,
            "order": self._order_N,
            "losses": cast(Tensor, self.fabric.all_reduce(self._losses_S.clone(), reduce_op="sum")),
            "history": [list(report) for report in self.history],
            **self.weights(),
            "optimizer": self._optimizer.state_dict(),
            "scheduler": self._scheduler.state_dict(),
            "scaler": self.fabric.strategy.precision.state_dict(),
            "selected": self._selected,
            "rng": _rng_state(),
            "generators": [generator.get_state() for generator in self._generators()],
        }

    def load_state(self, state: dict[str, Any]) -> None:
        """Take over what `state` gave.

        Raises:
            ValueError: it is of another number of training images.
        """
        if len(state["order"]) != len(self.labels):
            raise ValueError(
                f"The checkpoint is of {len(state['order'])} training images, and here are "
                f"{len(self.labels)}. Resume with the images that it was made with."
            )
        self.epoch, self.step = state["epoch"], state["step"]
        self._order_N = state["order"]
        self._losses_S.copy_(state["losses"])
        if not self.fabric.is_global_zero:
            self._losses_S.zero_()  # they are those of all processes, and are summed up again
        self.history = [self._report(*report) for report in state["history"]]
        self.load_weights(state, kept=True)
        self._optimizer.load_state_dict(state["optimizer"])
        self._scheduler.load_state_dict(state["scheduler"])
        self.fabric.strategy.precision.load_state_dict(state["scaler"])
        self._selected = state["selected"]
        _set_rng_state(state["rng"])
        for generator, saved in zip(self._generators(), state["generators"], strict=True):
            generator.set_state(saved)

    def _made_with(self) -> dict[str, Any]:
        """What must be the same where a run goes on: settings, loss, precision and data."""
        return {
            "loss": type(self.loss).__name__,
            **_built_with(self.loss),
            **asdict(self.settings),
            **self.made_with,
            "precision": str(self.fabric.strategy.precision.precision),
            "data": _fingerprint(self.inputs, self.labels),
        }

    def weights(self) -> dict[str, dict[str, Tensor]]:
        """Copies of the weights of network and loss."""
        modules = {"network": self.network, "loss": self.loss}
        return {
            name: {key: value.detach().clone() for key, value in module.state_dict().items()}
            for name, module in modules.items()
        }

    def load_weights(self, saved: dict[str, Any], *, kept: bool = False) -> None:
        """Take over weights and prototypes, and which images are kept only where that is asked."""
        self.network.load_state_dict(saved["network"])
        loss = dict(saved["loss"])
        if not kept and "kept" in loss:
            loss["kept"] = self.loss.state_dict()["kept"]
        self.loss.load_state_dict(loss)
        self._embeddings_ND = None

    def _generators(self) -> list[torch.Generator]:
        """The loop's generators, and those that the network's layers draw from, each once."""
        own = [getattr(module, "generator", None) for module in self.network.modules()]
        used = [self._order_generator, self._augmentation_generator, *own]
        return list(dict.fromkeys(g for g in used if isinstance(g, torch.Generator)))


def _check_agreement(fabric: "Fabric", folder: Path, found: _Found | None) -> None:
    """Refuse to go on from different checkpoints, as machines do that share no folder."""
    if fabric.world_size == 1:
        return
    place = [found.state["epoch"], found.state["step"]] if found else [0, 0]
    places = fabric.all_gather(torch.tensor(place, device=fabric.device))
    assert isinstance(places, Tensor)
    if (places != places[0]).any():
        raise ValueError(
            f"The processes found checkpoints of different [epoch, step] in {folder}: "
            f"{places.tolist()}. Resume from a folder that all machines share."
        )


def _built_with(module: nn.Module) -> dict[str, Any]:
    """What a module was built with, such as temperature, q and k of a loss: numbers and names."""
    return {
        name: value
        for name, value in vars(module).items()
        if type(value) in (int, float, str) and not name.startswith("_")
    }


def _fingerprint(inputs: Tensor | sources.Source, labels: Tensor) -> str:
    """A hash of the labels and of some of the inputs."""
    some = torch.linspace(0, len(labels) - 1, 64).long()
    (inputs_B,) = sources.batches(inputs, [some])
    data = b"".join(part.cpu().numpy().tobytes() for part in (labels, inputs_B.contiguous()))
    return hashlib.blake2b(data, digest_size=8).hexdigest()
