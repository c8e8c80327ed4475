"""Checkpoints come back bit for bit, or are passed over with a reason."""

import errno
import os
import random
import subprocess
import time
from collections import OrderedDict
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from rnsl_tutorial import losses
from rnsl_tutorial.training import _saved, checkpoints

CONFIG = {"loss": "rnsl", "q": 0.7, "seeds": [0, 1]}


def state_at(epoch: int, step: int = 0, **extra: Any) -> dict[str, Any]:
    weights = torch.full((100,), float(epoch))
    return {"config": CONFIG, "epoch": epoch, "step": step, "weights": weights, **extra}


def save_epochs(folder: Path, *epochs: int, keep: int = 10) -> list[Path]:
    return [checkpoints._save_checkpoint(folder, state_at(epoch), keep=keep) for epoch in epochs]


def found(folder: Path) -> checkpoints._Found:
    result = checkpoints._latest(folder, CONFIG)
    assert result is not None
    return result


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def age(path: Path) -> None:
    """Make a file look as if it had been written two hours ago."""
    then = time.time() - 7200
    os.utime(path, (then, then))


# ------------------------------------------------------------------ round trip


def test_every_bit_comes_back(tmp_path: Path) -> None:
    """NaN payloads, signed zeros, subnormals, every dtype, optimizer and generator states."""
    model = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.BatchNorm1d(2))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    model(torch.ones(4, 3)).sum().backward()
    optimizer.step()
    special = torch.tensor([float("nan"), -0.0, 1e-45, float("inf"), 1 / 3])
    nested = {
        "floats": [0.1, 5e-324, -0.0],
        "none": None,
        "tuple": (1, "ä", True),
        "tensors": [special, special.half(), special.bfloat16(), torch.tensor(2**62), special > 0],
        "empty": OrderedDict(),
        "strided": torch.arange(6).reshape(2, 3).T,
    }
    given = state_at(
        3,
        7,
        model=model.state_dict(),
        optimizer=optimizer.state_dict(),
        nested=nested,
        generator=torch.Generator().manual_seed(5).get_state(),
    )
    path = checkpoints._save_checkpoint(tmp_path, given)
    back = found(tmp_path)
    assert back.path == path
    assert back.problems == []
    assert_same_bits(given, back.state)


def assert_same_bits(given: Any, back: Any) -> None:
    assert type(given) is type(back)
    if isinstance(given, torch.Tensor):
        assert given.dtype == back.dtype
        assert given.shape == back.shape
        bits = [t.contiguous().reshape(-1).view(torch.uint8) for t in (given, back)]
        assert torch.equal(*bits)
    elif isinstance(given, dict):
        assert list(given) == list(back)
        for key in given:
            assert_same_bits(given[key], back[key])
    elif isinstance(given, (list, tuple)):
        assert len(given) == len(back)
        for one, other in zip(given, back, strict=True):
            assert_same_bits(one, other)
    else:
        assert repr(given) == repr(back)


def test_sha256sum_verifies_the_sidecar(tmp_path: Path) -> None:
    [path] = save_epochs(tmp_path, 1)
    command = ["sha256sum", "--strict", "-c", f"{path.name}.sha256"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, f"{path.name}: OK\n")


def test_the_one_that_got_farthest_is_the_latest(tmp_path: Path) -> None:
    for epoch, step in [(2, 9), (10, 0), (9, 500), (2, 10), (10_000, 1), (9_999, 2)]:
        checkpoints._save_checkpoint(tmp_path, state_at(epoch, step), keep=10)
    assert found(tmp_path).state["epoch"] == 10_000
    newest_first = [path.name for path in checkpoints._listed(tmp_path)]
    assert newest_first[-2:] == [
        "epoch-0002-step-00000010.pt",
        "epoch-0002-step-00000009.pt",
    ]


def test_without_checkpoints_there_is_none(tmp_path: Path) -> None:
    assert checkpoints._latest(tmp_path / "nowhere", CONFIG) is None
    (tmp_path / "epoch-best.pt").write_bytes(b"of another program")
    assert checkpoints._latest(tmp_path, CONFIG) is None


