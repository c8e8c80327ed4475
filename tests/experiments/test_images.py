"""Runs on pixels: the parts agree with each other, clean labels stay out, files come back whole."""

import csv
import io
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from rnsl_tutorial import experiments, losses
from rnsl_tutorial.evaluation import embedding as evaluate
from rnsl_tutorial.experiments import images, inference
from rnsl_tutorial.experiments.config import NOISES, Config
from rnsl_tutorial.training.devices import Hardware

CPU = Hardware(accelerator="cpu")
TINY = Config(
    dataset="scenes", scenes=160, image_size=32, difficulty=0.0, network="small", epochs=2,
    batch_size=32, embedding_dim=16, learning_rate=0.05, temperature=0.1, augmentation="flip",
    noise="symmetric", rate=0.4,
)  # fmt: skip


@pytest.fixture(scope="module")
def data() -> images.Data:
    return images.load_images(TINY)


@pytest.fixture(scope="module")
def trained(data: images.Data) -> images.Run:
    made = images.Run(data, replace(TINY, loss="trnsl", prune_from=1), CPU)
    made.run()
    return made


def test_scenes_need_no_root_and_archives_do() -> None:
    with pytest.raises(ValueError, match=r"'aid' needs its images: pass --root"):
        images.load_images(replace(TINY, dataset="aid"))


def test_a_folder_of_class_folders_is_split_and_loaded(tmp_path: Path) -> None:
    from PIL import Image

    for name in ("Dune", "Lake"):
        (tmp_path / name).mkdir()
        for i in range(10):
            Image.new("RGB", (40, 40), (i, 10 * i, 200)).save(tmp_path / name / f"{i}.png")
    loaded = images.load_images(replace(TINY, dataset="mine"), tmp_path)
    assert loaded.archive.images.shape == (20, 3, 32, 32)
    assert [len(part) for part in loaded.split] == [14, 2, 4]


def test_the_result_is_measured_on_test_and_val(trained: images.Run) -> None:
    result = trained.result()
    assert result.metrics == trained.measure("test") | {
        f"val_{name}": trained.measure("val")[name]
        for name in ("knn_clean", "knn_noisy", "prototype")
    } | {
        "val_given": evaluate.prototype_accuracy(
            trained.embed("val"),
            trained.loss.prototypes.detach(),
            images.corrupt_images(trained.data, trained.config, "val").labels,
        )
    }
    index, queries = trained.embed("train"), trained.embed("test")
    true_index, true_queries = trained.data.part("train")[1], trained.data.part("test")[1]
    accuracy = evaluate.knn_accuracy(index, true_index, queries, true_queries)
    assert result.metrics["knn_clean"] == accuracy
    assert result.seconds == sum(report.seconds for report in trained.training.history) > 0


def test_embeddings_are_those_of_the_network_without_augmentation(trained: images.Run) -> None:
    places, _ = trained.data.part("val")
    images = torch.from_numpy(trained.data.archive.images[places])
    trained.network.eval()
    with torch.no_grad():
        by_hand = nn.functional.normalize(trained.network(images))
    torch.testing.assert_close(trained.embed("val"), by_hand)


def test_streamed_images_train_to_the_same_bits_as_resident_ones(data: images.Data) -> None:
    resident = images.Run(data, TINY, CPU)
    streamed = images.Run(data, TINY, replace(CPU, memory_share=1e-12))
    assert "resident" in resident.describe()
    assert "streamed" in streamed.describe()
    for made in (resident, streamed):
        made.run()
    assert torch.equal(resident.embed("test"), streamed.embed("test"))


def test_bfloat16_and_contiguous_images_learn_too(data: images.Data) -> None:
    made = images.Run(data, TINY, replace(CPU, precision="bf16", channels_last=False))
    reports: list[float] = []
    made.run(on_epoch=lambda report: reports.append(report.loss))
    assert reports[1] < reports[0]
    assert made.embed("test").dtype == torch.float32


@pytest.mark.parametrize("kind", NOISES)
def test_every_kind_of_noise_can_be_put_on_images(kind: str, data: images.Data) -> None:
    config = replace(TINY, noise=kind)
    given = images.corrupt_images(data, config)
    true = data.part("train")[1]
    assert np.array_equal(given.flipped, given.labels != true)
    assert 0.2 < given.flipped.mean() < 0.6
    assert np.array_equal(given.labels, images.corrupt_images(data, config).labels)


def test_validation_labels_are_corrupted_apart_from_training_labels(data: images.Data) -> None:
    swapped = data._replace(split=data.split._replace(val=data.split.train))
    train, val = (images.corrupt_images(swapped, TINY, part) for part in ("train", "val"))
    assert 0.2 < val.flipped.mean() < 0.6
    assert not np.array_equal(train.flipped, val.flipped)


