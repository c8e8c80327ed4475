"""Backbones: the shipped weights fit and know ImageNet, missing downloads say what to do."""

from pathlib import Path
from urllib.error import URLError

import numpy as np
import pytest
import timm
import torch
from torch import nn

from rnsl_tutorial.datasets import _frozen
from rnsl_tutorial.training import networks


@pytest.mark.slow
def test_efficientnet_lite0_maps_pixels_to_1280_features() -> None:
    backbone = networks.create("efficientnet_lite0").eval()
    pixels = torch.randint(256, (2, 3, 64, 64), generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        from_bytes = backbone(pixels.to(torch.uint8))
        from_floats = backbone(pixels / 255)
    assert from_bytes.shape == (2, backbone.feature_dim) == (2, 1280)
    torch.testing.assert_close(from_bytes, from_floats)
    assert from_bytes.std() > 0.01


def test_the_shipped_weights_are_in_every_layer() -> None:
    """Batch statistics of trained layers differ from those of a fresh network, 0 and 1."""
    trained = networks.create("efficientnet_lite0")
    norms = [m for m in trained.modules() if isinstance(m, nn.BatchNorm2d)]
    assert len(norms) == 49
    assert all(norm.running_var.std() > 0 for norm in norms)
    assert len(trained.network.state_dict()) == 294, "296 tensors less the classifier's two"


def test_weights_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="1 tensors that do not fit the 2 of the network"):
        networks._load_in_order(nn.Linear(2, 3), {"weight": torch.zeros(3, 2)})
    with pytest.raises(ValueError, match="do not fit"):
        networks._load_in_order(nn.Linear(2, 3), {"w": torch.zeros(2, 3), "b": torch.zeros(3)})


@pytest.mark.parametrize(("name", "features"), [("resnet18", 512), ("resnet50", 2048)])
def test_resnets_without_their_weights(name: str, features: int) -> None:
    backbone = networks.create(name, pretrained=False).eval()
    with torch.inference_mode():
        assert backbone(torch.zeros(1, 3, 64, 64)).shape == (1, features)
    assert np.allclose(backbone.mean.flatten(), [0.485, 0.456, 0.406])


def test_weights_that_cannot_be_downloaded(monkeypatch: pytest.MonkeyPatch) -> None:
    def offline(*_: object, **__: object) -> None:
        raise URLError("no route to host")

    monkeypatch.setattr("torchvision.models._api.load_state_dict_from_url", offline)
    with pytest.raises(ConnectionError, match=r"resnet18 cannot be downloaded.*resnet18-f37072fd"):
        networks.create("resnet18")


def test_the_resnets_have_their_first_weights() -> None:
    names = {name: networks.weights_file(name).name for name in ("resnet18", "resnet50")}
    assert names == {"resnet18": "resnet18-f37072fd.pth", "resnet50": "resnet50-0676ba61.pth"}


def test_the_last_layer_is_drawn_as_asked_for() -> None:
    """Six times the variance, whatever the number of features."""
    variance = {}
    for kind in ("torch", "kaiming"):
        torch.manual_seed(0)
        layer = networks.embedding_network("small", 512, last_layer=kind)[1]
        variance[kind] = layer.weight.var().item() * layer.in_features
    assert variance == pytest.approx({"torch": 1 / 3, "kaiming": 2}, rel=0.02)


def test_an_unknown_name() -> None:
    with pytest.raises(
        ValueError, match="no backbone 'vit'; choose one of efficientnet_lite0, res"
    ):
        networks.create("vit")


def test_embedding_head() -> None:
    head = networks.embedding_head(8, 16, 4)
    assert head(torch.zeros(5, 8)).shape == (5, 4)
    with pytest.raises(ValueError, match=r"dropout is 1.0; it must lie in \[0, 1\)"):
        networks.embedding_head(8, dropout=1.0)
    with pytest.raises(ValueError, match="input_dropout is -1"):
        networks.embedding_head(8, input_dropout=-1)


@pytest.mark.parametrize(
    ("name", "blocks"), [("efficientnet_lite0", 5), ("efficientnet_lite0", 7), ("resnet18", 3)]
)
def test_front_and_rear_are_the_network(name: str, blocks: int) -> None:
    network = networks.embedding_network(name, 8).eval()
    front, rear = networks.split(network, blocks)
    pixels = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        maps = front(pixels).permute(0, 2, 3, 1)
        torch.testing.assert_close(rear(maps), network(pixels))
        views = torch.stack([maps, torch.zeros_like(maps)], dim=1)
        torch.testing.assert_close(rear(views), network(pixels), msg="the first view is taken")
    assert not any(weight.requires_grad for weight in front.parameters())
    assert all(weight.requires_grad for weight in rear.parameters())
    weights = [*front.blocks.parameters(), *rear.parameters()]
    assert sum(w.numel() for w in weights) == sum(w.numel() for w in network.parameters())
    assert not front.train().blocks.training, "batch normalisation keeps its statistics"


