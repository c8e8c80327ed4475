"""What decides the outcome of a run: one frozen config, and the presets that are ready to use."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from types import MappingProxyType
from typing import Any

LOSSES = ("nsl", "rnsl", "trnsl")
"""The paper's losses."""
BASELINES = (
    *("nsl_tuned", "ce", "gce", "sce", "nce_rce"),
    *("proxy_anchor", "arcface", "supcon"),
)
"""Losses to compare them with, see `baselines`."""
UNPROTOTYPED = ("supcon",)
"""Those that compare images with images."""
OWN = "own:"
"""How the name of a loss begins that is none of these, and is handed over as a function."""
NOISES = ("symmetric", "pair_flip", "label_dependent", "instance_dependent")
"""Kinds of label noise, see `noise`; `experiments.corrupt_labels` draws each."""
NETWORKS = ("head", "small", "resnet18", "resnet50", "efficientnet_lite0")
AUGMENTATIONS = ("none", "flip", "reference")
SCHEDULES = ("cosine", "step")
PRUNE_RULES = ("paper", "ratio")
PRUNINGS = ("current", "reference")
SELECTIONS = ("last", "noisy_val", "clean_val")


@dataclass(frozen=True, kw_only=True)
class Config:
    """Everything that decides the outcome of a run, but for the rounding of the machine.

    The defaults suit a head on frozen features and are the same for every loss. They were chosen on
    the validation split of AID, see `benchmarks/recipe.py`. `PRESETS` holds the ones for pixels.

    Attributes:
        dataset: name of the data: "aid", "nwpu45", "eurosat", "scenes", or your own.
        noise: kind of label noise, one of `NOISES`.
        rate: share of labels that the noise flips, in [0, 1).
        loss: "nsl", "rnsl" or "trnsl"; one of `BASELINES`; or "own:NAME" for one that is handed to
            `experiments.run` as a function.
        seed: of the noise, the initial weights, the order of the batches and the augmentation.
        epochs: passes over the training set.
        batch_size: images a step, over all processes together.
        hidden_dim: width of the head's hidden layer.
        embedding_dim: D.
        input_dropout: share of the head's features silenced at random in training.
        dropout: share of the head's hidden units silenced at random in training.
        learning_rate: of SGD with Nesterov momentum at the start.
        momentum: of SGD, in [0, 1).
        weight_decay: at least 0, of network and prototypes alike, as in the paper.
        temperature: T of the softmax.
        q: of RNSL and t-RNSL.
        k: of t-RNSL.
        prune_from: epoch, from 1, before which the images to keep are chosen for the first time;
            below 1 as a share of the epochs; None for half of them.
        prune_every: epochs from one choice to the next.
        prune_rule: "paper" leaves out images with p <= k; "ratio" those with p <= k times the
            largest probability of any class, which suits a network that is not sure yet, see
            `pruning`.
        network: "head" for two layers on frozen features; "small", "resnet18", "resnet50" or
            "efficientnet_lite0" for a network on pixels.
        pretrained: whether a network on pixels starts from ImageNet weights.
        image_size: side of the images in pixels.
        augmentation: "none", "flip" or "reference", see `augmentation`.
        schedule: "cosine" lets the learning rate fall to 0 step by step, "step" multiplies it by
            step_factor every step_epochs epochs.
        step_epochs: of schedule "step".
        step_factor: of schedule "step", in (0, 1].
        pruning: "current" scores the images as they are, by network and prototypes of the same
            epoch; "reference" repeats what the reference implementation does, faults included,
            see `train.Training`, and needs selection "clean_val".
        selection: which epoch's weights are kept. "last" chooses nothing. "noisy_val" takes the
            epoch with the best prototypes for validation images under noisy labels, "clean_val"
            that with the best k-NN accuracy under true labels: the reference's choice, which no
            one with a noisy archive could make.
        scenes: how many procedural scenes the data set "scenes" has.
        difficulty: of the procedural scenes, in [0, 1].
    """

    dataset: str = "aid"
    noise: str = "symmetric"
    rate: float = 0.0
    loss: str = "rnsl"
    seed: int = 0
    epochs: int = 40
    batch_size: int = 256
    hidden_dim: int = 512
    embedding_dim: int = 128
    input_dropout: float = 0.1
    dropout: float = 0.0
    learning_rate: float = 0.007
    momentum: float = 0.9
    weight_decay: float = 1e-4
    temperature: float = 0.07
    q: float = 0.7
    k: float = 0.5
    prune_from: float | None = None
    prune_every: int = 5
    prune_rule: str = "paper"
    network: str = "head"
    pretrained: bool = False
    image_size: int = 64
    augmentation: str = "none"
    schedule: str = "cosine"
    step_epochs: int = 30
    step_factor: float = 0.5
    pruning: str = "current"
    selection: str = "last"
    scenes: int = 4000
    difficulty: float = 0.5

    def __post_init__(self) -> None:
        """Refuse values that no run could make sense of."""
        for name, allowed in _CHOICES.items():
            self._require(name, f"one of {', '.join(allowed)}", getattr(self, name) in allowed)
        self._require(
            "loss", f"one of {', '.join((*LOSSES, *BASELINES))}, or {OWN}NAME", _is_loss(self.loss)
        )
        for name in _COUNTS:
            self._require(name, "at least 1", getattr(self, name) >= 1)
        self._require("prune_from", "above 0", self.prune_from is None or self.prune_from > 0)
        self._require("rate", "in [0, 1)", 0 <= self.rate < 1)
        self._require("learning_rate", "above 0", self.learning_rate > 0)
        self._require("momentum", "in [0, 1)", 0 <= self.momentum < 1)
        self._require("weight_decay", "at least 0", self.weight_decay >= 0)
        self._require("temperature", "above 0", self.temperature > 0)
        self._require("q", "in (0, 1]", 0 < self.q <= 1)
        self._require("k", "in [0, 1)", 0 <= self.k < 1)
        self._require("step_factor", "in (0, 1]", 0 < self.step_factor <= 1)
        self._require("difficulty", "in [0, 1]", 0 <= self.difficulty <= 1)
        if self.loss in UNPROTOTYPED and self.on_pixels:
            raise ValueError(
                f"loss {self.loss!r} has no prototypes, by which a network on pixels is watched; "
                "choose another loss, or network 'head'."
            )
        if self.pruning == "reference" and self.selection != "clean_val":
            raise ValueError(
                "pruning 'reference' scores the images by the epoch that did best on clean "
                f"validation labels, and selection is {self.selection!r}; pass selection "
                "'clean_val' too, or pruning 'current'."
            )

    def _require(self, name: str, allowed: str, holds: bool) -> None:
        if not holds:
            raise ValueError(f"{name} is {getattr(self, name)!r}; it must be {allowed}.")

    @property
    def on_pixels(self) -> bool:
        """Whether the run trains a network on images, not a head on features."""
        return self.network != "head"

    def prunes_before(self, epoch: int) -> bool:
        """Whether the images to keep are chosen anew before this epoch, counted from 0."""
        start = 0.5 if self.prune_from is None else self.prune_from
        first = max(1, int(start * self.epochs)) if start < 1 else int(start)
        return epoch >= first and (epoch - first) % self.prune_every == 0


