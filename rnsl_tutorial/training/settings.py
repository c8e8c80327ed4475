"""What decides how a network is trained: optimiser, schedule, augmentation, pruning, selection.

A field's annotation says what it may hold, and is all that says it: `Settings` checks every field
against it, `parse` reads texts such as "epochs=10" by it, and the message of an error words it.
`experiments.Config` adds the fields of a whole run in the same way. Nothing here waits for torch.
"""

import difflib
import functools
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import NoneType
from typing import Annotated, Any, Literal, TypeAlias, get_args, get_origin, get_type_hints

import msgspec
from msgspec import Meta

__all__ = [
    "Count", "Positive", "Settings", "Share",
    "check_names", "parse",
]  # fmt: skip

Count: TypeAlias = Annotated[int, Meta(ge=1)]
Positive: TypeAlias = Annotated[float, Meta(gt=0)]
Share: TypeAlias = Annotated[float, Meta(ge=0, lt=1)]

_kinds: Callable[[Any], Mapping[str, Any]] = functools.cache(
    functools.partial(get_type_hints, include_extras=True)
)
"""Name of each field -> what it is annotated with; those of a parent first."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Everything that decides how a network is trained on given labels.

    The defaults suit a head on frozen features and are the same for every loss. They were chosen on
    the validation split of AID, see `benchmarks/recipe.py`.

    Attributes:
        seed: of the order of the batches and of the augmentation.
        epochs: passes over the training set.
        batch_size: images a step, over all processes together.
        learning_rate: of SGD with Nesterov momentum at the start.
        momentum: of SGD, in [0, 1).
        weight_decay: at least 0, of network and prototypes alike, as in the paper.
        schedule: "cosine" lets the learning rate fall to 0 step by step, "step" multiplies it by
            step_factor every step_epochs epochs.
        step_epochs: of schedule "step".
        step_factor: of schedule "step", in (0, 1].
        augmentation: "none", "flip" or "reference", see `augmentation`.
        prune_from: epoch before which the images to keep are chosen for the first time, counted
            from 0, at least 1; below 1 as a share of the epochs; None for half of them.
        prune_every: epochs from one choice to the next.
        prune_rule: "paper" leaves out images with p <= k; "ratio" those with p <= k times the
            largest probability of any class, which suits a network that is not sure yet.
        pruning: "current" scores the images as they are, by network and prototypes of the same
            epoch; "reference" repeats what the reference implementation does, faults included,
            see `training.reference`, and needs selection "clean_val".
        selection: which epoch's weights are kept. "last" chooses nothing. "noisy_val" takes the
            epoch with the best prototypes for validation images under noisy labels, "clean_val"
            that with the best k-NN accuracy under true labels: the reference's choice, which no
            one with a noisy archive could make.

    Raises:
        ValueError: a field of another type or out of range. A whole number may stand for a real
            one, and numpy's numbers for Python's.
    """

    seed: Annotated[int, Meta(ge=0, lt=2**32)] = 0
    epochs: Count = 40
    batch_size: Count = 256
    learning_rate: Positive = 0.007
    momentum: Share = 0.9
    weight_decay: Annotated[float, Meta(ge=0)] = 1e-4
    schedule: Literal["cosine", "step"] = "cosine"
    step_epochs: Count = 30
    step_factor: Annotated[float, Meta(gt=0, le=1)] = 0.5
    augmentation: Literal["none", "flip", "reference"] = "none"
    prune_from: Positive | None = None
    prune_every: Count = 5
    prune_rule: Literal["paper", "ratio"] = "paper"
    pruning: Literal["current", "reference"] = "current"
    selection: Literal["last", "noisy_val", "clean_val"] = "last"

    def __post_init__(self) -> None:
        """Check every field, those of a subclass too, and bring it to its type."""
        for name, kind in _kinds(type(self)).items():
            object.__setattr__(self, name, _checked(name, getattr(self, name), kind))
        if self.pruning == "reference" and self.selection != "clean_val":
            raise ValueError(
                "pruning 'reference' scores the images by the epoch that did best on clean "
                f"validation labels, and selection is {self.selection!r}; pass selection "
                "'clean_val' too, or pruning 'current'."
            )

    def prunes_before(self, epoch: int) -> bool:
        """Whether the images to keep are chosen anew before this epoch, counted from 0."""
        start = 0.5 if self.prune_from is None else self.prune_from
        first = max(1, int(start * self.epochs)) if start < 1 else int(start)
        return epoch >= first and (epoch - first) % self.prune_every == 0


# ------------------------------------------------------------------ reading


def parse(texts: Sequence[str], settings: type[Settings] = Settings) -> dict[str, Any]:
    """Read texts such as "epochs=10" or "prune_from=none", as the fields are annotated.

    Args:
        texts: NAME=VALUE each.
        settings: whose fields.

    Returns:
        Name -> value of the field's type; "none" stands for None where a field may be None.

    Raises:
        ValueError: no "=", no such field, one that is set twice, or a value that the field refuses.
    """
    kinds, values = _kinds(settings), {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals:
            raise ValueError(f"{text!r} is no NAME=VALUE; NAME is one of {', '.join(kinds)}.")
        check_names([name], settings)
        if name in values:
            raise ValueError(f"{name} is set twice; set it once.")
        values[name] = _checked(name, value, kinds[name], strict=False)
    return values


def check_names(names: Iterable[str], settings: type[Settings] = Settings) -> None:
    """Refuse what is no field's name, and say which one was probably meant.

    Raises:
        ValueError: there is no such field.
    """
    known = _kinds(settings)
    for name in names:
        if name not in known:
            near = difflib.get_close_matches(name, known, 1)
            hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(known)}."
            raise ValueError(f"There is no setting {name}; {hint}")


def _checked(name: str, value: Any, kind: Any, *, strict: bool = True) -> Any:
    """Bring a value to what its annotation allows; unless strict, texts are read as numbers."""
    given = value.item() if type(value).__module__ == "numpy" and value.ndim == 0 else value
    if not strict and NoneType in get_args(kind) and given.lower() == "none":
        given = None
    try:
        found = msgspec.convert(given, kind, strict=strict)
    except (msgspec.ValidationError, UnicodeEncodeError):
        found = math.nan
    if isinstance(found, float) and not math.isfinite(found):
        raise ValueError(f"{name} is {value!r}; it must be {_allowed(kind)}.") from None
    if isinstance(found, int) and found >= 2**63:
        raise ValueError(f"{name} is {value!r}; nothing can be counted beyond 2**63.")
    return found


def _allowed(kind: Any) -> str:
    """Say in words what an annotation allows."""
    if get_origin(kind) is Literal:
        return f"one of {', '.join(get_args(kind))}"
    if NoneType in get_args(kind):
        return f"{_allowed(get_args(kind)[0])}, or None"
    base, meta = getattr(kind, "__origin__", kind), getattr(kind, "__metadata__", (Meta(),))[0]
    noun = {bool: "True or False", int: "a whole number", float: "a number", str: "a text"}[base]
    return meta.description or f"{noun}{_bounds(meta)}"


def _bounds(meta: Meta) -> str:
    low = meta.gt if meta.ge is None else meta.ge
    high = meta.lt if meta.le is None else meta.le
    if low is None:
        return ""
    if high is None:
        return f" above {low}" if meta.ge is None else f" of at least {low}"
    return f" in {'(' if meta.ge is None else '['}{low}, {high}{')' if meta.le is None else ']'}"
