"""`rnsl train`: what it prints, leaves behind, refuses, and does when it is stopped."""

import csv
import json
import os
import re
import signal
from pathlib import Path

import pytest
import torch
from PIL import Image
from torch._inductor.exc import InductorError
from typer.testing import CliRunner

from rnsl_tutorial.cli import main as cli
from rnsl_tutorial.datasets import scenes
from rnsl_tutorial.experiments import images
from rnsl_tutorial.training import networks

run = CliRunner().invoke

TINY = ["--dataset", "scenes", "--accelerator", "cpu"]
for setting in (
    *("scenes=160", "image_size=32", "difficulty=0", "epochs=2", "batch_size=32"),
    *("embedding_dim=16", "learning_rate=0.05"),
):
    TINY += ["--set", setting]


@pytest.mark.slow
def test_a_run_prints_its_table_and_leaves_everything_behind(tmp_path: Path) -> None:
    command = ["train", *TINY, "--rate", "0.4", "--loss", "trnsl", "--out", str(tmp_path)]
    shown = run(cli.app, command)
    assert shown.exit_code == 0, shown.output
    assert "112 training, 16 validation and 32 test images of 32 px" in shown.output
    assert "t-RNSL" in shown.output
    assert "Validation: k-NN, clean index 0." in shown.output
    assert {path.name for path in tmp_path.iterdir()} == {*images.Left, "logs"}
    assert list((tmp_path / "logs").glob("events*"))
    assert "No such" not in run(cli.app, ["report", str(tmp_path / images.Left.RESULTS)]).output

    again = run(cli.app, command)
    assert again.exit_code == 1
    assert "holds a run already (results.json). Pass --resume" in again.output
    before = json.loads((tmp_path / images.Left.RESULTS).read_text())["results"]
    resumed = run(cli.app, [*command, "--resume"])
    assert resumed.exit_code == 0, resumed.output
    after = json.loads((tmp_path / images.Left.RESULTS).read_text())["results"]
    assert after[0]["metrics"] == before[0]["metrics"]
    other = run(cli.app, [*command, "--resume", "--set", "q=0.2"])
    assert other.exit_code == 1
    assert "q is 0.2 here and 0.7 there" in other.output


def test_stopped_by_ctrl_c_it_says_how_to_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    batches = images.Training._train_on

    def press(self: images.Training, *arguments: object) -> None:
        batches(self, *arguments)  # type: ignore[arg-type]
        if (self.epoch, self.step) == (1, 2):
            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(images.Training, "_train_on", press)
    stopped = run(cli.app, ["train", *TINY, "--out", str(tmp_path)])
    assert stopped.exit_code == 130
    assert "Stopped in epoch 1 after 2 batches" in stopped.output
    assert "--resume goes on" in stopped.output
    assert (tmp_path / images.Left.CHECKPOINTS / "epoch-0001-step-00000002.pt").exists()


def test_stopped_while_it_measures_it_says_so_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(images.Run, "_judged", _interrupt)
    stopped = run(cli.app, ["train", *TINY, "--out", str(tmp_path)])
    assert stopped.exit_code == 130
    assert "rnsl: Stopped. The same command with --resume goes on." in stopped.output


def test_stopped_while_it_loads_it_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(images, "load_images", _interrupt)
    stopped = run(cli.app, ["train", *TINY, "--out", str(tmp_path / "out")])
    assert (stopped.exit_code, stopped.output) == (130, "rnsl: Stopped.\n")
    assert not (tmp_path / "out").exists()


