"""Measure k-NN prediction against scikit-learn's KNeighborsClassifier.

Usage: python benchmarks/knn.py [--queries 2000] [--index 7000] [--dimensions 128] [--repeats 10]

Prints a Markdown table. The data are clusters on the unit sphere in float32. In every repeat the
two run one after the other; a time ratio below 1 means that ours is faster. scikit-learn's
time includes fitting. Where PyTorch finds a CUDA device, it is measured too.
"""

import time

import torch
from sklearn.neighbors import KNeighborsClassifier
from torch import Tensor

from benchmarks import frame
from rnsl_tutorial.evaluation import embedding as evaluate


def clusters(count: int, dimensions: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Return unit-length embeddings around 30 axes, and their classes."""
    labels = torch.randint(30, (count,), generator=generator)
    noise = torch.randn(count, dimensions, generator=generator) / dimensions**0.5
    return torch.nn.functional.normalize(noise + 0.5 * torch.eye(30, dimensions)[labels]), labels


def by_sklearn(index: Tensor, labels: Tensor, queries: Tensor) -> Tensor:
    """Predict with scikit-learn."""
    classifier = KNeighborsClassifier(10, weights="distance").fit(index, labels)
    return torch.from_numpy(classifier.predict(queries))


def row(device: str, data: tuple[Tensor, Tensor, Tensor], repeats: int) -> str:
    """Measure knn_predict on a device, side by side with scikit-learn, as one line of the table."""
    on_device = [tensor.to(device) for tensor in data]
    evaluate.knn_predict(*on_device)  # the first call on a device is slower
    seconds, ratios, same = [], [], []
    for _ in range(repeats):
        start = time.perf_counter()
        expected = by_sklearn(*data)
        between = time.perf_counter()
        predicted = evaluate.knn_predict(*on_device).cpu()
        end = time.perf_counter()
        seconds.append(end - between)
        ratios.append((end - between) / (between - start))
        same.append((predicted == expected).double().mean().item())
    measured = (frame.spread(seconds, 3), frame.spread(ratios, 2))
    return frame.row(device, repeats, *measured, f"{min(same):.2%}")


def main() -> None:
    """Measure and print."""
    parser = frame.parser(__doc__, queries=2000, index=7000, repeats=10)
    parser.add_argument("--dimensions", type=int, default=128, help="default 128, at least 30")
    args = parser.parse_args()

    generator = torch.Generator().manual_seed(0)
    index, labels = clusters(args.index, args.dimensions, generator)
    queries, _ = clusters(args.queries, args.dimensions, generator)
    on = frame.machine("torch", "scikit-learn", "numpy")
    print(f"{args.queries} queries x {args.index} x {args.dimensions}, k = 10; {on}\n")
    measured = ("median s", "min to max s", "time / scikit-learn's", "min to max")
    print(frame.header("knn_predict on", "repeats", *measured, "same predictions"))
    for device in ["cpu", "cuda"] if torch.cuda.is_available() else ["cpu"]:
        print(row(device, (index, labels, queries), args.repeats))


if __name__ == "__main__":
    main()
