"""A hub on this machine, as `rnsl data` meets it, what it offers, and what is left of it."""

import hashlib
import io
import sys
import threading
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
from PIL import Image

CLASSES = ("Airport", "Beach")
REVISION = "0123456789abcdef0123456789abcdef01234567"


class Hub(ThreadingHTTPServer):
    """Answers as the hub does: a redirect with size and ETag, then a file that takes ranges.

    Attributes:
        files: path below the address -> content.
        ranges: what each GET of a file asked for, "" for all of it.
        cut: bytes after which the next answers break off, one number an answer.
        status: of every answer, if not None.
        stalled: set once an answer has broken off and holds the line; None to hang up instead.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.files: dict[str, bytes] = {}
        self.ranges: list[str] = []
        self.cut: list[int] = []
        self.status: int | None = None
        self.stalled: threading.Event | None = None
        self.address = f"http://127.0.0.1:{self.server_port}"


class Answer(BaseHTTPRequestHandler):
    server: Hub

    def log_message(self, *args: object) -> None:
        """Nothing: the tests look at `Hub.ranges`."""

    def do_HEAD(self) -> None:
        self.answer()

    def do_GET(self) -> None:
        self.answer()

    def answer(self) -> None:
        data = self.server.files.get(self.path.removeprefix("/cdn"))
        if self.server.status or data is None:
            self.head(self.server.status or 404, {"Content-Length": "0"})
        elif self.path.startswith("/cdn"):
            self.send_file(data)
        else:
            location = f"{self.server.address}/cdn{self.path}"
            linked = {"X-Linked-Size": str(len(data)), "X-Linked-ETag": '"0123"'}
            self.head(
                302,
                {"Location": location, "X-Repo-Commit": REVISION, "Content-Length": "0", **linked},
            )

    def send_file(self, data: bytes) -> None:
        wanted = self.headers.get("Range", "")
        start = int(wanted.removeprefix("bytes=").rstrip("-") or 0)
        part = {"Content-Range": f"bytes {start}-{len(data) - 1}/{len(data)}"} if wanted else {}
        self.head(206 if wanted else 200, {"Content-Length": str(len(data) - start), **part})
        if self.command == "HEAD":
            return
        self.server.ranges.append(wanted)
        if not self.server.cut:
            self.wfile.write(data[start:])
            return
        self.wfile.write(data[start : start + self.server.cut.pop(0)])
        self.wfile.flush()
        self.close_connection = True
        if self.server.stalled:
            self.server.stalled.set()
            self.rfile.read(1)  # until the other side hangs up

    def head(self, status: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()


@contextmanager
def serving() -> Iterator[Hub]:
    """A hub that runs."""
    with Hub() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


FETCH = """
from huggingface_hub import constants
from rnsl_tutorial.cli import main as cli
from rnsl_tutorial.datasets import download
constants.DOWNLOAD_CHUNK_SIZE = {chunk}
pin = download.PINS["aid"]._replace(
    repository="somebody/aid", revision={revision!r}, file="aid.zip", size={size},
    checksums={{"sha256": {sha256!r}}},
)
download.PINS = {{"aid": pin}}
cli.app(["data", "get", "aid", *{words!r}])
"""


def fetching(data: bytes, *words: str, chunk: int = 2**20) -> list[str]:
    """`rnsl data get aid` and more words, in a process of its own, where AID is this archive."""
    known = {"revision": REVISION, "size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    return [sys.executable, "-c", FETCH.format(**known, words=words, chunk=chunk)]


def zipped(members: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def image(seed: int) -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 256, (12, 12, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def scenes(top: str) -> dict[str, bytes]:
    """Two classes of three scenes below a folder."""
    return {
        f"{top}{name}/{name.lower()}_{i}.png": image(10 * c + i)
        for c, name in enumerate(CLASSES)
        for i in range(3)
    }


def leavings(tmp_path: Path) -> list[Path]:
    """Every file below the folder, but for the lock and what a download can go on from."""
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    return [path for path in files if path.name != "lock" and path.suffix != ".part"]