def test_only_clean_val_sees_true_validation_labels(
    data: images.Data, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With nonsense for the true labels of val, "last" trains to the same bits."""
    labels = data.archive.labels.copy()
    labels[data.split.val] = labels[data.split.val][::-1]
    blind = data._replace(archive=data.archive._replace(labels=labels))
    outcomes = {}
    for selection in ("last", "clean_val"):
        config = replace(TINY, selection=selection)
        seen = [images.Run(source, config, CPU) for source in (data, blind)]
        for made in seen:
            made.training.run()
        outcomes[selection] = seen
    one, other = outcomes["last"]
    assert torch.equal(one.embed("test"), other.embed("test"))
    assert one.training.history[-1].validation is None
    one, other = outcomes["clean_val"]
    assert one.training.history[-1].validation != other.training.history[-1].validation


def test_the_selected_epoch_is_the_one_that_validates_best(data: images.Data) -> None:
    made = images.Run(data, replace(TINY, selection="noisy_val", epochs=4), CPU)
    kept = {}

    def watch(report: object) -> None:
        epoch, *_, validation, _ = report  # type: ignore[misc]
        kept[epoch] = (validation, made.loss.prototypes.detach().clone())

    made.training.run(watch)  # type: ignore[arg-type]
    best = max(kept, key=lambda epoch: kept[epoch][0])
    assert torch.equal(made.loss.prototypes, kept[best][1])
    given = images.corrupt_images(data, made.config, "val").labels
    accuracy = evaluate.prototype_accuracy(made.embed("val"), made.loss.prototypes.detach(), given)
    assert accuracy == kept[best][0]


def test_a_run_leaves_results_history_and_a_model_that_load(
    data: images.Data, tmp_path: Path
) -> None:
    made = images.Run(data, TINY, CPU)
    result = made.run(tmp_path)
    record = experiments.load_results(tmp_path / images.Left.RESULTS)
    assert record.results == [result]
    assert record.provenance["device"].startswith("CPU")
    history = json.loads((tmp_path / images.Left.HISTORY).read_text())
    assert [row["epoch"] for row in history] == [0, 1]
    model = inference.load_model(tmp_path / images.Left.MODEL)
    assert model.config == TINY
    assert model.class_names == data.archive.class_names
    inputs = torch.from_numpy(data.archive.images[data.part("test")[0]])
    with torch.no_grad():
        embeddings = nn.functional.normalize(model.network(inputs))
    torch.testing.assert_close(embeddings, made.embed("test"))
    assert torch.equal(model.prototypes, made.loss.prototypes)


def test_the_table_of_training_images_names_the_doubtful_first(trained: images.Run) -> None:
    rows = list(csv.DictReader(io.StringIO(trained.training_table())))
    places, true = trained.data.part("train")
    names = trained.data.archive.class_names
    p = [float(row["p"]) for row in rows]
    assert p == sorted(p)
    assert len(rows) == len(places)
    place = {trained.data.archive.files[index]: i for i, index in enumerate(places)}
    order = [place[row["file"]] for row in rows]
    assert [row["folder"] for row in rows] == [names[true[i]] for i in order]
    assert [row["given"] for row in rows] == [names[trained.given.labels[i]] for i in order]
    kept = trained.loss.kept  # type: ignore[union-attr]
    assert [row["kept"] == "1" for row in rows] == [bool(kept[i]) for i in order]
    log_p = losses.label_log_probability(
        trained.embed("train"), trained.loss.prototypes.detach(),
        torch.from_numpy(trained.given.labels), TINY.temperature,
    )  # fmt: skip
    assert p == pytest.approx(log_p.exp()[order].tolist(), abs=1e-6)


def test_a_finished_run_resumed_gives_its_result_again(data: images.Data, tmp_path: Path) -> None:
    first = images.Run(data, TINY, CPU).run(tmp_path)
    again = images.Run(data, TINY, CPU).run(tmp_path, resume=True)
    assert again.metrics == first.metrics


def test_a_folder_that_holds_a_run_is_refused_unless_told_otherwise(tmp_path: Path) -> None:
    images.check_folder(tmp_path)
    images.check_folder(tmp_path / "new" / "folder")
    assert not (tmp_path / "new").exists()
    (tmp_path / images.Left.CHECKPOINTS).mkdir()
    with pytest.raises(ValueError, match=r"holds a run already \(checkpoints\). Pass --resume"):
        images.check_folder(tmp_path)
    images.check_folder(tmp_path, resume=True)
    images.check_folder(tmp_path, overwrite=True)
    assert (tmp_path / images.Left.CHECKPOINTS).exists(), "looking removes nothing"


def test_a_file_in_the_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    for folder in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(PermissionError, match=r"cannot be written to.*Choose another --out"):
            images.check_folder(folder)


def test_clearing_removes_what_runs_leave_and_nothing_else(
    trained: images.Run, tmp_path: Path
) -> None:
    (tmp_path / images.Left.CHECKPOINTS).mkdir()
    for name in ({*images.Left} - {images.Left.CHECKPOINTS}) | {"notes.txt"}:
        (tmp_path / name).write_text("old")
    trained.clear(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_a_damaged_model_is_refused_in_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "model.pt"
    path.write_bytes(b"PK nonsense")
    with pytest.raises(ValueError, match=r"holds no model of this package"):
        inference.load_model(path)
    with pytest.raises(FileNotFoundError):
        inference.load_model(tmp_path / "none.pt")


def test_a_head_is_sent_to_features(data: images.Data) -> None:
    with pytest.raises(ValueError, match=r"use `rnsl experiment`, or experiments\.run"):
        images.Run(data, replace(TINY, network="head"), CPU)


def test_t_rnsl_prunes_on_pixels(trained: images.Run) -> None:
    loss = trained.loss
    assert isinstance(loss, losses.TruncatedRobustNormalizedSoftmaxLoss)
    assert 0 < loss.kept.float().mean() < 1
    assert trained.training.history[0].kept == 1
    assert trained.training.history[1].kept == loss.kept.float().mean().item()