def _interrupt(*_: object, **__: object) -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (torch.OutOfMemoryError("Tried to allocate 2 GiB.\nMore."), "Lower batch_size with --set"),
        (MemoryError(), "The memory is full (MemoryError)"),
        (InductorError(RuntimeError("No C++ compiler\nMore"), None), "Leave out --compile"),
    ],
)
def test_what_torch_says_over_many_lines_becomes_one(
    error: Exception, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(images.Run, "run", fail)
    shown = run(cli.app, ["train", *TINY, "--out", str(tmp_path)])
    assert shown.exit_code == 1
    assert message in shown.stderr
    assert "More" not in shown.output


def test_another_process_than_the_first_says_which_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOCAL_RANK", "1")
    shown = run(cli.app, ["train", "--preset", "desktop", "--out", str(tmp_path)])
    assert shown.output.startswith("rnsl, process 1: There is no preset")


def test_help_keeps_what_stands_in_brackets() -> None:
    shown = run(cli.app, ["train", "--help"], env={"COLUMNS": "200"}).output
    assert "[default: the preset's]" in shown


def test_aid_is_found_where_rnsl_aid_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RNSL_AID", str(tmp_path / "gone"))
    shown = run(cli.app, ["train", "--dataset", "aid", "--out", str(tmp_path / "out")])
    assert shown.exit_code == 1
    assert f"{tmp_path / 'gone'} does not exist" in shown.output


@pytest.fixture(scope="module")
def own_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Scenes as a folder of class folders, of which nobody says which labels are right."""
    folder = tmp_path_factory.mktemp("own")
    made = scenes.make_scenes(160, 32, difficulty=0.0, seed=0)
    for image, file in zip(made.images, made.files, strict=True):
        (folder / file).parent.mkdir(exist_ok=True)
        Image.fromarray(image.transpose(1, 2, 0)).save(folder / file)
    return folder


def test_of_a_folder_without_a_rate_nothing_is_said_that_needs_true_labels(
    own_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    command = ["train", *TINY[2:], f"--root={own_folder}", "--loss=trnsl", "--set=watch=true"]
    shown = run(cli.app, [*command, "--set=temperature=0.2"])
    assert shown.exit_code == 0, shown.output
    out = tmp_path / "runs" / "own-as_given-trnsl-seed0"
    again = [
        run(cli.app, ["report", str(out / "results.json"), *flags]).output
        for flags in (
            *([], ["--curves"], ["--metric=knn_noisy"], ["--stopped", f"--figures={tmp_path}"]),
        )
    ]
    for said in (shown.output, *again):
        assert "labels as given" in said
        assert not re.search("clean|% wrong|labels wrong|memorized|pruning", said)
    assert "k-NN, given labels" in shown.output
    assert "Validation: k-NN, given labels 0." in shown.output
    saved = json.loads((out / images.Left.RESULTS).read_text())["results"][0]
    needed = {"knn_noisy", "prototype", "kept", "val_knn_noisy", "val_prototype", "val_given"}
    assert {*saved["metrics"]} == {*saved["curves"]} == needed
    assert {*saved["hits"]} == {"images", "knn_noisy", "prototype"}
    with (out / images.Left.TRAINING).open(newline="") as file:
        assert all(row["given"] == row["folder"] for row in csv.DictReader(file))


def test_with_rate_0_the_labels_of_a_folder_are_the_truth(own_folder: Path, tmp_path: Path) -> None:
    command = ["train", *TINY[2:], f"--root={own_folder}", "--rate=0", f"--out={tmp_path}"]
    shown = run(cli.app, command)
    assert shown.exit_code == 0, shown.output
    assert "symmetric noise, 0.0% of the labels wrong" in shown.output
    assert "k-NN, clean index" in shown.output


@pytest.mark.slow
def test_without_out_the_folder_is_named_after_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    shown = run(cli.app, ["train", *TINY, "--rate", "0.4", "--loss", "nsl", "--seed", "3"])
    assert shown.exit_code == 0, shown.output
    assert (tmp_path / "runs" / "scenes-symmetric-0.4-nsl-seed3" / images.Left.RESULTS).exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--dataset", "aid"], "'aid' needs its images: pass --root"),
        (["--preset", "desktop"], "There is no preset 'desktop'"),
        (["--set", "epoch=3"], "There is no setting epoch; did you mean epochs?"),
        (
            ["--dataset", "scenes", "--noise", "salt"],
            "noise is 'salt'; it must be one of symmetric, pair_flip",
        ),
        (["--dataset", "scenes", "--precision", "fp16", "--accelerator", "cpu"], "fp16"),
        (["--dataset", "scenes", "--set", "network=head"], "use `rnsl experiment`"),
        (["--root", "/nowhere/at/all"], "/nowhere/at/all does not exist"),
        (["--root", "/", "--noise", "pair_flip"], "noise is 'pair_flip' without a rate"),
        (["--root", "/", "--set", "selection=clean_val"], "nobody knows the true labels"),
        (["--dataset", "aid", "--rate", "0.1", "--set", "noise=as_given"], "rate is 0.1"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(
    options: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RNSL_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("RNSL_AID", raising=False)
    shown = run(cli.app, ["train", *options, "--out", str(tmp_path / "out")])
    assert shown.exit_code == 1
    assert shown.output.startswith("rnsl: ")
    assert message in shown.output
    assert shown.output.count("\n") == 1


@pytest.mark.slow
def test_the_paper_preset_builds_its_network_once_its_weights_are_at_hand(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The protocol end to end at a small size, with weights in the place of those of ImageNet."""
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    path = networks.weights_file("resnet18")
    path.parent.mkdir(parents=True)
    from torchvision import models

    torch.manual_seed(0)
    torch.save(models.resnet18().state_dict(), path)
    monkeypatch.setattr(
        "torchvision.models._api.load_state_dict_from_url",
        lambda *_, **__: torch.load(path, weights_only=True),
    )
    command = ["train", *TINY, "--preset", "paper", "--noise", "label_dependent", "--rate", "0.5"]
    command += ["--loss", "trnsl", "--set", "prune_from=1"]
    shown = run(cli.app, [*command, "--out", str(tmp_path / "out")])
    assert shown.exit_code == 0, shown.output
    assert "resnet18, 11.2 million weights" in shown.output
    saved = json.loads((tmp_path / "out" / images.Left.RESULTS).read_text())["results"][0]
    assert saved["config"]["schedule"] == "step"
    assert saved["config"]["augmentation"] == "reference"
    assert 0 <= saved["metrics"]["val_knn_clean"] <= 1
