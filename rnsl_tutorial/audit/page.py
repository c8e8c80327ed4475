"""A page of the most doubtful images, to look through: one HTML file that asks nobody for anything.

Shapes: N images of S pixels a side, C classes, T thresholds of doubt.
"""

import base64
import html
import json
from collections.abc import Iterator, Sequence
from hashlib import blake2b
from io import BytesIO
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from rnsl_tutorial._arrays import block, is_whole, takes
from rnsl_tutorial._files import PACKAGE
from rnsl_tutorial.audit.pipeline import Audit
from rnsl_tutorial.audit.summary import sentences

if TYPE_CHECKING:
    from rnsl_tutorial.audit.decisions import Decided

__all__ = ["page_html"]

_PICTURES = ((300, 85), (224, 80), (150, 75), (96, 60))  # pixels a side at most; quality
_MOST_BYTES = 11_000  # of a picture, 15 kB in the page
_SAMPLE = ((96, 80),)
_SAMPLES, _SAMPLES_A_CLASS = 400, 4
_PAIRS = 24


@takes(images="uint8 N 3 H W")
def page_html(
    audit: Audit,
    images: NDArray[np.uint8],
    *,
    decided: "Decided | None" = None,
    top: int = 500,
    title: str = "Doubtful labels",
) -> str:
    """Return the page of the most doubtful images; see `outputs.write_outputs`.

    Raises:
        ValueError: fewer or more images than labels, or top below 1.
    """
    places_N = np.arange(len(audit.files)) if decided is None else decided.undecided()
    total = len(places_N if decided is None else decided.decisions)
    if len(places_N) != len(audit.files) or len(images) != total:
        raise ValueError(f"There are {len(images)} images for an audit of {len(audit.files)}.")
    if not is_whole(top, 1):
        raise ValueError(f"top is {top}; the page needs at least 1 image.")
    found = _data(audit, images, places_N, top)
    found["earlier"] = [dict(row) for row in decided.rows] if decided else []
    data = json.dumps(found).replace("<", r"\u003c")
    return _static("gallery.html").format(
        title=html.escape(title),
        policy=_POLICY,
        summary=html.escape(" ".join(sentences(audit))),
        looks=_looks(audit),
        style=_static("gallery.css"),
        data=data,
        script=_static("gallery.js"),
    )


def _static(name: str) -> str:
    return (PACKAGE / "audit" / "static" / name).read_text(encoding="utf-8")


def _data(
    audit: Audit, images: NDArray[np.uint8], places_N: NDArray[np.int64], top: int
) -> dict[str, Any]:
    """Everything that the script looks up."""
    at_T, flagged_T = audit.precision.thresholds, audit.precision.flagged
    shown = audit.ranking()[:top].tolist()
    pairs = audit.duplicates[:_PAIRS].tolist()
    ranked = len(shown)
    shown += sorted({i for pair in pairs for i in pair} - {*shown})
    place = {i: position for position, i in enumerate(shown)}
    return {
        "key": f"rnsl audit {_fingerprint(audit)}",
        "class_names": audit.class_names,
        "images": [_image(audit, block(images, places_N[i], 1)[0], i) for i in shown],
        "ranked": ranked,
        "duplicates": [[place[i] for i in pair] for pair in pairs],
        "samples": [
            [_jpeg(block(images, places_N[i], 1)[0], _SAMPLE) for i in sure_M]
            for sure_M in _surest(audit)
        ],
        "thresholds": [f"{at:.4f}" for at in at_T],
        "flagged": flagged_T.tolist(),
        "readouts": list(_readouts(audit, at_T, flagged_T, top)),
        "start": _start(audit, flagged_T, top),
        "transition": _heat(audit.transition),
        "class_noise": [f"{100 * share:.0f}" for share in audit.class_noise],
    }


