"""The page of all explorers for a lecture hall: served by Python itself, without a kernel."""

import errno
import os
import signal
import socket
import webbrowser
from contextlib import suppress
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from ipaddress import ip_address
from socketserver import ThreadingTCPServer
from typing import Any
from urllib.parse import urlsplit

import typer

__all__ = ["serve"]

_MOST_PORTS = 50  # that are tried
_PATIENCE_S = 30  # with a reader who asks for nothing or takes nothing
_OPEN_TO_ALL = "Whoever reaches this computer at port {port} can open the explorers."


class _Server(ThreadingTCPServer):
    """Answers with one page, which was made before the first request."""

    daemon_threads = True
    request_queue_size = 128  # a hall that opens it at once
    allow_reuse_address = os.name == "posix"  # elsewhere it would share a port that is taken
    page = b""

    def __init__(self, ip: str, port: int) -> None:
        found: Any = socket.getaddrinfo(ip, port, type=socket.SOCK_STREAM)[0]
        self.address_family = found[0]
        super().__init__(found[-1], _Handler)

    @property
    def is_open(self) -> bool:
        """Whether other computers can reach it."""
        return not ip_address(str(self.server_address[0])).is_loopback

    def handle_error(self, *_: Any) -> None:
        """Say nothing of a reader who went away."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    server_version, sys_version = "rnsl", ""
    timeout = _PATIENCE_S

    def do_GET(self) -> None:
        """Answer with the page, or say why not."""
        if not self._is_meant():
            self.send_error(HTTPStatus.FORBIDDEN, "This page is not at that address")
        elif urlsplit(self.path).path != "/":
            self.send_error(HTTPStatus.NOT_FOUND, "There is one page: /")
        else:
            self.send_response(HTTPStatus.OK)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.send_header("Content-Length", str(len(self.server.page)))
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(self.server.page)

    do_HEAD = do_GET  # noqa: N815 (the name that http.server looks for)

    def _is_meant(self) -> bool:
        """Whether the address names this computer: a foreign page may have led its name here."""
        name = ""
        try:
            name = urlsplit(f"//{self.headers.get('Host', '')}").hostname or ""
            is_loopback = ip_address(name).is_loopback
        except ValueError:
            own = socket.gethostname().lower()
            return name == "localhost" or (self.server.is_open and name in (own, f"{own}.local"))
        return is_loopback or self.server.is_open

    def log_message(self, *_: Any) -> None:
        """Keep no list of who asked."""


def serve(ip: str, port: int, *, browser: bool = True) -> None:
    """Serve the page of all explorers until Ctrl-C or SIGTERM ends it.

    Args:
        ip: where to listen; 127.0.0.1 lets nobody in but this computer.
        port: where to listen; if it is taken, the next free one.
        browser: open the page here.

    Raises:
        OSError: this computer has no such address, or no free port from there on.
    """
    with _listening(ip, port) as server, suppress(KeyboardInterrupt):
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        from rnsl_tutorial.tutorial.explorers.one_page import all_html

        server.page = all_html().encode()
        _tell(server, ip, browser=browser)
        server.serve_forever()


def _listening(ip: str, port: int) -> _Server:
    """Return a server at the first free port; its readers wait until it has its page."""
    last = min(port + _MOST_PORTS, 2**16) - 1
    for tried in range(port, last + 1):
        try:
            return _Server(ip, tried)
        except OSError as error:
            if error.errno == errno.EADDRINUSE and tried < last:
                continue
            raise OSError(
                f"Cannot serve at {ip!r} ({error.strerror}). Take --ip 127.0.0.1 for this computer "
                "alone, --ip 0.0.0.0 to let others in, --port for another port."
            ) from error
    raise ValueError(f"port is {port}; it must lie in [1, 65535].")


def _tell(server: _Server, ip: str, *, browser: bool) -> None:
    """Say where the page is, and whether others can open it."""
    port = server.server_address[1]
    address = f"http://{f'[{ip}]' if ':' in ip else ip}:{port}/"
    typer.echo(f"Explorers: {address} (Ctrl-C ends them)")
    if server.is_open:
        typer.echo(_OPEN_TO_ALL.format(port=port), err=True)
    if browser:
        webbrowser.open(address)