# ------------------------------------------------------------------ which ones stay


def test_keep_removes_the_oldest_and_their_sidecars(tmp_path: Path) -> None:
    save_epochs(tmp_path, 1, 2, 3, 4, keep=2)
    expected = ["epoch-0003-step-00000000.pt", "epoch-0004-step-00000000.pt"]
    assert names(tmp_path) == sorted([*expected, *(f"{name}.sha256" for name in expected)])


def test_the_new_one_stays_even_where_a_damaged_one_got_farther(tmp_path: Path) -> None:
    [ahead] = save_epochs(tmp_path, 5)
    ahead.write_bytes(b"damaged")
    save_epochs(tmp_path, 3, 4, keep=1)
    assert found(tmp_path).state["epoch"] == 4
    assert ahead.exists()


@pytest.mark.parametrize("failing", [1, 2])  # the sidecar's write, the checkpoint's
def test_old_ones_stay_when_the_disk_is_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: int
) -> None:
    save_epochs(tmp_path, 1, 2, keep=2)
    before = set(names(tmp_path))
    calls: list[int] = []

    def full(descriptor: int) -> None:
        calls.append(descriptor)
        if len(calls) == failing:
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match=r"cannot be written \(No space left.*Make room") as caught:
        save_epochs(tmp_path, 3, keep=1)
    assert caught.value.errno == errno.ENOSPC
    assert not list(tmp_path.glob("*.tmp"))
    assert before <= set(names(tmp_path))
    assert (found(tmp_path).state["epoch"], found(tmp_path).problems) == (2, [])


def test_a_folder_that_cannot_be_written_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path, *args: Any, **kwargs: Any) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(PermissionError, match=r"folder that you may write to.*epoch-0001"):
        save_epochs(tmp_path, 1)
    monkeypatch.undo()
    assert names(tmp_path) == []


def test_only_old_leavings_are_removed(tmp_path: Path) -> None:
    """A checksum may be another writer's; one of two hours ago is not."""
    old = [
        tmp_path / f"epoch-0001-step-00000000.pt.{'a' * 32}.tmp",  # no writer holds it
        tmp_path / "epoch-0001-step-00000000.pt.sha256",
    ]
    young = [tmp_path / "epoch-0002-step-00000000.pt.sha256"]
    other = tmp_path / "results.json.cc.tmp"
    for path in [*old, *young, other]:
        path.write_bytes(b"half")
    for path in [*old, other]:
        age(path)
    save_epochs(tmp_path, 3)
    assert not any(path.exists() for path in old)
    assert all(path.exists() for path in [*young, other])


# ------------------------------------------------------------------ damage


def flipped(data: bytes, place: float) -> bytes:
    at = round(place * (len(data) - 1))
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


SPOILED: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    **{
        f"bit {at}": (partial(flipped, place=at), "is damaged: its")
        for at in (0.0, 0.02, 0.25, 0.5, 0.75, 0.98, 1.0)
    },
    **{f"cut {n}": (lambda data, n=n: data[:n], "is damaged: its") for n in (0, 1, 700, -1)},
}


@pytest.mark.parametrize("name", SPOILED)
def test_one_that_is_damaged_anywhere_is_passed_over(tmp_path: Path, name: str) -> None:
    _, damaged = save_epochs(tmp_path, 1, 2)
    spoil, said = SPOILED[name]
    damaged.write_bytes(spoil(damaged.read_bytes()))
    check_passed_over(tmp_path, damaged, said)


@pytest.mark.parametrize("content", [None, b"", b"\xff\xfe", b"0" * 64, b"not a checksum\n"])
def test_one_without_its_checksum_is_passed_over(tmp_path: Path, content: bytes | None) -> None:
    _, damaged = save_epochs(tmp_path, 1, 2)
    sidecar = damaged.with_name(f"{damaged.name}.sha256")
    if content is None:
        sidecar.unlink()
        check_passed_over(tmp_path, damaged, "is unfinished: its checksum")
    else:
        sidecar.write_bytes(content)
        check_passed_over(tmp_path, damaged, "remove both")