def _is_loss(name: str) -> bool:
    return name in (*LOSSES, *BASELINES) or bool(re.fullmatch(rf"{OWN}\w[\w +.-]*", name))


_CHOICES = {
    "network": NETWORKS,
    "augmentation": AUGMENTATIONS,
    "schedule": SCHEDULES,
    "prune_rule": PRUNE_RULES,
    "pruning": PRUNINGS,
    "selection": SELECTIONS,
}
_COUNTS = (
    *("epochs", "batch_size", "hidden_dim", "embedding_dim", "prune_every"),
    *("image_size", "step_epochs", "scenes"),
)

PRESETS: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "paper": {
            "network": "resnet18",
            "pretrained": True,
            "image_size": 256,
            "augmentation": "reference",
            "epochs": 130,
            "batch_size": 256,
            "embedding_dim": 128,
            "learning_rate": 0.1,
            "momentum": 0.9,
            "weight_decay": 1e-4,
            "schedule": "step",
            "step_epochs": 30,
            "step_factor": 0.5,
            "temperature": 0.05,
            "q": 0.7,
            "k": 0.5,
            "prune_from": 40,
            "prune_every": 10,
        },
        "laptop": {
            "network": "small",
            "image_size": 64,
            "augmentation": "flip",
            "epochs": 24,
            "batch_size": 64,
            "learning_rate": 0.1,
            "weight_decay": 5e-4,
            "temperature": 0.2,
            "prune_from": 0.75,
            "prune_every": 2,
            "prune_rule": "ratio",
        },
        "scenes": {
            "dataset": "scenes",
            "scenes": 2000,
            "network": "small",
            "image_size": 64,
            "epochs": 30,
            "batch_size": 64,
            "learning_rate": 0.02,
            "weight_decay": 0.0,
            "temperature": 0.1,
            "prune_from": 0.3,
            "prune_every": 2,
            "prune_rule": "ratio",
        },
    }
)
"""Settings by name.

"paper" is the reference's protocol, for a GPU. "laptop" trains a small network on an archive from
scratch in minutes on two cores; "scenes" trains it on procedural scenes in under a minute.
"""


