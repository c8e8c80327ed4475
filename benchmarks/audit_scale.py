"""Measure how time and memory of an audit grow with the number of images.

Usage: python benchmarks/audit_scale.py [--counts 1000 10000 100000 200000]

Prints a Markdown table. For each number N, a fresh process audits N images of 150 pixels in 30
classes, mapped from a file as those of an archive are. All are read, for their hash, and go through
a network of one layer; EfficientNet-Lite0 sees the first 64 alone, for its memory: its time is
that of `features.py` for each image. What is scored are made features [N, 1280] in a file: each
class a normal distribution, a tenth of the labels wrong. Then list and page are written. Memory is
the peak of the whole process, imports and what is mapped included; seconds exclude imports. The
files of 200,000 images take 2.1 GB of disk where it knows holes, 14.5 GB where not.

Below the table stand the exponents e of fits seconds = c N^e: 1 is linear, and what costs the same
for any N lowers it.
"""

import tempfile
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from benchmarks import frame
from benchmarks.scale import exponent
from rnsl_tutorial import audit, datasets
from rnsl_tutorial.training import devices, networks
from rnsl_tutorial.training.devices import Stopwatch

COUNTS = (1000, 10_000, 100_000, 200_000)
CLASSES, WIDTH, SIZE, WRONG = 30, 1280, 150, 0.1
SEEN = 64  # images, by the network of an audit
STEPS = ("reading", "scoring", "writing", "together")


class Measured(NamedTuple):
    """What one audit took: seconds of each step, average precision, and the peak of memory."""

    reading: float
    scoring: float
    writing: float
    precision: float
    peak_mb: float

    @property
    def together(self) -> float:
        """Seconds of all steps."""
        return self.reading + self.scoring + self.writing


class Shrink(nn.Module):
    """A network of one layer, whose output is nearly as wide as that of the shipped one."""

    feature_dim = 3 * 18 * 18

    def forward(self, images: Tensor) -> Tensor:
        """Pool squares of 8 pixels."""
        return nn.functional.avg_pool2d(images.float(), 8).flatten(1)


def write_synthetic(folder: Path, count: int) -> None:
    """Write features, and images that are black: a hole in the file."""
    labels_N, rng = np.arange(count) % CLASSES, np.random.default_rng(0)
    centres_CF = rng.normal(size=(CLASSES, WIDTH)).astype(np.float32)
    spread_DF = rng.normal(size=(64, WIDTH)).astype(np.float32) / 16
    made = np.lib.format.open_memmap(folder / "features.npy", "w+", np.float32, (count, WIDTH))
    for start in range(0, count, 2000):
        part = labels_N[start : start + 2000]
        inner = rng.normal(size=(len(part), len(spread_DF))).astype(np.float32) @ spread_DF
        outer = rng.normal(size=(len(part), WIDTH)).astype(np.float32)
        made[start : start + 2000] = centres_CF[part] * 0.3 + inner + outer
    np.lib.format.open_memmap(folder / "images.npy", "w+", np.uint8, (count, 3, SIZE, SIZE))


def mapped_archive(folder: Path, wrong_N: NDArray[np.bool_]) -> datasets.Archive:
    """Return the images with labels, some of which are wrong."""
    labels_N = np.arange(len(wrong_N)) % CLASSES
    labels_N[wrong_N] = (labels_N[wrong_N] + 1) % CLASSES
    names = tuple(f"class_{c:02}" for c in range(CLASSES))
    files = tuple(f"{names[y]}/{i:06}.png" for i, y in enumerate(labels_N))
    images = np.load(folder / "images.npy", mmap_mode="r")
    return datasets.Archive(images, labels_N, names, files)


def measure(folder: Path, count: int) -> Measured:
    """Audit here, step by step."""
    from sklearn.metrics import average_precision_score

    wrong_N = np.random.default_rng(1).random(count) < WRONG
    archive, cache = mapped_archive(folder, wrong_N), folder / "cache"
    reading, scoring, writing = (Stopwatch("cpu") for _ in range(3))
    shipped = networks.create("efficientnet_lite0")
    datasets.cached_features(archive.images[:SEEN], shipped, cache=cache, progress=False)
    with reading:
        datasets.cached_features(archive.images, Shrink(), cache=cache, progress=False)
    features_NF = datasets.read_features(folder / "features.npy").of(archive.files)
    with scoring:
        found = audit.audit_features(
            features_NF, archive.labels, archive.class_names, archive.files
        )
    with writing:
        audit.write_outputs(found, folder / "list.csv", folder / "page.html", archive.images)
    precision = float(average_precision_score(wrong_N, found.scores.doubt))
    seconds = (watch.seconds for watch in (reading, scoring, writing))
    return Measured(*seconds, precision, devices.memory("cpu").process_peak_bytes / 1e6)


def main() -> None:
    """Measure and print."""
    parser = frame.parser(__doc__)
    parser.add_argument(
        "--counts", type=int, nargs="+", default=COUNTS, help=f"N (default {COUNTS})"
    )
    counts = parser.parse_args().counts
    print(frame.machine("torch", "onnxruntime", "numpy"), end="\n\n")
    columns = ("reading, s", "scoring", "writing", "together", "average precision", "peak MB")
    print(frame.header("images N", *columns))
    by_count = []
    for count in counts:
        with tempfile.TemporaryDirectory() as name:
            write_synthetic(Path(name), count)
            found = frame.in_fresh_process(measure, Path(name), count)
        by_count.append(found)
        seconds = (f"{getattr(found, step):.1f}" for step in STEPS)
        print(
            frame.row(f"{count:,}", *seconds, f"{found.precision:.4f}", f"{found.peak_mb:.0f}"),
            flush=True,
        )
    for step in STEPS if len(counts) > 1 else ():
        power = exponent(counts, [getattr(found, step) for found in by_count])
        print(f"{'' if step != STEPS[0] else chr(10)}- {step}: seconds grow as N^{power:.2f}")


if __name__ == "__main__":
    main()
