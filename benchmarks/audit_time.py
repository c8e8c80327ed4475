"""Measure how long an audit takes, and with how much memory.

Usage: python benchmarks/audit_time.py [--root DIR] [--images 10000]

Prints a Markdown table. It audits the archive DIR, or $RNSL_AID, or as many procedural scenes of
150 pixels, written as JPEGs. A fresh process audits with an empty cache, and a second one with what
the first has left there. Seconds are those of each step, imports excluded. Beside them stand the
seconds that all processors together worked, which other programs change less. Memory is the peak of
the whole process.
"""

import os
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from benchmarks import frame
from rnsl_tutorial import audit, datasets
from rnsl_tutorial.training import devices
from rnsl_tutorial.training.devices import Stopwatch

BACKBONE, SIZE, FOLDS = "efficientnet_lite0", 150, 3


# ------------------------------------------------------------------ time and memory


class Measured(NamedTuple):
    """What one audit took; seconds of each step, of all processors, and the peak of memory."""

    images: int
    decoding: float
    features: float
    scoring: float
    writing: float
    processors: float
    peak_mb: float

    @property
    def total(self) -> float:
        """Seconds of all steps."""
        return self.decoding + self.features + self.scoring + self.writing


def measure(root: Path, cache: Path, out: Path) -> Measured:
    """Audit here, step by step."""
    start = time.process_time()
    decoding, extracting, scoring, writing = (Stopwatch("cpu") for _ in range(4))
    with decoding:
        archive = datasets.load_archive(root, SIZE, cache=cache, progress=False)
    with extracting:
        features_NF = audit.archive_features(archive, BACKBONE, cache=cache, progress=False)
    with scoring:
        found = audit.audit_features(
            features_NF, archive.labels, archive.class_names, archive.files,
            folds=FOLDS,
        )  # fmt: skip
    with writing:
        audit.write_outputs(found, out / "doubtful.csv", out / "doubtful.html", archive.images)
    seconds = [watch.seconds for watch in (decoding, extracting, scoring, writing)]
    seconds.append(time.process_time() - start)
    return Measured(len(archive.files), *seconds, devices.memory("cpu").process_peak_bytes / 1e6)


def print_times(root: Path | None, count: int) -> None:
    """Audit twice and print what each took."""
    from benchmarks.epoch import write_files  # here: what is measured does not import it

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if root is None:
            root = folder / "scenes"
            write_files(None, count, SIZE, root)
        steps = ("decoding, s", "features", "training and scoring", "writing", "together")
        print(frame.header("audit", "images", *steps, "all processors", "peak MB"))
        for run in ("first", "second"):
            found = frame.in_fresh_process(measure, root, folder / "cache", folder)
            seconds = (*found[1:5], found.total, found.processors)
            cells = (f"{found.images:,}", *(f"{s:.1f}" for s in seconds), f"{found.peak_mb:.0f}")
            print(frame.row(run, *cells), flush=True)


def main() -> None:
    """Measure and print."""
    parser = frame.parser(__doc__)
    named = os.environ.get("RNSL_AID")
    parser.add_argument(
        "--root", type=Path, default=Path(named) if named else None, help="archive to audit"
    )
    parser.add_argument("--images", type=int, default=10_000, help="scenes, if there is no DIR")
    args = parser.parse_args()
    on = frame.machine("torch", "scikit-learn", "numpy")
    print(f"{BACKBONE}, {SIZE} pixels, {FOLDS} folds; {on}\n")
    print_times(args.root, args.images)


if __name__ == "__main__":
    main()
