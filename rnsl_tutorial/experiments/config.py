"""What decides the outcome of a run: one frozen config, and the presets that are ready to use."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeAlias, get_args

from msgspec import Meta

from rnsl_tutorial.noise import NOISES
from rnsl_tutorial.training import baselines
from rnsl_tutorial.training.baselines import BASELINES, LOSSES
from rnsl_tutorial.training.settings import Count, Positive, Settings, Share, check_names

__all__ = ["BASELINES", "LOSSES", "NOISES", "PRESETS", "WITHOUT_LOSS", "Config", "from_preset"]

WITHOUT_LOSS = ("no_training", "no_training_k100", "class_means", "lda", "logistic")
"""What needs no loss: rows beside the losses, in `Config.loss` like them, see `without_loss`."""

_UNPROTOTYPED = ("supcon",)
"""Those that compare images with images."""
_OWN = "own:"
"""How the name of a loss begins that is none of these, and is handed over as a function."""

_AS_GIVEN = "as_given"
"""What `Config.noise` is where labels stay as they are, and nobody knows which are right."""
_HOUSE = ("aid", "nwpu45", "eurosat", "scenes")
"""Data sets whose labels are taken for the truth."""

if TYPE_CHECKING:
    _Noise: TypeAlias = str
else:
    _Noise = Literal[(*NOISES, _AS_GIVEN)]
_Network = Literal["head", "small", "resnet18", "resnet50", "efficientnet_lite0"]
_Name = Annotated[
    str,
    Meta(pattern=r"\A\w[^/\\:\x00-\x1f]*\Z", description="a plain name, without / or \\"),
]
_NAMED = (*LOSSES, *BASELINES, *WITHOUT_LOSS)
_Loss = Annotated[
    str,
    Meta(
        pattern=rf"\A(?:{'|'.join(_NAMED)}|{_OWN}\w[\w +.-]*)\Z",
        description=f"one of {', '.join(_NAMED)}, or {_OWN}NAME",
    ),
]

_BLOCKS = {"efficientnet_lite0": 7, "resnet18": 4, "resnet50": 4}
"""Those that can be frozen, see `training.networks.split`."""

_NETWORKS: tuple[str, ...] = get_args(_Network)


@dataclass(frozen=True, kw_only=True)
class Config(Settings):
    """Everything that decides the outcome of a run, but for the rounding of the machine.

    The defaults suit a head on frozen features, see `Settings`. `PRESETS` holds those for pixels.

    Attributes:
        seed, epochs, ...: those of `Settings`; the seed is that of the noise and of the initial
            weights too.
        dataset: name of the data: "aid", "nwpu45", "eurosat", "scenes", or your own.
        noise: kind of label noise, one of `NOISES`; or "as_given" for images whose true labels
            nobody knows: none is flipped, and nothing is measured that would need them.
        rate: share of labels that the noise flips, in [0, 1). At 0 the labels are the truth.
        loss: "nsl", "rnsl" or "trnsl"; one of `BASELINES`; "own:NAME" for one that is handed to
            `experiments.run` as a function; or one of `WITHOUT_LOSS`, which trains no head.
        hidden_dim: width of the head's hidden layer.
        embedding_dim: D.
        input_dropout: share of the head's features silenced at random in training, in [0, 1).
        dropout: share of the head's hidden units silenced at random in training, in [0, 1).
        temperature: T of the softmax.
        q: of RNSL and t-RNSL, in (0, 1].
        k: of t-RNSL, in [0, 1).
        network: "head" for two layers on frozen features; "small", "resnet18", "resnet50" or
            "efficientnet_lite0" for a network on pixels.
        pretrained: whether a network on pixels starts from ImageNet weights.
        freeze: of a pretrained network on pixels, how many of its first blocks stay as they are:
            what they make of the images is computed once and kept, and the rest is trained on it.
            "efficientnet_lite0" has 7 blocks, a ResNet 4; 0 trains everything.
        watch: whether a network on pixels is measured after every epoch too, which gives curves.
        last_layer: how the layer that makes embeddings is drawn in a network on pixels, "torch" or
            "kaiming", see `training.embedding_network`.
        image_size: side of the images in pixels.
        scenes: how many procedural scenes the data set "scenes" has.
        difficulty: of the procedural scenes, in [0, 1].

    Raises:
        ValueError: a field of another type or out of range, or two that exclude each other.
    """

    dataset: _Name = "aid"
    noise: _Noise = "symmetric"
    rate: Share = 0.0
    loss: _Loss = "rnsl"
    hidden_dim: Count = 512
    embedding_dim: Count = 128
    input_dropout: Share = 0.1
    dropout: Share = 0.0
    temperature: Positive = 0.07
    q: Annotated[float, Meta(gt=0, le=1)] = 0.7
    k: Share = 0.5
    network: _Network = "head"
    pretrained: bool = False
    freeze: Annotated[int, Meta(ge=0)] = 0
    watch: bool = False
    last_layer: Literal["torch", "kaiming"] = "torch"
    image_size: Count = 64
    scenes: Count = 4000
    difficulty: Annotated[float, Meta(ge=0, le=1)] = 0.5

    def __post_init__(self) -> None:
        """Refuse values that no run could make sense of."""
        super().__post_init__()
        if self.loss in _UNPROTOTYPED and self.on_pixels:
            raise ValueError(
                f"loss {self.loss!r} has no prototypes, by which a network on pixels is watched; "
                "choose another loss, or network 'head'."
            )
        if self.loss in baselines._STOPPED and self.on_pixels:
            raise ValueError(
                f"loss {self.loss!r} is for heads; a network on pixels is stopped by noisy "
                "validation labels with selection 'noisy_val' and any loss."
            )
        if self.is_without_loss and self.on_pixels:
            raise ValueError(
                f"loss {self.loss!r} trains nothing; choose network 'head', which then stands for "
                "the features as they are, or a loss."
            )
        self._check_freeze()
        self._check_as_given()

    def _check_as_given(self) -> None:
        if not self.as_given:
            return
        for name, wanted in {"rate": 0, "on_pixels": True}.items():
            if getattr(self, name) != wanted:
                raise ValueError(
                    f"noise is 'as_given', and {name} is {getattr(self, name)}: it is for networks "
                    "on pixels, and flips no label. Choose another noise."
                )
        if self.selection == "clean_val":
            raise ValueError(
                "selection is 'clean_val', and noise 'as_given': nobody knows the true labels of "
                "the validation images. Pass selection 'noisy_val' or 'last'."
            )

    def _check_freeze(self) -> None:
        blocks = _BLOCKS.get(self.network, 0)
        if self.freeze > blocks:
            raise ValueError(
                f"freeze is {self.freeze}; network {self.network!r} has {blocks} blocks that could "
                "stay as they are."
            )
        if self.freeze and not self.pretrained:
            raise ValueError(
                f"freeze is {self.freeze}, and pretrained is False: blocks that nobody trained "
                "would stay as they were drawn. Pass pretrained True, or freeze 0."
            )
        if self.freeze and self.augmentation == "reference":
            raise ValueError(
                f"freeze is {self.freeze}, and augmentation is 'reference': what frozen blocks "
                "make of the images is computed once. Pass augmentation 'flip' or 'none'."
            )

    @property
    def settings(self) -> Settings:
        """Those that `training.train` takes: all but what is the run's own.

        The loss "nsl_stopped" brings its selection with it, noisy validation labels.
        """
        given = {field.name: getattr(self, field.name) for field in fields(Settings)}
        if self.loss in baselines._STOPPED:
            given["selection"] = "noisy_val"
        return Settings(**given)

    @property
    def loss_is_own(self) -> bool:
        """Whether no name builds the loss, but a function that is handed over."""
        return self.loss.startswith(_OWN)

    @property
    def is_without_loss(self) -> bool:
        """Whether nothing is trained by a loss: one of `WITHOUT_LOSS`."""
        return self.loss in WITHOUT_LOSS

    @property
    def as_given(self) -> bool:
        """Whether the labels are those that were given, and nobody knows which are right."""
        return self.noise == _AS_GIVEN

    @property
    def on_pixels(self) -> bool:
        """Whether the run trains a network on images, not a head on features."""
        return self.network != "head"


PRESETS: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "paper": {
            "network": "resnet18",
            "pretrained": True,
            "last_layer": "kaiming",
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
            "prune_from": 39,
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
        "finetune": {
            "network": "efficientnet_lite0",
            "pretrained": True,
            "freeze": 5,
            "watch": True,
            "image_size": 150,
            "augmentation": "flip",
            "epochs": 8,
            "batch_size": 64,
            "learning_rate": 0.02,
            "temperature": 0.1,
            "prune_from": 0.5,
            "prune_every": 2,
        },
    }
)
"""Settings by name.

