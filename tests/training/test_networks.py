"""Backbones: the shipped weights fit and know ImageNet, missing downloads say what to do."""

from urllib.error import URLError

import numpy as np
import pytest
import torch
from torch import nn

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
