"""Compare rankings of labels by doubt on AID with planted wrong labels: ours and cleanlab's recipe.

Usage: python benchmarks/audit.py [--seeds 3] [--out data/results/audit/results.json]
                                  [--only METHOD ...] [--cells-only] [--why] [--small]

Needs cleanlab (the extra `compare`). All 10,000 images of AID as shipped features, three folds.
cleanlab's recipe is `get_label_quality_scores` on logistic regression out of fold, over the same
features and the same folds: at C = 0.01, and at C = 0.001, where it did best (of 1, 0.01, 0.001,
0.0005 and 0.0001, on seed 100). All its methods are tried. "best" is the one that turned out best
in a cell, which no one could choose who does not know the flips. "twice" is logistic regression
with the mean over two divisions into folds, as ours.

Prints Markdown tables: average precision of the doubt as a finder of the planted flips, mean and
standard deviation over seeds; the differences, paired over seeds; and what is left when a part of
ours is taken away. Seed s draws the noise, the folds and the heads; ours was chosen on seed 100.
True labels are seen by the measures alone. Runs that --out holds already are not run again.
"""

import json
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from cleanlab.rank import get_label_quality_scores
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score

from benchmarks import frame
from rnsl_tutorial import audit, datasets, experiments, losses, noise
from rnsl_tutorial._files import written_whole
from rnsl_tutorial.experiments.config import Config
from rnsl_tutorial.training import embed, train

Floats = NDArray[np.float32]
Labels = NDArray[np.int64]
Row = dict[str, Any]
Ranking = tuple[str, Floats, Floats]  # its name, doubt [N] and probabilities [N, C]

FOLDS = 3
OURS, PLAIN, DEFAULT = "ours", "plain t-RNSL", "cleanlab, C = 0.001, self_confidence"
QUALITIES = [
    *((name, adjust) for name in ("self_confidence", "normalized_margin") for adjust in (0, 1)),
    ("confidence_weighted_entropy", 0),
]


class Case(NamedTuple):
    """Some images of AID, and how their labels are corrupted.

    Attributes:
        noise, rate: see `noise.corrupt`.
        images: one of `IMAGES`.
        classes: the first C classes.
    """

    noise: str
    rate: float
    images: str = "all"
    classes: int = 30


class Given(NamedTuple):
    """What a method is given, and what it is measured by."""

    features: Floats
    labels: Labels
    classes: int
    seed: int
    true: Labels


CELLS = [Case(n, r) for n in ("symmetric", "label_dependent") for r in (0.1, 0.3)]
EDGES = [
    Case("symmetric", 0.05),
    Case("symmetric", 0.5),
    Case("symmetric", 0.2, "40 a class", 5),
    Case("symmetric", 0.2, "10 to 400 a class", 10),
]
SMALL = [Case("symmetric", 0.3, "40 a class", 5)]
IMAGES: dict[str, Callable[[Labels], Labels]] = {
    "all": lambda counts_C: counts_C,
    "40 a class": lambda counts_C: np.minimum(counts_C, 40),
    "10 to 400 a class": lambda counts_C: np.minimum(
        counts_C, np.geomspace(10, 400, len(counts_C)).astype(np.int64)
    ),
}
"""How many images of each class a case has, of those that there are: [C] -> [C]."""

Method = Callable[[Given], Iterator[Ranking]]

# ------------------------------------------------------------------ what is compared


def ours(given: Given) -> Iterator[Ranking]:
    """Yield names, doubt [N] and probabilities [N, C] of our ranking, and of it without a part."""
    found_RNC = out_of_fold(given, None, audit.REPEATS)
    mean_NC = found_RNC.mean(axis=0)
    yield ranking(OURS, given, mean_NC)
    yield ranking("one division", given, found_RNC[0])
    yield "distance from the largest p", margin(mean_NC, given.labels), mean_NC


def plain(given: Given) -> Iterator[Ranking]:
    """Yield the ranking of heads with the default settings, one division."""
    yield ranked(PLAIN, given, Config(loss="trnsl"))


def changed(**settings: Any) -> Method:
    """Return a method: our heads with other settings, one division."""

    def method(given: Given) -> Iterator[Ranking]:
        said = ", ".join(f"{name} {value}" for name, value in settings.items())
        recipe = replace(audit.recipe_for(len(given.labels)), **settings)
        yield ranked(f"one division, {said}", given, recipe)

    return method


def ranking(name: str, given: Given, p_NC: Floats) -> Ranking:
    """Name, doubt and probabilities."""
    return name, audit.from_probabilities(p_NC, given.labels).doubt, p_NC


def ranked(name: str, given: Given, recipe: Config) -> Ranking:
    """Name, doubt and probabilities of heads of one division."""
    return ranking(name, given, out_of_fold(given, recipe, 1)[0])


