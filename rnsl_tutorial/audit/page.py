"""A page of the most doubtful images, to look through: one HTML file that asks nobody for anything.

Shapes: N images of S pixels a side, C classes, T thresholds of doubt.
"""

import base64
import html
import json
from collections.abc import Iterator
from hashlib import blake2b
from io import BytesIO
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from rnsl_tutorial._arrays import is_whole, takes
from rnsl_tutorial._files import PACKAGE
from rnsl_tutorial.audit.estimate import thresholds
from rnsl_tutorial.audit.pipeline import Audit
from rnsl_tutorial.audit.summary import sentences

__all__ = ["page_html"]

_THUMBNAIL, _QUALITY = 96, 80  # pixels a side; of the JPEGs


@takes(images="uint8 N 3 H W")
def page_html(
    audit: Audit, images: NDArray[np.uint8], *, top: int = 500, title: str = "Doubtful labels"
) -> str:
    """Return the page of the most doubtful images; see `outputs.write_outputs`.

    Raises:
        ValueError: fewer or more images than labels, or top below 1.
    """
    if len(images) != len(audit.files):
        raise ValueError(f"There are {len(images)} images for an audit of {len(audit.files)}.")
    if not is_whole(top, 1):
        raise ValueError(f"top is {top}; the page needs at least 1 image.")
    data = json.dumps(_data(audit, images, top)).replace("<", r"\u003c")
    return _PAGE.format(
        title=html.escape(title),
        policy=_POLICY,
        summary=html.escape(_summary(audit)),
        style=_static("gallery.css"),
        data=data,
        script=_static("gallery.js"),
    )


def _static(name: str) -> str:
    return (PACKAGE / "audit" / "static" / name).read_text(encoding="utf-8")


def _data(audit: Audit, images: NDArray[np.uint8], top: int) -> dict[str, Any]:
    """Everything that the script looks up."""
    at_T, flagged_T = thresholds(audit.scores.doubt)
    return {
        "key": f"rnsl audit {_fingerprint(audit)}",
        "class_names": audit.class_names,
        "images": list(_images(audit, images, top)),
        "thresholds": [f"{at:.4f}" for at in at_T],
        "flagged": flagged_T.tolist(),
        "readouts": list(_readouts(audit, at_T, flagged_T, top)),
        "start": _start(audit, flagged_T, top),
        "transition": _heat(audit.transition),
        "class_noise": [f"{100 * share:.0f}" for share in audit.class_noise],
    }


def _fingerprint(audit: Audit) -> str:
    """Tell audits of different images or labels apart; a browser keeps the decisions of each."""
    told = json.dumps([audit.files, audit.labels.tolist()])
    return blake2b(told.encode(), digest_size=8).hexdigest()


def _images(audit: Audit, images: NDArray[np.uint8], top: int) -> Iterator[dict[str, Any]]:
    for i in audit.ranking()[:top].tolist():
        yield {
            "file": audit.files[i],
            "given": int(audit.labels[i]),
            "suggested": int(audit.scores.suggested[i]),
            "doubt": f"{audit.scores.doubt[i]:.3f}",
            "thumbnail": _thumbnail(images[i]),
        }


def _thumbnail(pixels: NDArray[np.uint8]) -> str:
    """Return a small JPEG of uint8 [3, S, S] in base64."""
    image = Image.fromarray(np.ascontiguousarray(pixels.transpose(1, 2, 0)))
    jpeg = BytesIO()
    image.resize((_THUMBNAIL, _THUMBNAIL)).save(jpeg, "JPEG", quality=_QUALITY)
    return base64.b64encode(jpeg.getvalue()).decode()


def _readouts(
    audit: Audit, at_T: NDArray[np.float64], flagged_T: NDArray[np.int64], top: int
) -> Iterator[str]:
    """Say at each threshold how many images lie above it, and how many of them are wrong."""
    estimate = audit.precision
    for t, (at, flagged) in enumerate(zip(at_T, flagged_T.tolist(), strict=True)):
        said = f"{flagged:,} image{'s' * (flagged != 1)} with a doubt of {at:.4f} or more."
        if estimate.concluded and estimate.high[t] - estimate.low[t] <= 0.5:
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


def _summary(audit: Audit) -> str:
    return " ".join(sentences(audit))


# Nothing is loaded, whatever a name in the archive may hold.
_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'"

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<title>{title}</title>
<style>
{style}
</style>
</head>
<body>
<h1>{title}</h1>
<p>{summary}</p>
<details>
<summary>What these numbers can and cannot tell</summary>
<p>No witness knew the label that it judges, so what it says of every other label is known: each
image is given wrong labels on paper, and where these land tells how many of the list are wrong. The
ranges hold nine times in ten on archives whose wrong labels are known. Wrong labels of the images
that look the most like another class are found less often, and then there may be more than is said
here. A doubtful label is a question. Look at the image before you change it.</p>
</details>
<details>
<summary>Which classes are confused</summary>
<p class="quiet">Row: the class, as estimated. Column: the given label. A cell has the more colour,
the more images of the class carry the label; choose one to see its images below. The last row is
the share of wrong labels among the images given a label.</p>
<div id="heat" class="scrolled" tabindex="0" role="region" aria-label="Confused classes"></div>
</details>
<section class="panel" aria-label="Threshold and filters">
<p id="readout" class="wide" aria-live="polite"></p>
<label class="wide"><span>Doubt at least <b id="threshold-text"></b></span>
<input id="threshold" type="range" min="0" step="1"></label>
<label><span>Given label</span><select id="given"></select></label>
<label><span>Suggested label</span><select id="suggested"></select></label>
<button id="download" type="button"></button>
</section>
<p id="shown" class="quiet"></p>
<main id="cards" class="cards"></main>
<p><button id="more" type="button">Show more</button></p>
<script id="data" type="application/json">{data}</script>
<script type="module">
{script}
</script>
</body>
</html>
"""