def _looks(audit: Audit) -> str:
    """The table of how many of the first images of the list are wrong, as the terminal shows it."""
    rows = "".join(
        f"<tr><td>{look.first:,}</td><td>{look.low:.0%} to {look.high:.0%}</td>"
        f"<td>{look.estimate:.0%}</td></tr>"
        for look in audit.precision.looks()
    )
    heading = "<tr><th>Look at the first</th><th>of these wrong</th><th>about</th></tr>"
    return f'<table class="looks">{heading}{rows}</table>' if rows else ""


def _fingerprint(audit: Audit) -> str:
    """Tell audits of different images or labels apart; a browser keeps the decisions of each."""
    told = json.dumps([audit.files, audit.labels.tolist()])
    return blake2b(told.encode(), digest_size=8).hexdigest()


def _image(audit: Audit, pixels: NDArray[np.uint8], i: int) -> dict[str, Any]:
    return {
        "digest": audit.digests[i] if audit.digests else "",
        "file": audit.files[i],
        "given": int(audit.labels[i]),
        "suggested": int(audit.scores.suggested[i]),
        "doubt": f"{audit.scores.doubt[i]:.3f}",
        "picture": _jpeg(pixels, _PICTURES),
    }


def _surest(audit: Audit) -> Iterator[list[int]]:
    """Yield of each class a few images whose label is doubted least."""
    classes = len(audit.class_names)
    each = max(1, min(_SAMPLES_A_CLASS, _SAMPLES // classes))
    order_N = audit.ranking()[::-1]
    order_N = order_N[audit.scores.suggested[order_N] == audit.labels[order_N]]
    for label in range(classes):
        yield order_N[audit.labels[order_N] == label][:each].tolist()


def _jpeg(pixels: NDArray[np.uint8], ways: Sequence[tuple[int, int]]) -> str:
    """Return uint8 [3, S, S] as a JPEG in base64, in the first of the ways that is small enough."""
    image = Image.fromarray(np.ascontiguousarray(pixels.transpose(1, 2, 0)))
    for side, quality in ways:
        jpeg, small = BytesIO(), image.copy()
        small.thumbnail((side, side))
        small.save(jpeg, "JPEG", quality=quality)
        if jpeg.tell() <= _MOST_BYTES:
            break
    return base64.b64encode(jpeg.getvalue()).decode()


def _readouts(
    audit: Audit, at_T: NDArray[np.float64], flagged_T: NDArray[np.int64], top: int
) -> Iterator[str]:
    """Say at each threshold how many images lie above it, and how many of them are wrong."""
    estimate, told_T = audit.precision, audit.precision.told
    for t, (at, flagged) in enumerate(zip(at_T, flagged_T.tolist(), strict=True)):
        said = f"{flagged:,} image{'s' * (flagged != 1)} with a doubt of {at:.4f} or more."
        if told_T[t]:
            said += (
                f" {estimate.low[t]:.0%} to {estimate.high[t]:.0%} of them are wrong, and with "
                f"them about {estimate.recall[t]:.0%} of all wrong labels are found."
            )
        yield said + f" The first {top:,} are in this page." * bool(flagged > top)


def _start(audit: Audit, flagged_T: NDArray[np.int64], top: int) -> int:
    """The lowest threshold that half of the flagged are wrong at, or that the page can show."""
    shown_T = flagged_T <= max(top, int(flagged_T.min()))
    if (audit.precision.precision >= 0.5).any():
        shown_T &= audit.precision.precision >= 0.5
    return int(shown_T.argmax())


def _heat(transition_CC: NDArray[np.float64]) -> list[list[tuple[str, int]]]:
    """Each share as text, and how strongly its cell is coloured, in percent.

    The diagonal has no colour, and of the rest the square root is shown, so that rare confusions
    are seen beside frequent ones.
    """
    wrong_CC = transition_CC * (1 - np.eye(len(transition_CC)))
    shade_CC = np.rint(100 * np.sqrt(wrong_CC / max(wrong_CC.max(), 1e-12))).astype(int)
    return [
        [(f"{share:.1%}", int(shade)) for share, shade in zip(*row, strict=True)]
        for row in zip(transition_CC.tolist(), shade_CC.tolist(), strict=True)
    ]


# Nothing is loaded, whatever a name in the archive may hold.
_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'"