def in_fold(given: Given) -> Iterator[Ranking]:
    """Yield the ranking of heads that were trained on the images that they judge."""
    recipe, count = audit.recipe_for(len(given.labels)), len(given.labels)
    inputs_NF = torch.from_numpy(given.features / np.sqrt(np.mean(given.features**2)))
    labels_N, found = torch.from_numpy(given.labels), []
    for repeat in range(audit.REPEATS):
        generator = torch.Generator().manual_seed(audit.REPEATS * given.seed + repeat)
        network = experiments.build_head(recipe, inputs_NF.shape[1], generator)
        loss = experiments.build_loss(recipe, given.classes, count, generator)
        train(network, loss, inputs_NF, labels_N, recipe.settings)
        with torch.no_grad():
            log_p_NC = losses.class_log_probabilities(
                embed(network, inputs_NF), loss.prototypes, recipe.temperature
            )
        found.append(log_p_NC.exp().numpy())
    mean_NC = np.mean(found, axis=0)
    yield ranking(f"in fold, {audit.REPEATS} heads", given, mean_NC)


def out_of_fold(given: Given, recipe: Config | None, repeats: int) -> Floats:
    """Probabilities [R, N, C] by heads that did not see the image."""
    return audit.out_of_fold(
        given.features, given.labels, given.classes, recipe,
        folds=FOLDS, seed=given.seed, repeats=repeats,
    )  # fmt: skip


def margin(probabilities_NC: Floats, labels_N: Labels) -> Floats:
    """How far the label's p lies below the largest of the others, in [-1, 1]."""
    given_N = np.take_along_axis(probabilities_NC, labels_N[:, None], axis=1)[:, 0]
    others_NC = probabilities_NC.copy()
    np.put_along_axis(others_NC, labels_N[:, None], -1, axis=1)
    gap_N: Floats = others_NC.max(axis=1) - given_N
    return gap_N


def cleanlab(inverse_strength: float, repeats: int = 1) -> Method:
    """Return a method: cleanlab's scores on logistic regression with this C, out of fold."""

    def method(given: Given) -> Iterator[Ranking]:
        found_RNC = [regression(given, inverse_strength, repeat) for repeat in range(repeats)]
        mean_NC = np.mean(found_RNC, axis=0)
        start = f"cleanlab{' twice' * (repeats == 2)}, C = {inverse_strength:g}"
        for name, adjusted in QUALITIES:
            quality_N = get_label_quality_scores(
                given.labels, mean_NC, method=name, adjust_pred_probs=bool(adjusted)
            )
            yield f"{start}, {name}{', adjusted' * adjusted}", 1 - quality_N, mean_NC

    return method


def regression(given: Given, inverse_strength: float, repeat: int) -> Floats:
    """Probabilities [N, C] by logistic regressions that did not see the image."""
    found_NC = np.zeros((len(given.labels), given.classes), dtype=np.float32)
    for trained, held in audit.divisions(given.labels, FOLDS, given.seed, repeat):
        model = LogisticRegression(C=inverse_strength, max_iter=1000)
        model.fit(given.features[trained], given.labels[trained])
        found_NC[held] = model.predict_proba(given.features[held])
    return found_NC


METHODS: dict[str, Method] = {
    "ours": ours,
    "cleanlab": cleanlab(0.01),
    "cleanlab_best": cleanlab(0.001),
    "cleanlab_twice": cleanlab(0.001, repeats=2),
    "plain": plain,
    "in_fold": in_fold,
    "k": changed(k=Config.k),
    "loss": changed(loss="nsl"),
}

# ------------------------------------------------------------------ measuring


def give(data: datasets.FeatureSet, case: Case, seed: int) -> Given:
    """Corrupt the labels of a case; seeds of noise, of images, and of folds and heads are equal."""
    chosen_N = choose(data.labels, case, seed)
    true_N, inputs_NF = data.labels[chosen_N], data.features[chosen_N]
    config = Config(noise=case.noise, rate=case.rate)
    names = data.class_names[: case.classes]
    corrupted = noise.corrupt(
        true_N, config.noise, config.rate, seed=seed, class_names=names, dataset=config.dataset,
        features=inputs_NF,
    )  # fmt: skip
    return Given(inputs_NF, corrupted.labels, case.classes, seed, true_N)


def choose(labels_N: Labels, case: Case, seed: int) -> Labels:
    """Draw the images of a case: their places, ascending."""
    rng = np.random.default_rng(seed)
    counts_C = IMAGES[case.images](np.bincount(labels_N)[: case.classes])
    return np.sort(
        np.concatenate(
            [
                rng.choice(np.flatnonzero(labels_N == c), count, replace=False)
                for c, count in enumerate(counts_C)
            ]
        )
    )


