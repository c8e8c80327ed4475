"""A trained network on other images: embeddings, nearest classes, the file that holds them."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn
from typer.testing import CliRunner

from rnsl_tutorial import datasets
from rnsl_tutorial.cli import main as cli
from rnsl_tutorial.datasets import scenes
from rnsl_tutorial.experiments import images, inference
from rnsl_tutorial.experiments.config import Config
from rnsl_tutorial.training.devices import Hardware

CPU = Hardware(accelerator="cpu")
TINY = Config(
    dataset="scenes", scenes=320, image_size=32, difficulty=0.0, network="small", epochs=4,
    batch_size=32, embedding_dim=16, learning_rate=0.05, temperature=0.1,
)  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A trained run, and beside it other scenes as a folder of class folders."""
    folder = tmp_path_factory.mktemp("run")
    images.Run(images.load_images(TINY), TINY, CPU).run(folder / "out")
    made = scenes.make_scenes(64, 32, difficulty=0.0, seed=7)
    for image, file in zip(made.images, made.files, strict=True):
        path = folder / "images" / file
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image.transpose(1, 2, 0)).save(path)
    return folder


def test_embeddings_nearest_classes_and_probabilities_are_those_of_the_network(
    folder: Path,
) -> None:
    model = images.load_model(folder / "out" / images.Left.MODEL)
    archive = datasets.load_archive(folder / "images", 32, progress=False)
    embedded = inference.embed_archive(model, archive, CPU)
    with torch.no_grad():
        x = nn.functional.normalize(model.network(torch.from_numpy(np.array(archive.images))))
        w = nn.functional.normalize(model.prototypes)
        p = (x @ w.T / TINY.temperature).softmax(dim=1)
    np.testing.assert_allclose(embedded.embeddings, x, atol=1e-6)
    assert np.array_equal(embedded.nearest, p.argmax(dim=1))
    np.testing.assert_allclose(embedded.probability, p.amax(dim=1), rtol=1e-4)
    assert embedded.files == archive.files
    assert (embedded.nearest == archive.labels).mean() > 4 / 16, "four times what chance gives"


def test_the_command_writes_what_the_function_returns(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "x.npz"
    words = ["embed", str(folder / "out" / images.Left.MODEL), "--root", str(folder / "images")]
    shown = CliRunner().invoke(cli.app, [*words, "--out", str(out), "--accelerator", "cpu"])
    assert shown.exit_code == 0, shown.output
    assert "64 embeddings of 16 numbers" in shown.output
    with np.load(out, allow_pickle=False) as saved:
        assert saved["embeddings"].shape == (64, 16)
        assert set(saved["class_names"]) == set(scenes.CLASSES)
        assert saved["files"][0].split("/")[0] in scenes.CLASSES


def test_images_of_another_size_are_refused(folder: Path) -> None:
    model = images.load_model(folder / "out" / images.Left.MODEL)
    archive = datasets.load_archive(folder / "images", 48, progress=False)
    with pytest.raises(ValueError, match="have 48 pixels a side; this model wants 32"):
        inference.embed_archive(model, archive, CPU)
