"""Calls that end, die, are stopped or lose their driver; most are of the standard library."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch

from rnsl_tutorial.experiments import grid

DRIVER = """
import os, sys, time
from rnsl_tutorial.experiments import grid

def call(path):
    open(path, "w").write(str(os.getpid()))
    time.sleep(600)

list(grid.calls(call, sys.argv[1:], 1, "processes"))
"""  # without a guard: workers do not run the script again


def wait_until(holds: Callable[[], Any], seconds: float = 200) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "it never came true"
        time.sleep(0.05)


def workers_of(pid: int) -> list[psutil.Process]:
    children = psutil.Process(pid).children()
    return [child for child in children if "popen_loky" in " ".join(child.cmdline())]


@pytest.mark.slow
def test_a_worker_that_dies_takes_only_its_own_call_along(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grid, "_ATTEMPTS", 2)
    given = [signal.SIGCONT, signal.SIGKILL]
    ended = list(grid.calls(signal.raise_signal, given, 2, "processes"))
    assert sorted(call.place for call in ended) == [0, 1]
    deaths = {call.place: call for call in ended if call.death}
    assert list(deaths) == [1]
    assert deaths[1].attempts == 2
    assert not workers_of(os.getpid())


@pytest.mark.slow
def test_threads_are_shared_and_an_error_ends_what_runs() -> None:
    texts = ["__import__('torch').get_num_threads()", "__import__('time').sleep(600)"]
    with closing(grid.calls(eval, texts, 2, "processes")) as ended:
        assert next(ended).made == max(1, torch.get_num_threads() // 2)
    assert not workers_of(os.getpid())
    with pytest.raises(ZeroDivisionError):
        list(grid.calls(eval, ["1 / 0"], 1))


@pytest.mark.parametrize("jobs", [1, 3])
def test_calls_on_threads_end_in_any_order(jobs: int) -> None:
    ended = list(grid.calls(lambda x: 10 * x, range(7), jobs))
    assert sorted((call.place, call.made) for call in ended) == [(i, 10 * i) for i in range(7)]
    assert {(call.death, call.attempts) for call in ended} == {(None, 1)}
    with pytest.raises(ValueError, match="jobs is 0; at least 1"):
        list(grid.calls(abs, [1], 0))


@pytest.mark.slow
def test_workers_end_when_their_driver_is_killed_and_need_no_guard(tmp_path: Path) -> None:
    script, mark = tmp_path / "driver.py", tmp_path / "mark"
    script.write_text(DRIVER)
    with subprocess.Popen([sys.executable, script, mark]) as driver:
        wait_until(mark.exists)
        children = workers_of(driver.pid)
        assert children
        driver.kill()
    wait_until(lambda: not any(child.is_running() for child in children), grid._GRACE_S / 2)


def test_threads_of_a_processor_are_shared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "get_num_threads", lambda: 8)
    assert [grid._share_of_threads(jobs) for jobs in (1, 3, 8, 20)] == [8, 2, 1, 1]


def test_a_cluster_is_shared() -> None:
    def node(cpus: float, gpus: float = 0, *, alive: bool = True) -> dict[str, Any]:
        return {"Alive": alive, "Resources": {"CPU": cpus, **({"GPU": gpus} if gpus else {})}}

    share = grid._share_of_cluster
    assert share([node(8)], 2) == {"num_cpus": 4, "num_gpus": 0}
    assert share([node(0)], 2) == {"num_cpus": 1, "num_gpus": 0}, "workers may join later"
    assert share([node(8)], 100) == {"num_cpus": 1, "num_gpus": 0}
    assert share([node(8, 2), node(4)], 1) == {"num_cpus": 4, "num_gpus": 1}, "what each node has"
    assert share([node(8, 2), node(8, 2), node(64, 8, alive=False)], 8) == {
        "num_cpus": 2, "num_gpus": 0.5,
    }  # fmt: skip


def test_without_ray_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ValueError, match=r'pip install "rnsl-tutorial\[cluster\]"'):
        list(grid.calls(abs, [1], 2, "auto"))


def test_a_ray_that_others_could_reach_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def nodes(place: str) -> list[dict[str, Any]]:
        return [{"NodeManagerAddress": place}]

    monkeypatch.setenv("RAY_AUTH_MODE", "token")
    grid._check_alone(nodes("127.0.0.1"))
    with pytest.raises(ConnectionError, match=r"would listen at 192\.0\.2\.2, token"):
        grid._check_alone(nodes("192.0.2.2"))
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    with pytest.raises(ConnectionError, match=r"127\.0\.0\.1, disabled token"):
        grid._check_alone(nodes("127.0.0.1"))
