"""Many calls at once: on threads, in processes of this machine, or on a Ray cluster.

joblib makes the calls here, and Ray's pool those on a cluster (joblib's way to Ray returns nothing
before all calls have ended). A worker that dies, killed or out of memory, ends the
calls that ran beside it too; all of them are made again, one at a time, so that only the one that
kills its worker again and again fails.
"""

import logging
import os
import signal
import threading
import time
import warnings
from collections import Counter, deque
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing, contextmanager
from typing import Any, NamedTuple, TypeVar

import psutil
from joblib import Parallel, delayed
from joblib.externals.loky import get_reusable_executor

__all__ = ["Ended", "calls"]

_Given = TypeVar("_Given")
_Made = TypeVar("_Made")

_ATTEMPTS = 3
"""How often a call is made whose worker dies; one that raises an error is not made again."""
_MOST_JOBS = 1024
_LOOPBACK = ("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")
"""By which Ray, when it is imported, listens to this machine alone; elsewhere than on Linux it does
so by itself."""
_GRACE_S = 60.0
"""Time for a call to end once its driver is gone; a training writes a checkpoint in it."""


class Ended(NamedTuple):
    """A call that is over.

    Attributes:
        place: of what it was given.
        made: what it returned; None where its worker died.
        death: of its worker, again and again; None where it returned.
        attempts: how often it was made.
    """

    place: int
    made: Any
    death: BaseException | None
    attempts: int


def _check_jobs(jobs: int) -> None:
    """Refuse numbers of calls at a time that no machine could make: ValueError."""
    if not 1 <= jobs <= _MOST_JOBS:
        raise ValueError(f"jobs is {jobs}; at least 1 is needed, and at most {_MOST_JOBS}.")


class _Where(NamedTuple):
    """What joblib is told, the threads of torch in a call, what a death raises, and Ray's pool."""

    options: dict[str, Any]
    threads: int | None
    deaths: tuple[type[BaseException], ...]
    pool: Any = None


def calls(
    function: Callable[[_Given], _Made], given: Sequence[_Given], jobs: int, where: str = "threads"
) -> Generator[Ended, None, None]:
    """Call a function once for each of what is given, a few at a time.

    Args:
        function: for processes and clusters one of a module's own, or of the script.
        given: what it is given; pickled, but for threads.
        jobs: calls at a time. They share the processor's threads, but for where "threads".
        where: "threads", "processes", or the address of a Ray cluster, see `_cluster`.

    Yields:
        Calls as they end, in no fixed order. Close the iterator to stop those that run.

    Raises:
        ValueError: jobs below 1, or Ray is not installed.
        ConnectionError: there is no cluster at the address.
    """
    _check_jobs(jobs)
    jobs = min(jobs, max(1, len(given)))
    waiting, suspects = deque(range(len(given))), deque[int]()
    attempts: Counter[int] = Counter()
    with _workers(where, jobs) as place_of_work:
        while waiting or suspects:
            todo, at_once = (waiting, jobs)
            if suspects:
                todo, at_once = deque([suspects.popleft()]), 1
            running: set[int] = set()
            try:
                made = _made(function, given, todo, running, at_once, place_of_work)
                with closing(made):
                    for place, value in made:
                        running.discard(place)
                        yield Ended(place, value, None, attempts[place] + 1)
            except place_of_work.deaths as death:
                attempts.update(running)
                for place in sorted(running):
                    if attempts[place] < _ATTEMPTS:
                        suspects.append(place)
                    else:
                        yield Ended(place, None, death, attempts[place])


def _made(
    function: Callable[[_Given], _Made],
    given: Sequence[_Given],
    todo: deque[int],
    running: set[int],
    at_once: int,
    where: _Where,
) -> Generator[tuple[int, _Made], None, None]:
    def tasks() -> Iterator[Any]:
        while todo:
            place = todo.popleft()
            running.add(place)
            yield delayed(_called)(function, place, given[place], where.threads)

    if where.pool is not None:
        yield from where.pool.imap_unordered(_made_there, tasks())
        return
    # With one worker joblib would call in this process; of two, one waits.
    workers = at_once if where.threads is None else max(2, at_once)
    parallel = Parallel(
        workers,
        pre_dispatch=at_once,
        batch_size=1,
        return_as="generator_unordered",
        **where.options,
    )
    with _deaf_to_interrupts():
        found = parallel(tasks())
    try:
        for ended in found:  # noqa: UP028 - "yield from" would close it where joblib warns
            yield ended
    finally:
        with warnings.catch_warnings():  # joblib warns of calls that were made for nothing
            warnings.simplefilter("ignore")
            found.close()