"paper" is the reference's protocol, for a GPU: its script counts epochs from 1 where it prunes, so
that the first time comes before epoch 39 counted from 0, and the last before epoch 129. "laptop"
trains a small network on an archive from scratch in minutes on two cores; "scenes" trains it on
procedural scenes in under a minute; "finetune" goes on from ImageNet with the last blocks of
EfficientNet-Lite0, in minutes as well.
"""


def from_preset(preset: str, **settings: Any) -> Config:
    """Build a config from a preset and what differs from it.

    A data set other than "aid", "nwpu45", "eurosat" and "scenes" is somebody's own: without a rate
    its noise is "as_given", and with rate 0 its labels are taken for the truth.

    Args:
        preset: one of `PRESETS`.
        settings: fields of `Config`; those that are None count as not given.

    Raises:
        ValueError: no such preset or field, or a value that `Config` refuses.
    """
    if preset not in PRESETS:
        raise ValueError(f"There is no preset {preset!r}; choose one of {', '.join(PRESETS)}.")
    check_names(settings, Config)
    given = {name: value for name, value in settings.items() if value is not None}
    return Config(**_told({**PRESETS[preset], **given}))


def _told(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Add that labels are as given, where a data set is somebody's own and no rate is told.

    Raises:
        ValueError: a kind of noise is told, and no rate.
    """
    own = settings.get("dataset", Config.dataset) not in _HOUSE
    on_pixels = settings.get("network", Config.network) != Config.network
    if not own or not on_pixels or "rate" in settings:
        return dict(settings)
    if settings.get("noise", _AS_GIVEN) != _AS_GIVEN:
        raise ValueError(
            f"noise is {settings['noise']!r} without a rate. Give the rate, 0 where all labels of "
            f"{settings['dataset']!r} are right; or neither, where nobody knows."
        )
    return {**settings, "noise": _AS_GIVEN}
