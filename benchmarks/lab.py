"""Measure how long the second `make lab` takes until JupyterLab answers.

Usage: python benchmarks/lab.py [--repeats 5]

Needs an environment that `make lab` or `make test` has built. Starts `make lab` without a browser
on a free port, asks its address /api until it answers, stops it, and prints a Markdown table.
"""

import http.client
import os
import random
import signal
import socket
import subprocess
import time
import urllib.request
from contextlib import suppress
from pathlib import Path

from benchmarks import frame

ROOT = Path(__file__).parent.parent
MOST_S = 120
PORTS = 20_000, 32_000


def free_port() -> int:
    """Return a port that nobody listens on.

    Drawn from below the ports that systems hand out themselves (from 32768 on Linux, 49152
    elsewhere): a kernel that starts meanwhile cannot get it before JupyterLab listens there.
    """
    while True:
        port = random.randrange(*PORTS)
        with socket.socket() as probe, suppress(OSError):  # taken
            probe.bind(("127.0.0.1", port))
            return port


def seconds_to_answer() -> float:
    """Start `make lab`, wait for its answer, stop it."""
    port = free_port()
    root = " --allow-root" if hasattr(os, "geteuid") and os.geteuid() == 0 else ""
    arguments = f"--no-browser --port {port} --ServerApp.port_retries=0{root}"
    start = time.perf_counter()
    process = subprocess.Popen(
        ["make", "lab", f"ARGS={arguments}"],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        wait_for_answer(f"http://127.0.0.1:{port}/api", process, MOST_S)
        return time.perf_counter() - start
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def wait_for_answer(address: str, process: "subprocess.Popen[bytes]", most_s: float) -> None:
    """Wait until the server that a process starts is there.

    Raises:
        TimeoutError: the process has ended, or time is over.
    """
    deadline = time.monotonic() + most_s
    while not answers(address):
        if process.poll() is not None or time.monotonic() > deadline:
            raise TimeoutError(f"JupyterLab has ended, or did not answer within {most_s} s.")
        time.sleep(0.05)


def answers(address: str) -> bool:
    """Whether a server is there that speaks HTTP."""
    try:
        with urllib.request.urlopen(address, timeout=1):
            return True
    except (OSError, http.client.HTTPException):
        return False


def main() -> None:
    """Measure and print."""
    parser = frame.parser(__doc__, repeats=5)
    args = parser.parse_args()
    seconds = [seconds_to_answer() for _ in range(args.repeats)]
    print(frame.machine("jupyterlab"), end="\n\n")
    columns = ("repeats", "median s", "min to max s")
    print(frame.header("second `make lab` until it answers", *columns))
    print(frame.row("", len(seconds), frame.spread(seconds)))


if __name__ == "__main__":
    main()