def from_preset(preset: str, **settings: Any) -> Config:
    """Build a config from a preset and what differs from it.

    Args:
        preset: one of `PRESETS`.
        settings: fields of `Config`; those that are None count as not given.

    Raises:
        ValueError: no such preset or field, or a value that `Config` refuses.
    """
    if preset not in PRESETS:
        raise ValueError(f"There is no preset {preset!r}; choose one of {', '.join(PRESETS)}.")
    return configured(PRESETS[preset], **settings)


def configured(base: Mapping[str, Any], **settings: Any) -> Config:
    """Build a config from some settings and what differs; None counts as not given.

    Raises:
        ValueError: a name that is no field of `Config`, or a value that it refuses.
    """
    known = [field.name for field in fields(Config)]
    unknown = [name for name in (*base, *settings) if name not in known]
    if unknown:
        raise ValueError(f"There is no setting {unknown[0]!r}; there are {', '.join(known)}.")
    return Config(**{**base, **{k: v for k, v in settings.items() if v is not None}})


def parse_settings(texts: Sequence[str]) -> dict[str, Any]:
    """Read settings such as "epochs=10" or "pretrained=false".

    Returns:
        Field of `Config` -> value of the field's type; "none" stands for None.

    Raises:
        ValueError: no "=", no such field, or a value of another type.
    """
    settings = {}
    for text in texts:
        name, equals, value = text.partition("=")
        kind = next((field.type for field in fields(Config) if field.name == name), None)
        if not equals or kind is None:
            known = ", ".join(field.name for field in fields(Config))
            raise ValueError(f"{text!r} is no NAME=VALUE; NAME is one of {known}.")
        try:
            settings[name] = _READERS[kind](value)
        except (ValueError, KeyError) as error:
            raise ValueError(f"{name} is {value!r}; it must be of type {_type(kind)}.") from error
    return settings


def _type(kind: Any) -> str:
    return getattr(kind, "__name__", str(kind))


_READERS: Mapping[Any, Callable[[str], Any]] = {
    str: str,
    int: int,
    float: float,
    bool: lambda text: {"true": True, "false": False}[text.lower()],
    float | None: lambda text: None if text.lower() == "none" else float(text),
}
