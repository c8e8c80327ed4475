"""Workers that die, are stopped or lose their parent; the calls are of the standard library."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch

from rnsl_tutorial.experiments import workers
from rnsl_tutorial.experiments.workers import Processes, RayTasks

PID, THREADS = "__import__('os').getpid()", "__import__('torch').get_num_threads()"

PARENT = """
import time
from rnsl_tutorial.experiments.workers import Processes

if __name__ == "__main__":
    with Processes(1) as processes:
        idle = processes.submit(abs, -1)
        busy = processes.submit(time.sleep, 600)
        idle.result()
        processes.release(idle, sound=True)
        print("ready", flush=True)
        busy.result()
"""


def wait_until(holds: Callable[[], Any], seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "it never came true"
        time.sleep(0.05)


def workers_of(pid: int) -> list[psutil.Process]:
    """Children that run calls; another one tracks semaphores."""
    children = psutil.Process(pid).children()
    return [child for child in children if "spawn_main" in " ".join(child.cmdline())]


def test_a_worker_that_dies_takes_only_its_own_call_along() -> None:
    with Processes(threads=1) as processes:
        dying = processes.submit(signal.raise_signal, signal.SIGKILL)
        other = processes.submit(eval, f"{PID}, {THREADS}")
        for worker in workers_of(os.getpid()):
            worker.send_signal(signal.SIGINT)  # as Ctrl-C in a terminal does, while they start
        assert isinstance(dying.exception(), BrokenProcessPool)
        pid, threads = other.result()
        assert threads == 1
        processes.release(dying, sound=False)
        processes.release(other, sound=True)

        again = processes.submit(time.sleep, 1)
        os.kill(pid, signal.SIGINT)
        assert again.result() is None
        processes.release(again, sound=True)

        idle = psutil.Process(pid)
        idle.kill()
        wait_until(lambda: not idle.is_running() or idle.status() == psutil.STATUS_ZOMBIE)
        call = processes.submit(eval, PID)
        died_unnoticed = isinstance(call.exception(), BrokenProcessPool)
        processes.release(call, sound=not died_unnoticed)
        last = processes.submit(eval, PID)
        assert last.result() not in (pid, os.getpid())
        processes.release(last, sound=True)
    assert not workers_of(os.getpid())


def test_an_unsound_worker_is_not_used_again_and_an_error_ends_what_runs() -> None:
    start = time.monotonic()
    with pytest.raises(OSError, match="disk full"), Processes(threads=1) as processes:  # noqa: PT012
        first = processes.submit(eval, PID)
        pid = first.result()
        processes.release(first, sound=False)
        assert not psutil.pid_exists(pid)
        processes.submit(time.sleep, 600)
        raise OSError("disk full")
    assert not workers_of(os.getpid())
    assert time.monotonic() - start < 600


def test_workers_end_when_their_parent_is_killed(tmp_path: Path) -> None:
    script = tmp_path / "parent.py"
    script.write_text(PARENT)
    with subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == b"ready\n"
        children = workers_of(parent.pid)
        assert len(children) == 2
        parent.kill()
    wait_until(lambda: not any(child.is_running() for child in children), workers.GRACE_S / 2)


def test_threads_are_shared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "get_num_threads", lambda: 8)
    assert [workers.local_threads(jobs) for jobs in (1, 3, 8, 20)] == [8, 2, 1, 1]


def test_a_cluster_is_shared() -> None:
    def node(cpus: float, gpus: float = 0, *, alive: bool = True) -> dict[str, Any]:
        return {"Alive": alive, "Resources": {"CPU": cpus, **({"GPU": gpus} if gpus else {})}}

    share = workers._share
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
        RayTasks("auto", jobs=2)
