"""Notebooks on the disk, without what is worth nothing there: the views of widgets.

A view names a model that lives in a kernel. Where there is none, JupyterLab says "Error displaying
widget" and never looks at the picture beside it. So a notebook is saved without views, and gets
them back as long as the kernel runs that they came from. A view that another program saved is taken
out when the notebook is read. In the place of a view stands a picture: of what was last seen of
the widget before the notebook was saved, if its kernel has put one down, else the example that
the widget brought.
"""

import base64
import json
import os
import shutil
import weakref
from collections.abc import Iterator
from contextlib import suppress
from tempfile import mkdtemp
from typing import Any

from jupyter_server.services.contents.largefilemanager import AsyncLargeFileManager

from rnsl_tutorial import _files as paths

__all__: list[str] = []

_VIEW = "application/vnd.jupyter.widget-view+json"
_TAKEN = "rnsl-view"  # of an output's metadata: the view that was taken out
_SEEN = "As it was last seen here. Run this cell to move it."


class _Contents(AsyncLargeFileManager):
    """Files as JupyterLab reads and writes them."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._homes: dict[str, int | None] = {}  # of views: the kernel's process when first saved
        self._pictures = ""
        with suppress(OSError):  # on a full disk the examples stay
            self._pictures = mkdtemp(prefix="rnsl-seen-")
            weakref.finalize(self, shutil.rmtree, self._pictures, ignore_errors=True)
        os.environ[paths.SEEN] = self._pictures  # which the kernels inherit

    async def get(self, path: str, *args: Any, **options: Any) -> dict[str, Any]:
        """Read a file; of the views of a notebook those whose kernel runs."""
        file: dict[str, Any] = await super().get(path, *args, **options)  # type: ignore[no-untyped-call]
        seen = [one for one in _outputs(file) if _VIEW in one["data"] or _TAKEN in one["metadata"]]
        process = await self._kernel_of(path) if seen else None
        for output in seen:
            taken = output["metadata"].pop(_TAKEN, None)
            view = output["data"].pop(_VIEW, taken)
            if process is not None and self._homes.get(_key(view)) == process:
                output["data"][_VIEW] = view
        return file

    async def save(self, model: dict[str, Any], path: str = "") -> dict[str, Any]:
        """Write a file; a notebook without its views."""
        seen = [output for output in _outputs(model) if _VIEW in output["data"]]
        process = await self._kernel_of(path) if seen else None
        for output in seen:
            view = output["metadata"][_TAKEN] = output["data"].pop(_VIEW)
            self._homes.setdefault(_key(view), process)
            output["data"] |= self._seen(view)
        saved: dict[str, Any] = await super().save(model, path)  # type: ignore[no-untyped-call]
        return saved

    def _seen(self, view: Any) -> dict[str, str]:
        """What was last seen of a widget, as parts of an output, or nothing."""
        model = view.get("model_id") if isinstance(view, dict) else None
        path = paths.seen_in(self._pictures, str(model))
        try:
            png = path.read_bytes() if path else b""
        except OSError:  # nothing yet, or just being replaced
            png = b""
        return {"image/png": base64.b64encode(png).decode(), "text/plain": _SEEN} if png else {}

    async def _kernel_of(self, path: str) -> int | None:
        """The process of the kernel of a notebook, or None if there is none."""
        server: Any = self.parent
        for session in await server.session_manager.list_sessions():
            if session["path"].strip("/") == path.strip("/"):
                kernel = server.kernel_manager.get_kernel(session["kernel"]["id"])
                return getattr(kernel.provisioner, "pid", None)
        return None


def _key(view: Any) -> str:
    return json.dumps(view, sort_keys=True)


def _outputs(file: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The outputs of a notebook that hold data, with metadata; of any other file none."""
    if file.get("type") == "notebook" and file.get("content"):
        for cell in file["content"]["cells"]:
            for output in cell.get("outputs", []):
                if "data" in output:
                    output.setdefault("metadata", {})
                    yield output
