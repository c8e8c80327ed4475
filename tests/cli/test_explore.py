import http.client
import os
import signal
import socket
import threading
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from notebooks import build
from rnsl_tutorial.cli import explore
from rnsl_tutorial.cli import main as cli
from rnsl_tutorial.tutorial import explorers
from rnsl_tutorial.tutorial.explorers import one_page

HOST = "127.0.0.1"
PAGE = "<title>all of them</title> ½"
NOT_SHOWN = {"Explorer", "standalone_html"}


@pytest.fixture(autouse=True)
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A page that is made at once, and the addresses that a browser would open."""
    addresses: list[str] = []
    monkeypatch.setattr(one_page, "all_html", lambda: PAGE)
    monkeypatch.setattr("webbrowser.open", addresses.append)
    return addresses


@pytest.fixture
def server() -> Iterator[explore._Server]:
    with explore._listening(HOST, 8866) as made:
        made.page = PAGE.encode()
        yield answering(made)
        made.shutdown()


def answering(made: explore._Server) -> explore._Server:
    threading.Thread(target=made.serve_forever, args=(0.01,), daemon=True).start()
    return made


def asked(server: explore._Server, host: str, path: str = "/", method: str = "GET") -> Any:
    """Ask a server under a name; return its answer, read."""
    connection = http.client.HTTPConnection(HOST, server.server_address[1])
    connection.request(method, path, headers={"Host": host})
    answer = connection.getresponse()
    return answer.status, answer.read().decode(), answer.headers


# ------------------------------------------------------------------ the command


def test_only_this_computer_is_let_in_unless_told_otherwise(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    started: list[Any] = []
    monkeypatch.setattr(explore, "serve", lambda *given, **named: started.append((given, named)))
    assert CliRunner().invoke(cli.app, ["explore"]).exit_code == 0
    given = ["explore", "--ip", "0.0.0.0", "--port", "8890", "--no-browser"]
    assert CliRunner().invoke(cli.app, given).exit_code == 0
    assert started == [
        ((HOST, 8866), {"browser": True}),
        (("0.0.0.0", 8890), {"browser": False}),
    ]


@pytest.mark.parametrize("wrong", ["mine.ipynb", "--theme=dark", "--port=0", "--port=65536"])
def test_what_is_no_option_is_refused(wrong: str) -> None:
    result = CliRunner().invoke(cli.app, ["explore", wrong])
    assert result.exit_code == 2
    assert wrong.partition("=")[0] in result.stderr


@pytest.mark.parametrize("ip", ["192.0.2.1", "no.such.computer.invalid"])
def test_an_address_that_is_not_here_is_named_in_one_line(ip: str) -> None:
    result = CliRunner().invoke(cli.app, ["explore", "--ip", ip])
    assert result.exit_code == 1
    assert result.stderr.startswith(f"rnsl: Cannot serve at {ip!r} (")
    assert "Take --ip 127.0.0.1 for this computer alone" in result.stderr
    assert result.stderr.count("\n") == 1


def test_the_page_can_be_a_file(tmp_path: Path, opened: list[str]) -> None:
    file = tmp_path / "all.html"
    result = CliRunner().invoke(cli.app, ["explore", "--out", str(file)])
    assert result.stdout == f"Written: {file}\n"
    assert file.read_text(encoding="utf-8") == PAGE
    assert opened == [file.as_uri()]


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_quietly(
    end: int, opened: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def looked_at(address: str) -> None:
        opened.append(address)
        threading.Thread(target=read_and_end, args=(address,)).start()

    def read_and_end(address: str) -> None:
        read.append(urllib.request.urlopen(address).read().decode())
        os.kill(os.getpid(), end)

    read: list[str] = []
    monkeypatch.setattr("webbrowser.open", looked_at)
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        result = CliRunner().invoke(cli.app, ["explore", "--port", "8866"])
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
    assert (result.exit_code, result.stderr, read) == (0, "", [PAGE])
    assert result.stdout == f"Explorers: {opened[0]} (Ctrl-C ends them)\n"


# ------------------------------------------------------------------ the server


def test_it_listens_on_loopback_alone_and_at_the_next_port_if_one_is_taken() -> None:
    with socket.create_server((HOST, 0)) as taken:
        port = taken.getsockname()[1]
        with explore._listening(HOST, port) as made:
            assert made.server_address[0] == HOST
            assert port < made.server_address[1] < port + explore._MOST_PORTS
            assert not made.is_open


def test_where_no_port_is_free_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(explore, "_MOST_PORTS", 1)
    taken = socket.create_server((HOST, 0))
    said = r"Address already in use\).*--port for another port"
    with taken, pytest.raises(OSError, match=said):
        explore._listening(HOST, taken.getsockname()[1])


@pytest.mark.parametrize("host", ["127.0.0.1:8866", "localhost", "LOCALHOST:1", "[::1]:8866"])
def test_it_answers_under_the_names_of_this_computer(server: explore._Server, host: str) -> None:
    status, text, headers = asked(server, host)
    assert (status, text) == (200, PAGE)
    assert headers["Content-Type"] == "text/html; charset=utf-8"
    assert asked(server, host, method="HEAD")[:2] == (200, "")


@pytest.mark.parametrize(
    "host", ["evil.example", "192.168.1.5:8866", "", "localhost.evil.example", "[::1", "0x7f.1"]
)
def test_a_foreign_name_is_refused(server: explore._Server, host: str) -> None:
    status, text, _ = asked(server, host)
    assert status == 403
    assert PAGE not in text


def test_there_is_one_page_to_read_and_nothing_to_write(server: explore._Server) -> None:
    assert asked(server, "localhost", "/?from=here")[0] == 200
    for path in ("/other", "/../etc/passwd", "/index.html"):
        assert asked(server, "localhost", path)[0] == 404
    assert asked(server, "localhost", method="POST")[0] == 501


def test_where_others_are_let_in_they_come_by_number_or_by_this_computers_name(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with explore._listening("0.0.0.0", 8866) as made:
        made.page = PAGE.encode()
        answering(made)
        names = ["192.168.1.5:8866", socket.gethostname(), "evil.example"]
        assert [asked(made, name)[0] for name in names] == [200, 200, 403]
        explore._tell(made, "0.0.0.0", browser=False)
        said = capsys.readouterr()
        made.shutdown()
    port = made.server_address[1]
    assert said.out == f"Explorers: http://0.0.0.0:{port}/ (Ctrl-C ends them)\n"
    assert said.err == f"Whoever reaches this computer at port {port} can open the explorers.\n"


# ------------------------------------------------------------------ what the page holds


def test_every_explorer_has_its_place_its_question_and_its_notebook() -> None:
    shown = [place.make.__code__ for place in one_page.EXPLORERS]
    made = [name for code in shown for name in code.co_names if name in explorers.__all__]
    assert sorted(made) == sorted({*explorers.__all__} - NOT_SHOWN)
    names = [place.name for place in one_page.EXPLORERS]
    assert len({*names}) == len(names)
    for place in one_page.EXPLORERS:
        assert place.question.endswith("?")
        assert list(build.FOLDER.glob(f"{place.notebook}_*.ipynb"))
    numbers = [place.notebook for place in one_page.EXPLORERS]
    assert numbers == sorted(numbers)
