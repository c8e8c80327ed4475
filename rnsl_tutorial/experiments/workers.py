"""Where calls run: in processes of this machine, or on a Ray cluster.

A worker that dies, killed or out of memory, takes the one call along that it was at: the future of
that call holds an exception, and the next call gets a new worker.
"""

import logging
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import Any, Protocol, Self, TypeVar

import torch

Given = TypeVar("Given")
Made = TypeVar("Made")

GRACE_S = 60.0
"""Time for a call to end by itself once it is asked to; a training writes a checkpoint in it."""


class Workers(Protocol):
    """What `Processes` and `RayTasks` have in common; leaving the block ends calls that run."""

    def __enter__(self) -> Self:
        """Be ready for calls."""

    def __exit__(self, *error: object) -> None:
        """Ask the calls that still run to end, and wait for them."""

    def submit(self, function: Callable[[Given], Made], given: Given) -> "Future[Made]":
        """Start a call; as many run at a time as are submitted and not yet released."""

    def release(self, future: "Future[Any]", *, sound: bool) -> None:
        """Take note that a call is over; a worker that is not sound is not used again."""


def local_threads(jobs: int) -> int:
    """Threads for each of some calls at a time, so that together they fill the processor."""
    return max(1, torch.get_num_threads() // jobs)


# ------------------------------------------------------------------ processes of this machine


class Processes:
    """Spawned processes, each in a pool of its own, since a dying process breaks its whole pool.

    Ctrl-C reaches this process alone, and whatever ends it, kill -9 included, ends the workers:
    they hold one end of a pipe, and see it when the other end closes.

    Args:
        threads: of torch in each process.
    """

    def __init__(self, threads: int) -> None:
        self._context = multiprocessing.get_context("spawn")
        self._lifeline, self._held = self._context.Pipe(duplex=False)
        self._threads = threads
        self._idle: list[ProcessPoolExecutor] = []
        self._busy: dict[Future[Any], ProcessPoolExecutor] = {}

    def __enter__(self) -> Self:
        """Start nothing yet: a process starts with the call that needs it."""
        return self

    def __exit__(self, *error: object) -> None:
        """See `Workers`."""
        for pool in self._idle:
            pool.shutdown()
        self._held.close()
        for pool in self._busy.values():
            pool.shutdown(cancel_futures=True)
        self._lifeline.close()

    def submit(self, function: Callable[[Given], Made], given: Given) -> "Future[Made]":
        """See `Workers`."""
        pool = self._idle.pop() if self._idle else self._new_pool()
        try:
            future = _submitted(pool, function, given)
        except BrokenProcessPool:  # it died while it was idle
            pool = self._new_pool()
            future = _submitted(pool, function, given)
        self._busy[future] = pool
        return future

    def release(self, future: "Future[Any]", *, sound: bool) -> None:
        """See `Workers`."""
        pool = self._busy.pop(future)
        if sound:
            self._idle.append(pool)
        else:
            pool.shutdown()

    def _new_pool(self) -> ProcessPoolExecutor:
        return ProcessPoolExecutor(1, self._context, _prepare, (self._lifeline, self._threads))


def _submitted(
    pool: ProcessPoolExecutor, function: Callable[[Given], Made], given: Given
) -> "Future[Made]":
    """Submit a call; the process that may start with it never hears of Ctrl-C.

    A terminal sends Ctrl-C to all its processes, and a new one inherits which signals are blocked.
    """
    if not hasattr(signal, "pthread_sigmask"):  # as on Windows
        return pool.submit(_ended_by_interrupt, function, given)
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        return pool.submit(_ended_by_interrupt, function, given)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _prepare(lifeline: Connection, threads: int) -> None:
    """Make a fresh process a worker."""
    torch.set_num_threads(threads)
    threading.Thread(target=_end_with, args=(lifeline,), daemon=True).start()


def _end_with(lifeline: Connection) -> None:
    """End this process when the one that started it closes its end of the pipe, or dies."""
    with suppress(EOFError, OSError):
        lifeline.recv_bytes()
    os.kill(os.getpid(), signal.SIGTERM)  # a training writes a checkpoint, all else ends at once
    time.sleep(GRACE_S)
    os._exit(1)


def _ended_by_interrupt(function: Callable[[Given], Made], given: Given) -> Made:
    try:
        return function(given)
    except KeyboardInterrupt:
        os._exit(1)  # the pool would catch it and wait for another call


# ------------------------------------------------------------------ a Ray cluster


class RayTasks:
    """Tasks on a Ray cluster; each call gets its share of the processors and GPUs.

    Args:
        address: "local" starts Ray on this machine, "auto" joins the cluster that this machine
            belongs to, "ray://HOST:10001" another one.
        jobs: calls at a time, that share what the cluster has.

    Raises:
        ValueError: Ray is not installed.
        ConnectionError: there is no cluster at the address.
    """

    def __init__(self, address: str, jobs: int) -> None:
        try:
            import ray
        except ImportError as error:
            raise ValueError(
                "A Ray cluster needs Ray, which is not installed: "
                'pip install "rnsl-tutorial[cluster]"'
            ) from error
        self._ray: Any = ray
        self._address, self._jobs = address, jobs
        self._busy: dict[Future[Any], Any] = {}

    def __enter__(self) -> Self:
        """Start or join the cluster."""
        quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
        if self._address == "local":
            quiet["include_dashboard"] = False
        try:
            self._ray.init(self._address, **quiet)
        except Exception as error:  # Ray raises a plain Exception too
            raise ConnectionError(
                f"Ray cannot be started or reached at {self._address!r}: {error} "
                "Give 'local', 'auto' or the address of a cluster."
            ) from error
        self._share = _share(self._ray.nodes(), self._jobs)
        return self

    def __exit__(self, *error: object) -> None:
        """See `Workers`."""
        references = list(self._busy.values())
        for reference in references:
            self._ray.cancel(reference)
        if references:
            self._ray.wait(references, num_returns=len(references), timeout=GRACE_S)
        self._ray.shutdown()

    def submit(self, function: Callable[[Given], Made], given: Given) -> "Future[Made]":
        """See `Workers`."""
        task = self._ray.remote(_with_threads).options(max_retries=0, **self._share)
        reference = task.remote(function, given, max(1, int(self._share["num_cpus"])))
        future: Future[Made] = reference.future()
        self._busy[future] = reference
        return future

    def release(self, future: "Future[Any]", *, sound: bool) -> None:
        """See `Workers`; Ray replaces workers itself."""
        del self._busy[future]


def _share(nodes: list[dict[str, Any]], jobs: int) -> dict[str, float]:
    """What each of some calls at a time gets: no more than one node has, and no more than one GPU.

    Args:
        nodes: of ``ray.nodes()``.
        jobs: calls at a time.
    """
    resources = [node["Resources"] for node in nodes if node["Alive"]]
    processors = [int(found["CPU"]) for found in resources if found.get("CPU")]
    gpus = sum(found.get("GPU", 0) for found in resources)
    return {
        "num_cpus": max(1, min([sum(processors) // jobs, *processors])),
        "num_gpus": min(1, gpus / jobs),
    }


def _with_threads(function: Callable[[Given], Made], given: Given, threads: int) -> Made:
    torch.set_num_threads(threads)
    return function(given)