def measure(given: Given, case: Case, method: str) -> Iterator[Row]:
    """Run a method and yield a row for each ranking that it gives."""
    flipped_N, start = given.labels != given.true, time.perf_counter()
    for name, doubt_N, probabilities_NC in METHODS[method](given):
        worst = np.argsort(-doubt_N, kind="stable")[: flipped_N.sum()]
        yield {
            **case._asdict(),
            "seed": given.seed,
            "method": method,
            "ranking": name,
            "flipped": int(flipped_N.sum()),
            "average_precision": float(average_precision_score(flipped_N, doubt_N)),
            "precision": float(flipped_N[worst].mean()),
            "calibration_error": calibration_error(probabilities_NC, given.true),
            "seconds": time.perf_counter() - start,
        }


def calibration_error(probabilities_NC: Floats, true_N: Labels, bins: int = 15) -> float:
    """Expected calibration error of the likeliest class as a guess of the true one, in [0, 1].

    sum_b |B_b| / N |accuracy(B_b) - mean p(B_b)| over bins of equal width (Guo et al., ICML 2017).
    """
    confidence_N = probabilities_NC.max(axis=1)
    right_N = probabilities_NC.argmax(axis=1) == true_N
    bin_N = np.minimum((confidence_N * bins).astype(np.int64), bins - 1)
    gaps_B = np.bincount(bin_N, right_N - confidence_N, minlength=bins)
    return float(np.abs(gaps_B).sum() / len(true_N))


# ------------------------------------------------------------------ tables


def table(rows: Sequence[Row], cases: Sequence[Case], rankings: Iterable[str], field: str) -> str:
    """Mean and sample standard deviation over seeds: a line for each ranking, a column a case."""
    lines = [frame.header("", *map(said, cases))]
    for ranking in rankings:
        cells = [values(rows, case, ranking, field) for case in cases]
        if any(cells):
            lines.append(frame.row(ranking, *(spread([*cell.values()]) for cell in cells)))
    return "\n".join(lines)


def differences(rows: Sequence[Row], cases: Sequence[Case], others: Iterable[str]) -> str:
    """Ours less another ranking, paired over seeds: mean, and the smallest."""
    lines = [frame.header("ours less", *map(said, cases))]
    for other in others:
        cells = [paired(rows, case, other) for case in cases]
        if any(cells):
            shown = (
                f"{np.mean(c):+.4f}, least {min(c):+.4f} (n {len(c)})" if c else "" for c in cells
            )
            lines.append(frame.row(other, *shown))
    return "\n".join(lines)


def paired(rows: Sequence[Row], case: Case, other: str) -> list[float]:
    """Differences in average precision, one for each seed that both have."""
    mine, theirs = (values(rows, case, name, "average_precision") for name in (OURS, other))
    return [mine[seed] - theirs[seed] for seed in mine.keys() & theirs.keys()]


def values(rows: Sequence[Row], case: Case, ranking: str, field: str) -> dict[int, float]:
    """Seed -> value. "cleanlab, C = 0.001, best" is its best method by the mean over seeds."""
    if ranking.endswith(", best"):
        prefix = ranking.removesuffix("best")
        names = {row["ranking"] for row in rows if row["ranking"].startswith(prefix)}
        found = [values(rows, case, name, field) for name in names]
        return max(found, key=lambda cell: np.mean([*cell.values()]) if cell else 0, default={})
    return {
        row["seed"]: row[field]
        for row in rows
        if row["ranking"] == ranking and all(row[k] == v for k, v in case._asdict().items())
    }


def said(case: Case) -> str:
    """Name a case."""
    images = "" if case.images == "all" else f", {case.classes} classes, {case.images}"
    return f"{case.noise} {case.rate:g}{images}"


def spread(numbers: Sequence[float]) -> str:
    """Mean, standard deviation and count."""
    if len(numbers) < 2:
        return f"{numbers[0]:.4f} (n 1)" if numbers else ""
    return f"{np.mean(numbers):.4f} ± {np.std(numbers, ddof=1):.4f} (n {len(numbers)})"