def _made_there(task: tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]) -> Any:
    function, given, named = task
    return function(*given, **named)


def _called(
    function: Callable[[_Given], _Made], place: int, given: _Given, threads: int | None
) -> tuple[int, _Made]:
    if threads is not None:
        import torch  # here, because of two workers one may only wait, and needs no memory for it

        torch.set_num_threads(threads)
    return place, function(given)


@contextmanager
def _workers(where: str, jobs: int) -> Iterator[_Where]:
    if where == "threads":
        yield _Where({"backend": "threading"}, None, ())
    elif where == "processes":
        options = {"backend": "loky", "initializer": _watch, "initargs": (os.getpid(),)}
        try:
            yield _Where(options, _share_of_threads(jobs), (BrokenProcessPool,))
        finally:
            get_reusable_executor().shutdown(wait=True, kill_workers=True)
    else:
        with _cluster(where, jobs) as found:
            yield found


def _share_of_threads(jobs: int) -> int:
    """Threads for each of some calls at a time, so that together they fill the processor."""
    import torch

    return max(1, torch.get_num_threads() // jobs)


# ------------------------------------------------------------------ processes of this machine


@contextmanager
def _deaf_to_interrupts() -> Iterator[None]:
    """Let processes that start here never hear of Ctrl-C, which a terminal sends to all of them."""
    if not hasattr(signal, "pthread_sigmask"):  # as on Windows
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _watch(driver: int) -> None:
    """Let this process end with the one that it works for."""
    threading.Thread(target=_end_after, args=(driver,), daemon=True).start()


def _end_after(driver: int) -> None:
    while os.getppid() == driver and psutil.pid_exists(driver):
        time.sleep(0.5)
    os.kill(os.getpid(), signal.SIGTERM)  # a training writes a checkpoint, all else ends at once
    time.sleep(_GRACE_S)
    os._exit(1)


# ------------------------------------------------------------------ a Ray cluster


@contextmanager
def _cluster(address: str, jobs: int) -> Iterator[_Where]:
    """Start or join a Ray cluster; each call gets its share of the processors and GPUs.

    Args:
        address: "local" starts Ray on this machine, reached from it alone and with a token; "auto"
            joins the cluster that this machine belongs to, "ray://HOST:10001" another one.
        jobs: calls at a time, that share what the cluster has.
    """
    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    if address == "local":
        os.environ.setdefault(_LOOPBACK[0], _LOOPBACK[1])
        quiet |= {"include_dashboard": False, "_node_ip_address": "127.0.0.1"}
    try:
        import ray as imported
        from ray.util.multiprocessing import Pool
    except ImportError as error:
        raise ValueError(
            'A Ray cluster needs Ray, which is not installed: pip install "rnsl-tutorial[cluster]"'
        ) from error
    ray: Any = imported
    try:
        ray.init(address, **quiet)
    except Exception as error:  # Ray raises a plain Exception too
        raise ConnectionError(
            f"Ray cannot be started or reached at {address!r}: {error} "
            "Give 'local', 'auto' or the address of a cluster."
        ) from error
    try:
        if address == "local":
            _check_alone(ray.nodes())
        share = _share_of_cluster(ray.nodes(), jobs)
        pool = Pool(jobs, ray_remote_args=share)
        threads = max(1, int(share["num_cpus"]))
        yield _Where({}, threads, (ray.exceptions.RayError,), pool)
    finally:
        ray.shutdown()


def _check_alone(nodes: list[dict[str, Any]]) -> None:
    """Refuse a Ray of this machine that others could reach, or that asks them for no token."""
    places = {node["NodeManagerAddress"] for node in nodes}
    if not places <= {"127.0.0.1", "::1"} or os.environ.get("RAY_AUTH_MODE") != "token":
        raise ConnectionError(
            f"Ray would listen at {', '.join(sorted(places))}, "
            f"{os.environ.get('RAY_AUTH_MODE', 'without')} token, and run whatever is sent to it. "
            f"Unset RAY_AUTH_MODE, set {'='.join(_LOOPBACK)} before Ray is imported, or leave Ray "
            "out: without it the same is done by processes."
        )


def _share_of_cluster(nodes: list[dict[str, Any]], jobs: int) -> dict[str, float]:
    """What each of some calls at a time gets: at most what one node has, and at most one GPU."""
    resources = [node["Resources"] for node in nodes if node["Alive"]]
    processors = [int(found["CPU"]) for found in resources if found.get("CPU")]
    gpus = sum(found.get("GPU", 0) for found in resources)
    return {
        "num_cpus": max(1, min([sum(processors) // jobs, *processors])),
        "num_gpus": min(1, gpus / jobs),
    }
