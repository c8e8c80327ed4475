"""Archives are fetched from a hub on this machine, checked, and unpacked whole or not at all."""

import errno
import hashlib
import io
import os
import re
import shutil
import signal
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from filelock import FileLock
from hub_server import CLASSES, REVISION, Hub, fetching, image, leavings, scenes, serving, zipped
from huggingface_hub import constants
from PIL import Image
from typer.testing import CliRunner

from rnsl_tutorial import _files as paths
from rnsl_tutorial import datasets
from rnsl_tutorial.cli import main as cli
from rnsl_tutorial.datasets import download

run = CliRunner().invoke

# ------------------------------------------------------------------ a hub on this machine


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Hub]:
    """A running hub that offers AID, an empty cache, and no other data sets but by `offer`."""
    monkeypatch.setenv("RNSL_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(download, "PINS", {})
    monkeypatch.setattr(constants, "DOWNLOAD_CHUNK_SIZE", 100)  # what a broken connection loses
    with serving() as server:
        monkeypatch.setattr(constants, "ENDPOINT", server.address)
        template = server.address + "/{repo_id}/resolve/{revision}/{filename}"
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
        offer(server, "aid", SCENES)
        yield server


def offer(hub: Hub, name: str, data: bytes, **changes: Any) -> download.Pin:
    """Put an archive on the hub, and its pin into the list."""
    pin = download.Pin(
        title=f"{name}, a small copy",
        licence="for tests",
        repository=f"somebody/{name}",
        revision=REVISION,
        file=f"{name}.zip",
        checksums={
            "sha256": hashlib.sha256(data).hexdigest(),
            "md5": hashlib.md5(data).hexdigest(),
        },
        size=len(data),
    )._replace(**changes)
    hub.files[f"/datasets/{pin.repository}/resolve/{REVISION}/{pin.file}"] = data
    download.PINS[name] = pin  # type: ignore[index]
    return pin


SCENES = zipped(scenes("AID/"))


def parts(tmp_path: Path) -> list[Path]:
    return list((tmp_path / "cache").rglob("*.part"))


# ------------------------------------------------------------------ the pins


def test_pins_are_complete() -> None:
    lengths = {"sha256": 64, "md5": 32}
    assert set(download.PINS) == {"aid", "nwpu45", "eurosat"}
    for pin in download.PINS.values():
        assert re.fullmatch(r"[0-9a-f]{40}", pin.revision)
        assert re.fullmatch(r"[\w-]+/[\w-]+", pin.repository)
        assert pin.checksums
        for algorithm, digest in pin.checksums.items():
            assert re.fullmatch(rf"[0-9a-f]{{{lengths[algorithm]}}}", digest)
        assert pin.licence
        assert pin.title


# ------------------------------------------------------------------ fetching


@pytest.mark.parametrize(
    ("top", "extra"),
    [
        ("AID/", {"__MACOSX/AID/._Airport": b"x", "AID/.DS_Store": b"x", ".DS_Store": b"x"}),
        ("NWPU-RESISC45/", {"NWPU-RESISC45/": b"", "NWPU-RESISC45/Beach/": b""}),
        ("2750/", {}),
        ("", {"__MACOSX/._Airport": b"x"}),
    ],
)
def test_what_was_fetched_is_an_archive_of_images(
    hub: Hub, tmp_path: Path, top: str, extra: dict[str, bytes]
) -> None:
    offer(hub, "aid", zipped({**extra, **scenes(top)}))
    assert download.find("aid") is None
    folder = download.get("aid", progress=False)
    assert folder == paths.cache_dir() / "datasets" / "aid"
    assert download.find("aid") == folder
    archive = datasets.load_archive(folder, 12, progress=False)
    assert archive.class_names == CLASSES
    assert len(archive.files) == 6
    assert np.array_equal(
        archive.images[4], np.array(Image.open(io.BytesIO(image(11)))).transpose(2, 0, 1)
    )
    assert parts(tmp_path) == []


def test_a_finished_one_is_not_fetched_again(hub: Hub, tmp_path: Path) -> None:
    folder = download.get("aid", tmp_path / "mine", progress=False)
    hub.status = 500
    assert download.get("aid", tmp_path / "mine", progress=False) == folder == tmp_path / "mine"
    assert download.find("aid", tmp_path / "mine") == folder
    assert download.find("aid") is None
    assert hub.ranges == [""]


def test_a_folder_of_another_pin_is_neither_found_nor_touched(hub: Hub, tmp_path: Path) -> None:
    folder = download.get("aid", progress=False)
    before = leavings(tmp_path)
    offer(hub, "aid", SCENES, revision="f" * 40)
    assert download.find("aid") is None
    with pytest.raises(FileExistsError, match=r"holds something else\. Name a new folder"):
        download.get("aid", progress=False)
    assert leavings(tmp_path) == before
    assert folder.is_dir()


def test_an_empty_folder_may_be_named_and_no_other(hub: Hub, tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "notes.txt").write_text("mine")
    for taken in (mine, mine / "notes.txt"):
        with pytest.raises(FileExistsError, match="holds something else"):
            download.get("aid", taken, progress=False)
    assert (mine / "notes.txt").read_text() == "mine"
    (mine / "notes.txt").unlink()
    assert (download.get("aid", mine, progress=False) / "AID" / "Beach").is_dir()


def test_unknown_names_are_refused() -> None:
    for call in (download.get, download.find, download.describe):
        with pytest.raises(ValueError, match="no data set 'cifar'; choose one of aid, nwpu45"):
            call("cifar")


@pytest.mark.slow
def test_a_dropped_connection_is_taken_up_again(hub: Hub) -> None:
    hub.cut = [100]
    download.get("aid", progress=False)
    assert hub.ranges == ["", "bytes=100-"]


def test_a_later_call_goes_on_where_the_first_stopped(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.cut = [300] + [0] * 5
    with monkeypatch.context() as patch:
        patch.setattr("time.sleep", lambda seconds: None)
        with pytest.raises(ConnectionError, match="run this again: it goes on where it stopped"):
            download.get("aid", progress=False)
    assert [path.stat().st_size for path in parts(tmp_path)] == [300]
    assert leavings(tmp_path) == []
    hub.ranges.clear()
    download.get("aid", progress=False)
    assert hub.ranges == ["bytes=300-"]


def test_a_part_that_is_too_long_is_begun_again(hub: Hub, tmp_path: Path) -> None:
    pin = download.PINS["aid"]
    part = paths.cache_dir() / "downloads" / f"{pin.checksums['sha256']}-aid.zip.part"
    part.parent.mkdir(parents=True)
    part.write_bytes(SCENES + b"more")
    download.get("aid", progress=False)
    assert hub.ranges == [""]


def test_the_bar_shows_only_where_it_is_wanted(
    hub: Hub, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TQDM_POSITION", "-1")  # the hub's client then shows bars without a terminal
    offer(hub, "eurosat", SCENES)
    download.get("aid", progress=False)
    assert capfd.readouterr().err == ""
    download.get("eurosat")
    assert "100%" in capfd.readouterr().err


@pytest.mark.parametrize("algorithm", ["sha256", "md5"])
def test_a_wrong_checksum_removes_the_file(hub: Hub, tmp_path: Path, algorithm: str) -> None:
    pin = download.PINS["aid"]
    wrong = {**pin.checksums, algorithm: "0" * len(pin.checksums[algorithm])}
    offer(hub, "aid", SCENES, checksums=wrong)
    with pytest.raises(ValueError, match=rf"aid.zip arrived with the {algorithm} .*It was removed"):
        download.get("aid", progress=False)
    assert leavings(tmp_path) == []
    assert parts(tmp_path) == []


def test_a_wrong_size_is_noticed_before_anything_is_downloaded(hub: Hub, tmp_path: Path) -> None:
    offer(hub, "aid", SCENES, size=5)
    with pytest.raises(ValueError, match=rf"has {len(SCENES)} bytes, not 5"):
        download.get("aid", progress=False)
    assert hub.ranges == []


def test_a_size_that_is_not_pinned_is_asked_for(hub: Hub) -> None:
    offer(hub, "eurosat", SCENES, size=None)
    assert f"{len(SCENES) / 1e6:.1f} MB" in download.describe("eurosat")
    assert (download.get("eurosat", progress=False) / "AID").is_dir()


@pytest.mark.parametrize("status", [401, 404, 500])
def test_what_the_hub_refuses_is_explained(hub: Hub, tmp_path: Path, status: int) -> None:
    hub.status = status
    kind = ConnectionError if status == 500 else FileNotFoundError
    with pytest.raises(kind, match=rf"The hub answers {status} for aid.zip .* somebody/aid"):
        download.get("aid", progress=False)
    assert leavings(tmp_path) == []


def test_without_a_connection_the_error_says_so(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    unused = "http://127.0.0.1:9/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", unused)
    said = r"aid.zip .* cannot be fetched .*Check the connection"
    with pytest.raises(ConnectionError, match=said):
        download.get("aid", progress=False)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(ConnectionError, match="offline mode"):
        download.get("aid", progress=False)
    assert leavings(tmp_path) == []


def test_only_one_process_fetches(hub: Hub) -> None:
    downloads = paths.cache_dir() / "downloads"
    downloads.mkdir(parents=True)
    with (
        FileLock(downloads / "lock"),
        pytest.raises(BlockingIOError, match="Another process is fetching"),
    ):
        download.get("aid", progress=False)
    download.get("aid", progress=False)


# ------------------------------------------------------------------ disk full, interrupted


def test_a_disk_that_is_too_small_is_noticed_first(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: shutil._ntuple_diskusage(9, 9, 0))
    said = r"disk is full \(0.0 MB are needed, 0.0 MB are free\)"
    with pytest.raises(OSError, match=said) as caught:
        download.get("aid", progress=False)
    assert caught.value.errno == errno.ENOSPC
    assert hub.ranges == []
    assert leavings(tmp_path) == []


def full(*args: object, **kwargs: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def interrupted(*args: object, **kwargs: object) -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize("where", ["member", "marker"])
@pytest.mark.parametrize("happens", [full, interrupted])
def test_nothing_half_unpacked_is_left_and_the_download_is_kept(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, happens: Any, where: str
) -> None:
    with monkeypatch.context() as patch:
        if where == "member":
            patch.setattr(Path, "write_bytes", happens)
        else:
            patch.setattr(download, "written_whole", happens)
        with pytest.raises((OSError, KeyboardInterrupt)) as caught:
            download.get("aid", progress=False)
    if happens is full:
        assert "The disk is full (No space left on device). Make room" in str(caught.value)
    assert leavings(tmp_path) == []
    assert not list((tmp_path / "cache" / "datasets").iterdir())
    hub.ranges.clear()
    assert (download.get("aid", progress=False) / "AID").is_dir()
    assert hub.ranges == []  # the archive was there already


def test_a_full_disk_keeps_what_was_downloaded(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(download, "http_get", full)
        with pytest.raises(OSError, match="The disk is full") as caught:
            download.get("aid", progress=False)
    assert caught.value.errno == errno.ENOSPC
    assert leavings(tmp_path) == []


def test_what_a_killed_process_left_is_removed(hub: Hub, tmp_path: Path) -> None:
    left = tmp_path / f".mine.{'a' * 32}.unpacking"
    others = [tmp_path / f".yours.{'a' * 32}.unpacking", tmp_path / ".mine.notes.unpacking"]
    for folder in [left, *others]:
        (folder / "AID").mkdir(parents=True)
    download.get("aid", tmp_path / "mine", progress=False)
    assert not left.exists()
    assert all(folder.exists() for folder in others)


@pytest.mark.slow
def test_control_c_stops_in_one_line_and_the_next_run_goes_on(hub: Hub, tmp_path: Path) -> None:
    hub.cut, hub.stalled = [400], threading.Event()
    with subprocess.Popen(
        fetching(SCENES, chunk=100),
        env={**os.environ, "HF_ENDPOINT": hub.address},
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a job in the background
    ) as process:
        assert hub.stalled.wait(60)
        while not (parts(tmp_path) and process.poll() is None):
            assert process.poll() is None
        process.send_signal(signal.SIGINT)
        _, error = process.communicate(timeout=60)
    assert process.returncode == 130
    assert error.splitlines()[-1] == "rnsl: stopped. Run this again to go on from here."
    assert "Traceback" not in error
    assert leavings(tmp_path) == []
    done = parts(tmp_path)[0].stat().st_size
    hub.ranges.clear()
    download.get("aid", progress=False)
    assert hub.ranges == [f"bytes={done}-" if done else ""]


# ------------------------------------------------------------------ the command


def test_the_command_shows_the_licence_first_and_says_what_comes_next(hub: Hub) -> None:
    result = run(cli.app, ["data", "get", "aid"])
    assert result.exit_code == 0, result.output
    folder = paths.cache_dir() / "datasets" / "aid"
    licence, place, following = (
        result.output.index(text)
        for text in (
            "Licence: for tests",
            f"aid is in {folder}",
            f"rnsl train --dataset aid --root {folder}",
        )
    )
    assert licence < place < following
    assert "https://huggingface.co/datasets/somebody/aid, aid.zip" in result.output
    again = run(cli.app, ["data", "get", "aid"])
    assert again.exit_code == 0
    assert "Licence" not in again.output
    assert f"aid is in {folder}" in again.output


@pytest.mark.parametrize(
    ("options", "typed", "fetched"),
    [([], "n\n", False), ([], "y\n", True), (["--yes"], "", True)],
)
def test_on_a_terminal_it_asks(
    hub: Hub,
    monkeypatch: pytest.MonkeyPatch,
    options: list[str],
    typed: str,
    fetched: bool,
) -> None:
    monkeypatch.setattr("typer.testing._NamedTextIOWrapper.isatty", lambda self: True)
    result = run(cli.app, ["data", "get", "aid", *options], input=typed)
    assert "Licence: for tests" in result.output
    assert ("Download it?" in result.output) == (not options)
    assert (download.find("aid") is not None) == fetched
    assert result.exit_code == (0 if fetched else 1)


def test_errors_of_the_command_are_one_line(hub: Hub, tmp_path: Path) -> None:
    offer(hub, "aid", SCENES, checksums={"md5": "0" * 32})
    for arguments in (["cifar"], ["aid"], ["aid", "--to", str(tmp_path)]):
        (tmp_path / "taken").touch()
        result = run(cli.app, ["data", "get", *arguments])
        assert result.exit_code == 1
        assert len(result.stderr.splitlines()) == 1
        assert result.stderr.startswith("rnsl: ")


def test_images_lie_where_the_variable_says_or_where_they_were_fetched(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(download, "find", lambda name: Path("fetched", name))
    monkeypatch.setenv("RNSL_AID", "mine.tar")
    assert download.images_of("aid") == Path("mine.tar")
    assert download.images_of("eurosat") == Path("fetched", "eurosat")
    assert download.images_of("my own") is None
    monkeypatch.delenv("RNSL_AID")
    assert download.images_of("aid") == Path("fetched", "aid")
