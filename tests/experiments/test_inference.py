"""A trained model on other images: embeddings, classes, doubts, and the files that hold them."""

import csv
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn
from typer.testing import CliRunner

from rnsl_tutorial import datasets, experiments
from rnsl_tutorial.cli import main as cli
from rnsl_tutorial.datasets import scenes
from rnsl_tutorial.experiments import heads, images, inference
from rnsl_tutorial.experiments.config import Config
from rnsl_tutorial.training import embed, networks
from rnsl_tutorial.training.devices import Hardware

CPU = Hardware(accelerator="cpu")
TINY = Config(
    dataset="scenes", scenes=320, image_size=32, difficulty=0.0, network="small", epochs=4,
    batch_size=32, embedding_dim=16, learning_rate=0.05, temperature=0.1,
)  # fmt: skip
HEAD = Config(loss="rnsl", epochs=8, batch_size=16, hidden_dim=32, embedding_dim=8)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A trained run, and beside it other scenes as a folder of class folders."""
    folder = tmp_path_factory.mktemp("run")
    images.Run(images.load_images(TINY), TINY, CPU).run(folder / "out")
    made = scenes.make_scenes(80, 32, difficulty=0.0, seed=7)
    for image, file in zip(made.images, made.files, strict=True):
        path = folder / "images" / file
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image.transpose(1, 2, 0)).save(path)
    return folder


@pytest.fixture(scope="module")
def model(folder: Path) -> experiments.Model:
    return experiments.load_model(folder / "out")


@pytest.fixture(scope="module")
def archive(folder: Path) -> datasets.Archive:
    return datasets.load_archive(folder / "images", 32, progress=False)


def by_hand(model: experiments.Model, archive: datasets.Archive) -> tuple[Any, Any]:
    """Embeddings and probabilities, of all images at once."""
    with torch.no_grad():
        x = nn.functional.normalize(model.network(torch.from_numpy(np.array(archive.images))))
        w = nn.functional.normalize(model.prototypes)
        return x.numpy(), (x @ w.T / model.config.temperature).softmax(dim=1).numpy()


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_embeddings_nearest_classes_and_probabilities_are_those_of_the_network(
    model: experiments.Model, archive: datasets.Archive
) -> None:
    embedded = inference.embed_archive(model, archive, CPU)
    x, p = by_hand(model, archive)
    np.testing.assert_allclose(embedded.embeddings, x, atol=1e-5)
    assert np.array_equal(embedded.nearest, p.argmax(axis=1))
    np.testing.assert_allclose(embedded.probability, p.max(axis=1), rtol=1e-4)
    assert embedded.files == archive.files
    assert (embedded.nearest == archive.labels).mean() > 4 / 16, "four times what chance gives"


def test_doubt_is_that_of_the_given_label_where_there_is_one(
    model: experiments.Model, archive: datasets.Archive
) -> None:
    _, p = by_hand(model, archive)
    labels = np.where(np.arange(80) % 3 == 0, -1, archive.labels)
    said = model.predict(archive.images, labels, CPU)
    assert np.array_equal(said.classes, p.argmax(axis=1))
    np.testing.assert_allclose(said.probability, p.max(axis=1), rtol=1e-4)
    asked = np.where(labels < 0, said.classes, labels)
    np.testing.assert_allclose(said.doubt, 1 - p[np.arange(80), asked], atol=1e-5)
    unlabelled = model.predict(archive.images, hardware=CPU)
    np.testing.assert_allclose(unlabelled.doubt, 1 - unlabelled.probability, atol=1e-6)


def test_many_images_take_no_more_memory_than_few(
    model: experiments.Model, archive: datasets.Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    read, taken = inference.block, []

    def block(images: Any, start: int, count: int) -> Any:
        taken.append(read(images, start, count))
        return taken[-1]

    monkeypatch.setattr(inference, "block", block)
    parts = inference._predicted(model, archive.images, None, CPU)
    for reading in (1, 2):
        next(parts)
        assert len(taken) == reading, "what comes next is read when it is asked for"
    assert [len(images) for images in taken] == [inference._BATCH, 80 - inference._BATCH]


def test_the_command_writes_what_the_function_returns(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "x.npz"
    words = ["embed", str(folder / "out" / images.Left.MODEL), "--root", str(folder / "images")]
    shown = CliRunner().invoke(cli.app, [*words, "--out", str(out), "--accelerator", "cpu"])
    assert shown.exit_code == 0, shown.output
    assert "80 embeddings of 16 numbers" in shown.output
    with np.load(out, allow_pickle=False) as saved:
        assert saved["embeddings"].shape == (80, 16)
        assert set(saved["class_names"]) == set(scenes.CLASSES)
        assert saved["files"][0].split("/")[0] in scenes.CLASSES


def test_predict_writes_a_row_for_each_image(
    folder: Path, model: experiments.Model, archive: datasets.Archive, tmp_path: Path
) -> None:
    out = tmp_path / "labels.csv"
    words = ["predict", str(folder / "out"), str(folder / "images"), "--accelerator=cpu"]
    shown = CliRunner().invoke(cli.app, [*words, f"--out={out}"])
    assert shown.exit_code == 0, shown.output
    rows = rows_of(out)
    said = model.predict(archive.images, archive.labels, CPU)
    names = np.array(model.class_names)
    assert [row["file"] for row in rows] == [*archive.files]
    assert [row["digest"] for row in rows] == [*archive.digests]
    assert [row["given"] for row in rows] == [*np.array(archive.class_names)[archive.labels]]
    assert [row["label"] for row in rows] == [*names[said.classes]]
    for name in ("probability", "doubt"):
        written = [float(row[name]) for row in rows]
        np.testing.assert_allclose(written, getattr(said, name), atol=1e-6)
    same = (said.classes == archive.labels).mean()
    assert f"80 lie in a folder of a class's name, {same:.1%} of them" in shown.output


def test_folders_that_are_no_classes_of_the_model_give_no_label(
    model: experiments.Model, archive: datasets.Archive, tmp_path: Path
) -> None:
    first = archive.class_names[0]
    files = tuple(f"set/{file}" for file in archive.files)
    renamed = archive._replace(files=tuple(f.replace(first, "unknown") for f in files))
    found = inference.save_predictions(tmp_path / "x.csv", model, renamed, CPU, progress=False)
    rows = rows_of(tmp_path / "x.csv")
    unknown = archive.labels == 0
    assert [row["given"] == "" for row in rows] == unknown.tolist()
    assert found[0] == (~unknown).sum()
    assert found[1] == sum(row["given"] == row["label"] for row in rows)
    assert all(
        float(row["doubt"]) == pytest.approx(1 - float(row["probability"]), abs=2e-6)
        for row in rows
        if not row["given"]
    )


def test_images_are_read_as_those_of_the_training_were(
    folder: Path, model: experiments.Model, archive: datasets.Archive, tmp_path: Path
) -> None:
    trained = datasets.Reading(bands=(3, 2, 1), span=(0.0, 2047.0), nested=True)
    model._replace(reading=trained).save(tmp_path / "model.pt")
    loaded = experiments.load_model(tmp_path / "model.pt")
    assert loaded.reading == trained._replace(nested=False)
    asked = datasets.Reading(bands=(1, 2, 3), skip_broken=True)
    assert loaded.reads(asked) == asked._replace(span=(0.0, 2047.0))
    words = ["predict", str(tmp_path / "model.pt"), str(folder / "images"), "--accelerator=cpu"]
    shown = CliRunner().invoke(cli.app, [*words, f"--out={tmp_path / 'labels.csv'}"])
    assert shown.exit_code == 0, shown.output
    said = model.predict(archive.images[:, ::-1].copy(), archive.labels, CPU)
    names = np.array(model.class_names)[said.classes]
    assert [row["label"] for row in rows_of(tmp_path / "labels.csv")] == [*names]


def test_images_of_another_size_are_refused(folder: Path, model: experiments.Model) -> None:
    archive = datasets.load_archive(folder / "images", 48, progress=False)
    with pytest.raises(ValueError, match="have 48 pixels a side; this model wants 32"):
        inference.embed_archive(model, archive, CPU)


# ------------------------------------------------------------------ heads


@pytest.fixture(scope="module")
def features() -> datasets.FeatureSet:
    """Of a frozen network, of 80 scenes of four classes."""
    made = scenes.make_scenes(320, 32, difficulty=0.0, seed=3)
    few = np.flatnonzero(made.labels < 4)
    archive = datasets.Archive(
        made.images[few], made.labels[few], made.class_names[:4],
        tuple(made.files[i] for i in few), ("",) * len(few),
    )  # fmt: skip
    split = datasets.stratified_split(archive.labels, seed=42)
    backbone = networks.create("efficientnet_lite0")
    return datasets.build_features(
        archive, split, backbone, name="efficientnet_lite0", dim=16, progress=False
    )


@pytest.fixture(scope="module")
def head(features: datasets.FeatureSet) -> experiments.Model:
    return experiments.Model.of_head(experiments.fit(features, HEAD), features, HEAD)


def test_a_head_says_of_pixels_what_it_says_of_features(
    features: datasets.FeatureSet, head: experiments.Model, tmp_path: Path
) -> None:
    head.save(tmp_path / "model.pt")
    loaded = experiments.load_model(tmp_path / "model.pt")
    made = scenes.make_scenes(320, 32, difficulty=0.0, seed=3)
    pixels = made.images[made.labels < 4]
    backbone = networks.create("efficientnet_lite0")
    unrounded = datasets.cached_features(pixels, backbone, progress=False)
    inputs = features.reduction.apply(unrounded) / heads._scale(features)
    fitted = experiments.fit(features, HEAD)
    x = embed(fitted.network, torch.from_numpy(inputs))
    w = nn.functional.normalize(fitted.loss.prototypes.detach())
    p = (x @ w.T / HEAD.temperature).softmax(dim=1).numpy()
    said = loaded.predict(pixels, hardware=CPU)
    assert np.array_equal(said.classes, p.argmax(axis=1))
    np.testing.assert_allclose(said.probability, p.max(axis=1), atol=1e-4)
    assert (said.classes == features.labels).mean() > 0.6
    assert (loaded.class_names, loaded.backbone) == (features.class_names, "efficientnet_lite0")
    assert loaded.config == replace(HEAD, image_size=32)
    assert (tmp_path / "model.pt").stat().st_size < 2e5, "the backbone is not in the file"


def test_of_many_images_onnxruntime_runs_the_backbone(
    head: experiments.Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    pixels = scenes.make_scenes(16, 32, difficulty=0.0, seed=4).images
    few = head.predict(pixels, hardware=CPU)
    monkeypatch.setattr(inference, "_MANY", 16)
    front, rest = inference._parted(head, pixels, torch.device("cpu"))
    assert front is not None
    assert len(list(rest.children())) == len(list(head.network.children())) - 1
    many = head.predict(pixels, hardware=CPU)
    np.testing.assert_allclose(many.probability, few.probability, atol=1e-4)
    assert np.array_equal(many.classes, few.classes)


def test_an_experiment_of_one_cell_keeps_its_head(
    features: datasets.FeatureSet, tmp_path: Path
) -> None:
    datasets.save_features(tmp_path / "features.npz", features)
    words = [
        *("experiment", f"--features={tmp_path / 'features.npz'}", "--dataset=mine"),
        *("--seeds=2", "--epochs=2", f"--out={tmp_path / 'out'}", "--loss=rnsl"),
    ]
    shown = CliRunner().invoke(cli.app, words)
    assert shown.exit_code == 0, shown.output
    kept = experiments.load_model(tmp_path / "out")
    config = Config(dataset="mine", rate=0.5, epochs=2, image_size=32)
    assert kept.config == config
    w = experiments.fit(features, config).loss.prototypes.detach()
    torch.testing.assert_close(kept.prototypes, nn.functional.normalize(w))
    several = CliRunner().invoke(cli.app, [*words[:-2], f"--out={tmp_path / 'grid'}"])
    assert several.exit_code == 0, several.output
    assert not (tmp_path / "grid" / "model.pt").exists(), "of three losses"


def test_features_of_nobody_knows_what_leave_results_and_no_model(
    features: datasets.FeatureSet, tmp_path: Path
) -> None:
    datasets.save_features(tmp_path / "features.npz", features._replace(made_with={}))
    words = [
        *("experiment", f"--features={tmp_path / 'features.npz'}", "--dataset=mine"),
        *("--seeds=1", "--epochs=1", f"--out={tmp_path / 'out'}", "--loss=rnsl"),
    ]
    shown = CliRunner().invoke(cli.app, words)
    assert shown.exit_code == 0, shown.output
    assert "No model.pt is kept. The features do not say which backbone" in shown.stderr
    assert (tmp_path / "out" / "results.json").exists()
    assert not (tmp_path / "out" / "model.pt").exists()


# ------------------------------------------------------------------ files that are none


def spoiled(path: Path, head: experiments.Model, **changed: Any) -> Path:
    """The file of a head in which something is another."""
    head.save(path)
    torch.save({**torch.load(path, weights_only=True), **changed}, path)
    return path


def test_a_model_of_other_features_is_refused(head: experiments.Model, tmp_path: Path) -> None:
    pixels = inference._pixels(head)
    for changed, said in (
        ({"backbone": "vit"}, "There is no backbone 'vit'; choose one of"),
        ({"backbone": "small"}, "no ImageNet weights for the backbone 'small'"),
        ({"backbone": ""}, "network is 'head', and backbone ''"),
        ({"pixels": {**pixels, "mean": [0.4] * 3}}, "Train it again"),
        ({"network": {"1.matrix": torch.zeros(3, 4)}}, "holds no model of this package"),
    ):
        path = spoiled(tmp_path / "model.pt", head, **changed)  # type: ignore[arg-type]
        with pytest.raises(ValueError, match=said) as refused:
            experiments.load_model(path)
        assert str(path) in str(refused.value)


def test_a_backbone_whose_weights_are_missing_is_named(
    head: experiments.Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def offline(*_: object, **__: object) -> None:
        raise OSError("no network")

    monkeypatch.setattr("torchvision.models._api.load_state_dict_from_url", offline)
    path = spoiled(tmp_path / "model.pt", head, backbone="resnet18")
    with pytest.raises(ConnectionError, match="weights of resnet18 cannot be downloaded"):
        experiments.load_model(path)


def test_a_run_that_has_not_ended_has_no_model(folder: Path, tmp_path: Path) -> None:
    (checkpoint,) = (folder / "out" / "checkpoints").glob("*0003*.pt")
    with pytest.raises(ValueError, match="it is a checkpoint: --resume goes on"):
        experiments.load_model(checkpoint)
    with pytest.raises(ValueError, match=r"Give the folder of `rnsl train`"):
        experiments.load_model(tmp_path)
    (tmp_path / "checkpoints").mkdir()
    with pytest.raises(ValueError, match="the run has not ended"):
        experiments.load_model(tmp_path)