def check_passed_over(folder: Path, damaged: Path, said: str) -> None:
    result = found(folder)
    assert result.state["epoch"] == 1
    assert len(result.problems) == 1
    assert result.problems[0].startswith(damaged.name)
    assert said in result.problems[0]


def test_all_problems_are_listed_when_none_can_be_used(tmp_path: Path) -> None:
    first, second = save_epochs(tmp_path, 1, 2)
    first.write_bytes(b"")
    second.with_name(f"{second.name}.sha256").unlink()
    with pytest.raises(ValueError, match=r"None of the.*Choose another folder, delete") as caught:
        checkpoints._latest(tmp_path, CONFIG)
    assert f"{first.name} is damaged" in str(caught.value)
    assert f"{second.name} is unfinished" in str(caught.value)


def test_loading_runs_no_code(tmp_path: Path) -> None:
    class Intruder:
        def __reduce__(self) -> tuple[Any, ...]:
            return os.mkdir, (str(tmp_path / "ran"),)

    path = tmp_path / "epoch-0001-step-00000000.pt"
    torch.save(state_at(1, intruder=Intruder()), path)
    checkpoints._write(path, memoryview(path.read_bytes()))
    with pytest.raises(ValueError, match="is no checkpoint of this package"):
        checkpoints._latest(tmp_path, CONFIG)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("saved", [[1, 2], {"epoch": 1}, {"config": {}, "epoch": "1", "step": 0}])
def test_a_right_checksum_does_not_make_it_a_checkpoint(tmp_path: Path, saved: object) -> None:
    save_epochs(tmp_path, 1)
    path = tmp_path / "epoch-0002-step-00000000.pt"
    torch.save(saved, path)
    checkpoints._write(path, memoryview(path.read_bytes()))
    check_passed_over(tmp_path, path, "is no checkpoint of this package")


# ------------------------------------------------------------------ other settings


def test_fields_that_differ_are_named(tmp_path: Path) -> None:
    save_epochs(tmp_path, 1)
    other = {"loss": "nsl", "q": 0.7, "seeds": [0, 1], "k": 0.5}
    with pytest.raises(ValueError, match="made with other settings") as caught:
        checkpoints._latest(tmp_path, other)
    text = str(caught.value)
    assert "loss is 'nsl' here and 'rnsl' there; k is 0.5 here and absent there." in text
    assert "q is" not in text
    with pytest.raises(ValueError, match=r"q is absent here and 0\.7 there"):
        checkpoints._latest(tmp_path, {"loss": "rnsl", "seeds": [0, 1]})


def test_equal_numbers_are_equal_settings(tmp_path: Path) -> None:
    checkpoints._save_checkpoint(tmp_path, {"config": {"rate": 0}, "epoch": 1, "step": 1})
    assert checkpoints._latest(tmp_path, {"rate": 0.0}) is not None


def test_an_older_one_of_the_same_settings_is_used(tmp_path: Path) -> None:
    save_epochs(tmp_path, 1)
    newer = checkpoints._save_checkpoint(tmp_path, {**state_at(2), "config": {**CONFIG, "q": 0.5}})
    check_passed_over(tmp_path, newer, "q is 0.7 here and 0.5 there")


# ------------------------------------------------------------------ what save refuses


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"epoch": None}, r"state\['epoch'\] is None; give int"),
        ({"epoch": 1.0}, r"state\['epoch'\] is 1.0; give int"),
        ({"epoch": True}, r"state\['epoch'\] is True; give int"),
        ({"step": -1}, "step is -1; both count from 0"),
        ({"config": [1]}, r"state\['config'\] is \[1\]; give dict"),
        (
            {"metrics": [{"knn": np.float64(0.5)}]},
            r"metrics'\]\[0\]\['knn'\] is of type numpy.float64",
        ),
        ({"path": Path("x")}, r"state\['path'\] is of type pathlib"),
        ({"sets": {1: {2}}}, r"state\['sets'\]\[1\] is of type builtins.set"),
    ],
)
def test_what_could_not_be_read_again_is_refused(
    tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        checkpoints._save_checkpoint(tmp_path, {**state_at(1), **change})
    assert names(tmp_path) == []


def test_keep_below_one_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="keep is 0; at least 1"):
        checkpoints._save_checkpoint(tmp_path, state_at(1), keep=0)


