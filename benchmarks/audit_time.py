"""Measure how long an audit takes, with how much memory, and how honest its precision is.

Usage: python benchmarks/audit_time.py [--root DIR] [--images 10000]
       python benchmarks/audit_time.py --precision [--seeds 3]

Prints Markdown tables. The first form audits the archive DIR, or $RNSL_AID, or as many procedural
scenes of 150 pixels, written as JPEGs. A fresh process audits with an empty cache, and a second one
with what the first has left there. Seconds are those of each step, imports excluded. Beside them
stand the seconds that all processors together worked, which other programs change less. Memory is
the peak of the whole process.

The second form takes the features of AID that come with the package, all 10,000 images, and makes
labels wrong. The audit, which is told nothing, estimates the share of wrong labels among the most
doubtful images, and the table sets this beside the truth: means over the seeds, the largest
difference, and how often the truth lies in the interval that should hold it 9 times out of 10.
"""

import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmarks import frame
from rnsl_tutorial import audit, datasets, noise
from rnsl_tutorial.training import devices
from rnsl_tutorial.training.devices import Stopwatch

BACKBONE, SIZE, FOLDS, PLANT = "efficientnet_lite0", 150, 3, 0.05
KINDS = ("symmetric", "label_dependent")
RATES = (0.0, 0.1, 0.3)
SHARES = (0.03, 0.1, 0.2, 0.3, 0.5)
"""Of the images, the most doubtful; where estimate and truth are compared."""


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
            folds=FOLDS, plant=PLANT,
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


# ------------------------------------------------------------------ estimated and true precision


class Compared(NamedTuple):
    """Truth and estimate at `SHARES`, and of the whole archive (last); [S + 1] each."""

    true: NDArray[np.float64]
    estimated: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]


def compare(data: datasets.FeatureSet, kind: str, rate: float, seed: int) -> Compared:
    """Audit wrong labels, and look what was estimated and what is true."""
    transition_CC = noise.transition_of(kind, len(data.class_names), rate, "aid")
    labels_N = noise.corrupt_labels(data.labels, transition_CC, seed, method="exact").labels
    found = audit.audit_features(
        data.features, labels_N, data.class_names, data.files,
        folds=FOLDS, seed=seed, plant=PLANT,
    )  # fmt: skip
    estimate = found.precision
    assert estimate is not None
    wrong_N = labels_N != data.labels
    wanted = np.append(SHARES, 1) * len(labels_N)
    places = [int(np.abs(np.log(estimate.flagged / count)).argmin()) for count in wanted]
    flagged = (found.scores.doubt >= at for at in estimate.thresholds[places])
    true = np.array([wrong_N[mask].mean() for mask in flagged])
    return Compared(true, *(v[places] for v in (estimate.precision, estimate.low, estimate.high)))


def rows(kind: str, rate: float, runs: list[Compared]) -> Iterator[str]:
    """Format the runs of one kind of noise as lines of the table."""
    true_RS, estimated_RS, low_RS, high_RS = (
        np.stack(arrays) for arrays in zip(*runs, strict=True)
    )
    held_RS = (low_RS <= true_RS) & (true_RS <= high_RS)
    worst_S = np.abs(estimated_RS - true_RS).max(axis=0)
    for s, share in enumerate((*SHARES, 1.0)):
        yield (
            f"| {kind} {rate} | {len(runs)} | {share:.0%} | {true_RS[:, s].mean():.3f} "
            f"| {estimated_RS[:, s].mean():.3f} | {worst_S[s]:.3f} "
            f"| {held_RS[:, s].sum()} of {len(runs)} |"
        )


def print_precision(seeds: int) -> None:
    """Compare for each kind and rate of noise, and print."""
    data = datasets.load_shipped_features("aid")
    wrong = ("wrong, true", "wrong, estimated", "largest difference", "truth in interval")
    print(frame.header("noise", "seeds", "most doubtful", *wrong))
    for kind in KINDS:
        for rate in RATES:
            if rate == 0 and kind != KINDS[0]:
                continue  # no wrong label is of no kind
            runs = [compare(data, kind, rate, seed) for seed in range(seeds)]
            print(*rows(kind, rate, runs), sep="\n", flush=True)


def main() -> None:
    """Measure and print."""
    parser = frame.parser(__doc__)
    named = os.environ.get("RNSL_AID")
    parser.add_argument(
        "--root", type=Path, default=Path(named) if named else None, help="archive to audit"
    )
    parser.add_argument("--images", type=int, default=10_000, help="scenes, if there is no DIR")
    parser.add_argument("--precision", action="store_true", help="the second form")
    parser.add_argument("--seeds", type=int, default=3, help="of the second form (default 3)")
    args = parser.parse_args()
    on = frame.machine("torch", "scikit-learn", "numpy")
    print(f"{BACKBONE}, {SIZE} pixels, {FOLDS} folds, {PLANT:.0%} planted; {on}\n")
    if args.precision:
        print_precision(args.seeds)
    else:
        print_times(args.root, args.images)


if __name__ == "__main__":
    main()
