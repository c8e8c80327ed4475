"""Fine-tuning behind frozen blocks: the same network as on pixels, and nothing frozen moves."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

from rnsl_tutorial import experiments
from rnsl_tutorial.experiments import images, inference, results
from rnsl_tutorial.experiments.config import Config, from_preset
from rnsl_tutorial.training.devices import Hardware

CPU = Hardware(accelerator="cpu")
TINY = from_preset(
    "finetune", dataset="scenes", scenes=160, image_size=32, difficulty=0.0, freeze=6, epochs=2,
    batch_size=56, embedding_dim=16, rate=0.4, loss="trnsl", prune_from=1, prune_every=1,
)  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Maps of this module's images, made once."""
    patch = pytest.MonkeyPatch()
    patch.setenv("RNSL_CACHE", str(tmp_path_factory.mktemp("cache")))
    yield
    patch.undo()


@pytest.fixture(scope="module")
def data() -> images.Data:
    return images.load_images(TINY)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("run")


@pytest.fixture(scope="module")
def trained(data: images.Data, folder: Path) -> images.Run:
    made = images.Run(data, TINY, CPU)
    made.run(folder)
    return made


def frozen(network: nn.Module) -> dict[str, torch.Tensor]:
    return {
        name: value
        for name, value in network.state_dict().items()
        if name.startswith(("0.network.conv_stem", "0.network.bn1", "0.network.blocks.0"))
        or any(name.startswith(f"0.network.blocks.{block}.") for block in range(6))
    }


def test_frozen_blocks_keep_weights_and_statistics_and_the_rest_moves(
    data: images.Data, trained: images.Run
) -> None:
    fresh, _ = images.build(TINY, data.num_classes, len(data.split.train))
    before, after = fresh.state_dict(), trained.network.state_dict()
    still = frozen(fresh)
    assert len(still) > 200
    for name, value in still.items():
        assert torch.equal(value, after[name]), name
    moved = [name for name in after if name not in still and "num_batches" not in name]
    assert moved
    assert all(not torch.equal(before[name], after[name]) for name in moved)


def test_the_whole_network_says_of_pixels_what_the_rear_says_of_maps(trained: images.Run) -> None:
    places, _ = trained.data.part("val")
    pixels = torch.from_numpy(trained.data.archive.images[places])
    with torch.no_grad():
        by_hand = nn.functional.normalize(trained.network.eval()(pixels))
    found = trained.embed("val")
    assert (found * by_hand).sum(dim=1).min() > 0.999, "but for the float16 of the maps"


def test_a_saved_model_takes_pixels(trained: images.Run, folder: Path) -> None:
    model = inference.load_model(folder / "model.pt")
    pixels = torch.from_numpy(trained.data.archive.images[:4])
    with torch.no_grad():
        torch.testing.assert_close(model.network(pixels), trained.network.eval()(pixels))


def test_curves_end_with_what_the_run_reached_and_come_back_from_disk(
    trained: images.Run, folder: Path
) -> None:
    result = trained.result()
    (saved,) = experiments.load_results(folder / "results.json").results
    assert {len(values) for values in result.curves.values()} == {TINY.epochs}
    assert {*result.curves} == {*result.metrics} >= {"knn_clean", "memorized", "kept", "val_given"}
    for name, right in result.hits.items():
        assert right.mean() == result.metrics[name]
        assert (right == saved.hits[name]).all()
    for name, value in result.metrics.items():
        np.testing.assert_allclose(result.curves[name][-1], value)
    assert saved.config == TINY
    for name, values in result.curves.items():
        np.testing.assert_allclose(saved.curves[name], values, atol=1e-6)


def test_without_watch_there_are_no_curves_and_the_same_weights(
    data: images.Data, trained: images.Run
) -> None:
    unwatched = images.Run(data, replace(TINY, watch=False), CPU)
    result = unwatched.run()
    assert not result.curves
    assert result.metrics == trained.result().metrics
    results.check_alike([result, replace(trained.result(), config=replace(TINY, seed=1))])


def test_half_of_the_training_images_are_seen_in_the_mirror(data: images.Data) -> None:
    plain = images.Run(data, replace(TINY, augmentation="none", epochs=1, watch=False), CPU)
    flipped = images.Run(data, replace(TINY, augmentation="flip", epochs=1, watch=False), CPU)
    seen: list[torch.Tensor] = []
    flipped.trained.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    for run in (plain, flipped):
        run.training.run()
    batch = next(maps for maps in seen if maps.ndim == 4)
    assert data.maps is not None
    views: NDArray[np.float16] = data.maps[data.split.train]
    as_it_is, mirrored = (
        (torch.from_numpy(np.array(views[:, view])).flatten(1)[None] == batch.flatten(1)[:, None])
        .all(dim=2)
        .any(dim=1)
        for view in (0, 1)
    )
    assert (as_it_is | mirrored).all()
    assert 10 < mirrored.sum() < 46, "of 56"


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"freeze": 8}, "freeze is 8; network 'efficientnet_lite0' has 7 blocks"),
        ({"network": "small", "pretrained": False}, "network 'small' has 0 blocks"),
        ({"pretrained": False}, "freeze is 6, and pretrained is False"),
        ({"augmentation": "reference"}, "augmentation is 'reference'.*Pass augmentation 'flip'"),
    ],
)
def test_what_cannot_be_frozen_is_refused(settings: dict[str, object], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        replace(TINY, **settings)  # type: ignore[arg-type]


def test_heads_freeze_nothing() -> None:
    with pytest.raises(ValueError, match="network 'head' has 0 blocks"):
        Config(freeze=1)