def report(rows: Sequence[Row], cells: Sequence[Case], edges: Sequence[Case]) -> str:
    """All tables as Markdown."""
    recipes = [
        f"{start}, {name}"
        for start in ("cleanlab, C = 0.01", "cleanlab, C = 0.001", "cleanlab twice, C = 0.001")
        for name in ("self_confidence", "best")
    ]
    main = [OURS, PLAIN, *recipes]
    parts = ["distance from the largest p", "one division", "one division, k 0.5",
             "one division, loss nsl", PLAIN, f"in fold, {audit.REPEATS} heads"]  # fmt: skip
    at_edges = table(rows, edges, main, "average_precision")
    return "\n\n".join(
        [
            f"Average precision\n\n{table(rows, cells, main, 'average_precision')}",
            f"Difference in average precision\n\n{differences(rows, cells, main[1:])}",
            "Average precision with a part of ours taken away\n\n"
            + table(rows, cells, [OURS, *parts], "average_precision"),
            f"Precision at the true number of flips\n\n{table(rows, cells, main, 'precision')}",
            "Calibration error of p, true labels\n\n"
            + table(rows, cells, [OURS, PLAIN, DEFAULT], "calibration_error"),
            *([f"At the edges, average precision\n\n{at_edges}"] if edges else []),
        ]
    )


# ------------------------------------------------------------------ running


def plan(cells: Sequence[Case], edges: Sequence[Case], seeds: int) -> Iterator[tuple[Case, int]]:
    """Yield each case with each seed; the cells of the comparison first."""
    for cases in (cells, edges):
        yield from ((case, seed) for seed in range(seeds) for case in cases)


def done(rows: Sequence[Row], case: Case, seed: int, method: str) -> bool:
    """Whether this was run before."""
    wanted = {**case._asdict(), "seed": seed, "method": method}
    return any(all(row[k] == v for k, v in wanted.items()) for row in rows)


def save(path: Path, rows: Sequence[Row], made_with: Any) -> None:
    """Write the rows, with settings, versions, machine and time."""
    provenance = experiments.provenance(threads=1)
    document = {
        "provenance": {
            **provenance, "cleanlab": version("cleanlab"), "features": dict(made_with),
            "folds": FOLDS, "repeats": audit.REPEATS, "recipe": asdict(audit.recipe_for(10_000)),
        },
        "results": list(rows),
    }  # fmt: skip
    with written_whole(path) as file:
        file.write(json.dumps(document, indent=1).encode())


def why(data: datasets.FeatureSet, cells: Sequence[Case]) -> str:
    """Tabulate where p lies for planted labels, and for right ones that look as doubtful: seed 0.

    A right label looks doubtful where another class has a larger p.
    """
    measured = ("p of the given label", "largest other p", "its change")
    lines = [frame.header("median (10% to 90%)", "labels", *measured)]
    for case in cells:
        given = give(data, case, 0)
        p_RNC = out_of_fold(given, None, audit.REPEATS)
        own = np.arange(len(given.labels)), given.labels
        p_NC = p_RNC.mean(axis=0)
        others_NC = p_NC.copy()
        others_NC[own] = -1
        largest_N, planted_N = others_NC.max(axis=1), given.labels != given.true
        change_N = np.abs(p_RNC[0][own] - p_RNC[1][own])
        for name, chosen_N in {
            "planted": planted_N, "right, doubtful": ~planted_N & (largest_N > p_NC[own])
        }.items():  # fmt: skip
            values = (p_NC[own], largest_N, change_N)
            found = (_quantiles(values_N[chosen_N]) for values_N in values)
            lines.append(frame.row(said(case), f"{chosen_N.sum()} {name}", *found))
    return "\n".join(lines)


def _quantiles(values_N: Floats) -> str:
    low, median, high = np.quantile(values_N, [0.1, 0.5, 0.9])
    return f"{median:.4f} ({low:.4f} to {high:.4f})"


def main() -> None:
    """Measure and print."""
    parser = frame.parser(__doc__, seeds=3)
    parser.add_argument("--out", type=Path, help="JSON file of results, gone on with where it is")
    parser.add_argument(
        "--only",
        nargs="*",
        default=list(METHODS),
        choices=METHODS,
        help="default all; none: only print what --out holds",
    )
    parser.add_argument("--cells-only", action="store_true", help="the four cells, not the edges")
    parser.add_argument("--why", action="store_true", help="print where p lies, and nothing else")
    parser.add_argument("--small", action="store_true", help="200 images: shows that it works")
    args = parser.parse_args()

    data = datasets.load_shipped_features("aid")
    cells, edges = (SMALL, []) if args.small else (CELLS, [] if args.cells_only else EDGES)
    if args.why:
        print(why(data, cells))
        return
    goes_on = args.out is not None and args.out.is_file()
    rows: list[Row] = json.loads(args.out.read_text())["results"] if goes_on else []
    for case, seed in plan(cells, edges, args.seeds):
        for method in args.only:
            if not done(rows, case, seed, method):
                rows += measure(give(data, case, seed), case, method)
                if args.out:
                    save(args.out, rows, data.made_with)
    print(report(rows, cells, edges))
    print(f"\n{experiments.provenance()}, cleanlab {version('cleanlab')}")


if __name__ == "__main__":
    main()
