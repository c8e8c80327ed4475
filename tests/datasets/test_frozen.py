"""A frozen network by onnxruntime: torch's numbers but for rounding, and torch where it cannot."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from synthetic_features import make_archive, tiny_backbone
from torch import Tensor, nn

from rnsl_tutorial.datasets import _frozen, features
from rnsl_tutorial.training import networks

IMAGES = np.random.default_rng(0).integers(256, size=(9, 3, 64, 64), dtype=np.uint8)


@pytest.fixture
def threads() -> Iterator[Callable[[int], None]]:
    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)


@pytest.mark.slow
def test_the_shipped_network_gives_torchs_numbers_but_for_rounding() -> None:
    network = networks.create("efficientnet_lite0")
    expected = _frozen.by_torch(network)(IMAGES)
    found = _frozen.by_onnxruntime(network, IMAGES)(IMAGES)
    assert np.abs(found - expected).max() < 1e-5 * np.abs(expected).max()


def test_the_numbers_depend_on_no_batch_and_no_threads(threads: Callable[[int], None]) -> None:
    torch.manual_seed(0)
    network = networks.create("small", pretrained=False)
    threads(1)
    first = _frozen.by_onnxruntime(network, IMAGES)(IMAGES)
    np.testing.assert_allclose(first, _frozen.by_torch(network)(IMAGES), rtol=1e-4, atol=1e-5)
    threads(2)
    for some in (8, 5, 1):
        run = _frozen.by_onnxruntime(network, IMAGES[:some])
        for count in (1, 9, 4):
            np.testing.assert_array_equal(run(IMAGES[:count]), first[:count])


class Median(nn.Module):
    """ONNX has no such operation."""

    feature_dim = 3

    def forward(self, images: Tensor) -> Tensor:
        return images.float().flatten(2).median(dim=2).values


class Brightness(nn.Module):
    """Tracing follows one of two ways, and here the other one."""

    feature_dim = 3

    def forward(self, images: Tensor) -> Tensor:
        means = images.float().mean(dim=(2, 3))
        return -means if torch.jit.is_tracing() else means


@pytest.mark.parametrize(
    ("network", "missing", "said"),
    [
        (Median(), None, "median"),
        (Brightness(), None, r"its output differs from torch's"),
        (tiny_backbone(), "onnxruntime", r"import of onnxruntime halted"),
    ],
)
def test_where_onnxruntime_cannot_torch_does_and_a_warning_says_why(
    network: nn.Module,
    missing: str | None,
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if missing:
        monkeypatch.setitem(sys.modules, missing, None)
    for _ in range(2):
        with pytest.warns(UserWarning, match=rf"cannot run this network \(.*{said}.*torch does"):
            found = features.cached_features(
                IMAGES, network, batch_size=9, cache=tmp_path, progress=False
            )
        np.testing.assert_array_equal(found, _frozen.by_torch(network)(IMAGES))
    (kept,) = tmp_path.rglob("*.npy")
    assert "onnx" not in kept.name


def test_what_the_network_itself_refuses_is_its_own_error(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match=r"[kK]ernel size"):
        features.cached_features(IMAGES[..., :4, :4], Needy(), cache=tmp_path, progress=False)
    assert not list(tmp_path.rglob("*.npy"))


class Needy(nn.Module):
    feature_dim = 2

    def __init__(self) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(3, 2, 9)

    def forward(self, images: Tensor) -> Tensor:
        return self.convolution(images.float()).mean(dim=(2, 3))


def test_what_torch_and_onnxruntime_made_lies_in_files_of_their_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    images, network = make_archive().images, tiny_backbone()
    features.cached_features(images, network, cache=tmp_path, progress=False)
    (by_onnxruntime,) = tmp_path.rglob("*.npy")
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    again = features.cached_features(images, network, cache=tmp_path, progress=False)
    np.testing.assert_array_equal(again, np.load(by_onnxruntime))
    by_onnxruntime.unlink()
    with pytest.warns(UserWarning, match="torch does"):
        features.cached_features(images, network, cache=tmp_path, progress=False)
    (by_torch,) = tmp_path.rglob("*.npy")
    assert by_onnxruntime.name == f"{by_torch.stem}-onnx.npy"
