"""What an audit writes: the list of all images, and the page of the most doubtful ones."""

from contextlib import ExitStack
from json import dumps
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from rnsl_tutorial._files import csv_rows, csv_text, written_whole
from rnsl_tutorial.audit.page import page_html
from rnsl_tutorial.audit.pipeline import Audit
from rnsl_tutorial.audit.summary import summarize

if TYPE_CHECKING:
    from rnsl_tutorial.audit.decisions import Decided

__all__ = ["csv_bytes", "read_csv", "write_outputs"]

_COLUMNS = ("rank", "file", "given", "suggested", "doubt", "log_odds", "p_given", "p_suggested")
_NAMES = ("file", "given", "suggested", "label", "copy")  # columns that hold names of the archive


def write_outputs(
    audit: Audit,
    out: Path,
    page: Path | None = None,
    images: NDArray[np.uint8] | None = None,
    *,
    decided: "Decided | None" = None,
    json: Path | None = None,
    top: int = 500,
    title: str = "Doubtful labels",
) -> None:
    """Write the list of all images, a page of the most doubtful, and the summary: all or none.

    A name that a spreadsheet would take for a formula has an apostrophe in front; `read_csv` takes
    it away.

    Args:
        audit: what was found.
        out: the CSV file.
        page: the HTML file; None for none.
        images: uint8 [N, 3, S, S] for the page, such as ``Archive.images``; only those shown are
            read.
        decided: what the audit began with; then ``images`` are those of the whole archive.
        json: the file for what `summarize` returns; None for none.
        top: number of images in the page; each takes at most 15 kB.
        title: of the page.

    Raises:
        ValueError: fewer or more images than labels, or top below 1.
        OSError: a file cannot be written; nothing half-written is kept.
    """
    files = {out: csv_bytes(audit)}
    if json is not None:
        files[json] = dumps(summarize(audit), indent=2).encode() + b"\n"
    if page is not None:
        shown = np.empty((0, 3, 1, 1), np.uint8) if images is None else images
        # what is no text in the name of a folder is replaced
        text = page_html(audit, shown, decided=decided, top=top, title=title)
        files[page] = text.encode("utf-8", "replace")
    with ExitStack() as stack:
        opened = [stack.enter_context(written_whole(path)) for path in files]
        for file, content in zip(opened, files.values(), strict=True):
            file.write(content)


def csv_bytes(audit: Audit) -> bytes:
    """Return the list of all images as CSV in UTF-8; see `write_outputs`."""
    rows = []
    for rank, i in enumerate(audit.ranking(), start=1):
        given, suggested = audit.labels[i], audit.scores.suggested[i]
        chances = audit.scores.probabilities[i, [given, suggested]]
        names = (audit.files[i], *(audit.class_names[label] for label in (given, suggested)))
        doubt, log_odds = audit.scores.doubt[i], audit.scores.log_odds[i]
        numbers = [f"{doubt:.4f}", round(float(log_odds), 2), *(f"{p:.4f}" for p in chances)]
        rows.append([rank, *names, *numbers])
    text = csv_text([_COLUMNS, *rows])
    return text.encode("utf-8", "surrogateescape")  # as the file system has the name


def read_csv(path: Path) -> list[dict[str, str]]:
    """Read a list that `write_outputs` wrote, or the decisions that its page downloads.

    Also one that a spreadsheet saved, with a byte-order mark, without empty cells at the end of a
    row, or with its cells parted by ``;``, tabs or ``|``.

    Returns:
        A dict for each row, from column to text; names are those in the archive.

    Raises:
        FileNotFoundError: no such file.
        ValueError: the file has no column "file", or see `csv_rows`.
    """
    return list(csv_rows(path, ("file",), _NAMES, "Give a list of `rnsl audit`."))
