"""The explorers alone, without code, as one web page for a lecture hall: served by Voila."""

import os
from collections.abc import Sequence
from pathlib import Path

import typer
from tornado.ioloop import IOLoop
from traitlets.config import Config
from voila.app import Voila

from rnsl_tutorial import _files as paths

__all__ = ["CONFIG", "NOTEBOOK", "start"]

NOTEBOOK = "explorers.ipynb"
_SHARE = paths.PACKAGE / "tutorial" / "share"  # with the template, as share/jupyter has it
_LOOPBACK = ("127.0.0.1", "localhost", "::1")
_FAILED = "This explorer could not be made. Why, says: rnsl explore --show_tracebacks=True"
_OPEN_TO_ALL = (
    "Whoever reaches this computer at port {port} can open the explorers (but run no code of "
    "their own), and each open page runs a Python here."
)
CONFIG = {
    "Voila": {"log_level": "ERROR", "tornado_settings": {"ws_ping_timeout": 30_000}},
    "KernelManager": {"transport_encryption": "auto"},  # else each kernel warns that it has none
    "VoilaConfiguration": {
        "template": "rnsl",
        # Those that explorers need. The others are made for JupyterLab, and fail here.
        "extension_allowlist": [
            "anywidget",
            "@jupyter-widgets/jupyterlab-manager",
            "@voila-dashboards/widgets-manager8",
        ],
    },
    # One explorer that fails does not take the others along.
    "VoilaExecutor": {"allow_errors": True, "cell_error_instruction": _FAILED},
    # A page that is closed ends its kernel; this ends the kernels of those that could not say so.
    "MappingKernelManager": {"cull_idle_timeout": 600, "cull_interval": 60},
}


def start(notebook: Path, ip: str, port: int, options: Sequence[str] = ()) -> None:
    """Show a notebook as a page, each viewer with a kernel, until the teacher stops it.

    Args:
        notebook: that of the explorers.
        ip: where to listen; 127.0.0.1 lets nobody in but this computer.
        port: where to listen; if it is taken, the next free one.
        options: further options for Voila, such as ``--no-browser``.

    Raises:
        ValueError: an option that is none.
        OSError: this computer has no such address.
    """
    chosen = _arguments(notebook, ip, port, options)
    known = [str(_SHARE), os.environ.get("JUPYTER_PATH", "")]
    os.environ["JUPYTER_PATH"] = os.pathsep.join(filter(None, known))
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # tables are small, and viewers may be many
    server = Voila.instance(config=Config(CONFIG))
    server.initialize(chosen)
    IOLoop.current().add_callback(_tell, server)  # runs once the port is known
    try:
        server.start()  # ends all kernels on Ctrl-C and SIGTERM
    except OSError as error:
        raise OSError(
            f"Cannot serve at {ip} ({error.strerror}). Take --ip 127.0.0.1 for this computer "
            "alone, --ip 0.0.0.0 to let others in."
        ) from error


def _arguments(notebook: Path, ip: str, port: int, options: Sequence[str] = ()) -> list[str]:
    """Return the arguments for Voila; those at the end win."""
    for option in options:
        if not option.startswith("-"):
            raise ValueError(
                f"{option!r} is no option. rnsl explore shows its own notebook; write options of "
                "Voila as --NAME=VALUE. For another notebook: voila NOTEBOOK"
            )
    return [str(notebook), f"--Voila.ip={ip}", f"--port={port}", *options]


def _tell(server: Voila) -> None:
    """Print where the page is, and a warning where others can open it."""
    typer.echo(f"Explorers: {server.display_url} (Ctrl-C ends them)")
    if server.ip not in _LOOPBACK:
        typer.echo(_OPEN_TO_ALL.format(port=server.port), err=True)