@pytest.mark.parametrize(
    ("name", "blocks", "said"),
    [
        ("efficientnet_lite0", 8, "8 blocks are to stay as they are; this network has 7, so"),
        ("resnet18", 0, "0 blocks .* has 4, so it can be 1 to 4"),
        ("small", 1, "has 0 that could"),
    ],
)
def test_what_cannot_be_split_is_refused(name: str, blocks: int, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        networks.split(networks.embedding_network(name), blocks)


def test_depthwise_convolutions_keep_their_precision_under_autocast_on_a_cpu() -> None:
    network = networks.create("efficientnet_lite0", pretrained=False).eval()
    seen: dict[bool, set[torch.dtype]] = {True: set(), False: set()}
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d):
            layer.register_forward_hook(
                lambda layer, _, found: seen[layer.groups > 1].add(found.dtype)
            )
    with torch.autocast("cpu", torch.bfloat16), torch.no_grad():
        network(torch.rand(1, 3, 32, 32))
    assert seen == {True: {torch.float32}, False: {torch.bfloat16}}
    assert network.double()(torch.rand(1, 3, 32, 32).double()).dtype == torch.float64


# ------------------------------------------------------------------ models of timm


def saved_model(folder: Path, name: str, **settings: object) -> nn.Module:
    """A model as timm's hub keeps it: weights, and a file of settings."""
    torch.manual_seed(0)
    model = timm.create_model(name, num_classes=5, **settings)
    model.pretrained_cfg |= {"mean": (0.1, 0.2, 0.3), "std": (0.4, 0.5, 0.6)}
    timm.models.save_for_hf(model, str(folder), model_args=settings)
    return model.eval()


@pytest.mark.parametrize(("size", "side"), [(20, 24), (24, 24), (None, 16)])
def test_a_vision_transformer_from_a_folder(tmp_path: Path, size: int | None, side: int) -> None:
    """As the paper of DINOv2 is used: positions are interpolated, patches are whole."""
    tiny = {"img_size": 16, "patch_size": 8, "embed_dim": 12, "depth": 1, "num_heads": 2}
    model = saved_model(tmp_path, "vit_tiny_patch16_224", **tiny)
    backbone = networks.create(f"timm:local-dir:{tmp_path}", size=size).eval()
    assert backbone.feature_dim == 12
    images = torch.randint(256, (2, 3, 20, 20), dtype=torch.uint8)
    mean, std = (torch.tensor(v).reshape(3, 1, 1) for v in ([0.1, 0.2, 0.3], [0.4, 0.5, 0.6]))
    scaled = nn.functional.interpolate(
        (images / 255 - mean) / std, (side, side), mode="bilinear", antialias=side < 20
    )
    model.set_input_size(img_size=(side, side))
    with torch.no_grad():
        expected = model.forward_head(model.forward_features(scaled), pre_logits=True)
        torch.testing.assert_close(backbone(images), expected)
    run = _frozen.by_onnxruntime(backbone, images.numpy()) if side > 16 else None
    assert run is None or np.allclose(run(images.numpy()), expected, atol=1e-5)


def test_a_convolutional_model_takes_images_as_they_are(tmp_path: Path) -> None:
    model = saved_model(tmp_path, "mobilenetv3_small_050")
    backbone = networks.create(f"timm:local-dir:{tmp_path}", size=40).eval()
    images = torch.rand(2, 3, 40, 40)
    with torch.no_grad():
        found = backbone(images)
        pixels = (images - backbone.mean) / backbone.std
        expected = model.forward_head(model.forward_features(pixels), pre_logits=True)
    torch.testing.assert_close(found, expected)
    assert backbone.feature_dim == found.shape[1] == 1024, "more than its last maps have"


@pytest.mark.parametrize(
    ("name", "pretrained", "said"),
    [
        ("vit_smal", True, r"timm \S+ has no weights for a model 'vit_smal'; .* such as \S*vit"),
        ("resnet18.nope", True, "no weights for a model 'resnet18.nope'.* resnet18"),
        ("vit_tiny_patch16_rope_reg1_gap_256", True, "no weights for a model 'vit_tiny"),
        ("vit_smal", False, "has no model 'vit_smal'"),
    ],
)
def test_what_timm_does_not_have_is_refused_at_once(name: str, pretrained: bool, said: str) -> None:
    for refused in (networks.check, networks.create):
        with pytest.raises(ValueError, match=said):
            refused(f"timm:{name}", pretrained=pretrained)
    networks.check("timm:vit_small_patch14_dinov2.lvd142m", pretrained=True)


def test_weights_of_timm_that_cannot_be_had(tmp_path: Path) -> None:
    with pytest.raises(ConnectionError, match=r"timm:local-dir:.*absent cannot be had \(.*Go onl"):
        networks.create(f"timm:local-dir:{tmp_path / 'absent'}")