# ------------------------------------------------------------------ kill -9


def test_stopping_at_every_step_of_a_save_leaves_a_usable_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process may die before or after any change to the disk; nothing cleans up after it."""

    class Killed(BaseException):
        pass

    steps = ("open", "replace", "unlink")
    real = {name: getattr(Path, name) for name in steps}
    for stop in range(100):
        folder = tmp_path / str(stop)
        save_epochs(folder, 1, 2, keep=2)
        left = stop

        def dying(name: str) -> Any:
            def act(path: Path, *args: Any, **kwargs: Any) -> Any:
                nonlocal left
                if left <= 0:
                    raise Killed
                left -= 1
                return real[name](path, *args, **kwargs)

            return act

        with monkeypatch.context() as patch:
            for name in steps:
                patch.setattr(Path, name, dying(name))
            try:
                save_epochs(folder, 3, keep=2)
                survived = True
            except Killed:
                survived = False
        result = found(folder)
        assert result.problems == []
        assert all(checkpoints._sidecar(kept).exists() for kept in checkpoints._listed(folder))
        assert result.state["epoch"] in ((3,) if survived else (2, 3))
        if survived:
            assert stop >= 5  # two files opened, two put in place, one removed at the least
            return
    pytest.fail("a save takes fewer than 100 steps")


# ------------------------------------------------------------------ random states


def draw() -> list[float]:
    return [
        torch.rand(1).item(),
        torch.randn(1).item(),
        np.random.random(),
        np.random.standard_normal(),  # the second half of a pair is kept in the state
        random.random(),
        random.gauss(0, 1),
    ]


def test_random_streams_go_on_where_they_were(tmp_path: Path) -> None:
    before = checkpoints._rng_state()
    try:
        draw()
        checkpoints._save_checkpoint(tmp_path, state_at(1, rng=checkpoints._rng_state()))
        expected = [draw() for _ in range(3)]
        draw()
        checkpoints._set_rng_state(found(tmp_path).state["rng"])
        assert [draw() for _ in range(3)] == expected
    finally:
        checkpoints._set_rng_state(before)


def test_states_of_other_devices_are_refused_before_anything_is_set() -> None:
    state = checkpoints._rng_state()
    state["cuda"] = [state["torch"]] * (torch.cuda.device_count() + 1)
    here = checkpoints._rng_state()
    state["python"] = [3, torch.zeros(625, dtype=torch.int64), None]
    with pytest.raises(ValueError, match="Resume on a machine like the first"):
        checkpoints._set_rng_state(state)
    assert_same_bits(checkpoints._rng_state(), here)


def test_one_of_another_version_says_which_and_what_to_install(tmp_path: Path) -> None:
    state = {"rnsl_tutorial": "0.0.7", "config": {"q": 0.7}, "epoch": 1, "step": 0}
    checkpoints._save_checkpoint(tmp_path, state)
    said = r"another version; it was made by rnsl-tutorial 0\.0\.7, and this is .*==0\.0\.7"
    with pytest.raises(ValueError, match=said):
        checkpoints._latest(tmp_path, {"q": 0.7})
    with pytest.raises(ValueError, match=r"other settings: q is 0\.5 here.*0\.0\.7"):
        checkpoints._latest(tmp_path, {"q": 0.5})


def test_what_torch_advises_is_kept_from_the_reader(tmp_path: Path) -> None:
    torch.save({"config": {}, "epoch": 1, "step": 0, "loss": losses.nsl}, tmp_path / "x.pt")
    with pytest.raises(ValueError, match="other things than tensors") as caught:
        _saved.load((tmp_path / "x.pt").read_bytes())
    assert "weights_only" not in str(caught.value)
