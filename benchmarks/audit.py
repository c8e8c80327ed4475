"""Compare rankings of labels by doubt on archives with planted wrong labels: ours and its rivals.

Usage: python benchmarks/audit.py [--seeds 3] [--out data/results/audit/results.json]
                                  [--archives NAME ...] [--print-only] [--small]

Needs cleanlab (the extra `compare`). Archives: all of AID (10,000 images, as shipped features), AID
cut to 10 and 30 a class, to 3 and 7 classes, to unequal ones (1 : 20), procedural scenes, and what
RNSL_ARCHIVES lists. Noise: symmetric, pair flip, look-alike (of the class means of features) and
instance-dependent, at rates 0.05, 0.2, 0.4; of whole archives at 0.05, 0.1, 0.3, 0.4. Rivals:

- logistic regression out of fold at C = 0.001, 0.01, 0.1 and 1, by each of cleanlab's five scores
  (Northcutt et al., JAIR 2021; its normalized margin is the margin of the regression)
- disagreement of the 10 and the 20 nearest neighbours
- SimiFeat's voting (Zhu et al., ICML 2022): neighbours vote, agreement by cosine similarity of the
  votes with the label
- AUM, the area under the margin of a linear classifier in training (Pleiss et al., NeurIPS 2020)

and ours without each of its witnesses. Seed s draws the images, the noise, the folds and the heads;
ours was chosen with seeds from 100 on. True labels are seen by the measures alone.

Prints Markdown tables: average precision of the doubt as a finder of the planted flips, ours and
the best rival of each cell, which no one could choose who does not know the flips; the difference
with its standard error over seeds; wins, ties (within one standard error) and losses against each
rival; and how many wrong labels get the right suggestion. Runs that --out holds are not run again.
"""

import json
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from cleanlab.rank import get_label_quality_scores
from scipy.special import softmax
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score

from benchmarks import frame
from benchmarks.audit_archives import NOISES, Case, Cut, Floats, Labels, make, sources
from rnsl_tutorial import audit, experiments
from rnsl_tutorial._files import written_whole
from rnsl_tutorial.audit import scores

Row = dict[str, Any]
Ranking = tuple[str, Floats, Labels]  # its name, doubt [N] and suggested labels [N]

FOLDS, OURS = 3, "ours"
VALUES = ("average_precision", "suggested")
WITHOUT = {"heads": 0, "neighbours": 1, "discriminant": 2}
QUALITIES = [
    *((name, adjust) for name in ("self_confidence", "normalized_margin") for adjust in (0, 1)),
    ("confidence_weighted_entropy", 0),
]
STRENGTHS = (0.001, 0.01, 0.1, 1.0)
RATES, WHOLE_RATES = (0.05, 0.2, 0.4), (0.05, 0.1, 0.3, 0.4)
CUTS = [
    Cut("aid", 0, 10), Cut("aid", 0, 30), Cut("aid", 3, 100), Cut("aid", 7, 90),
    Cut("aid", 20, -20),
]  # fmt: skip

# ------------------------------------------------------------------ what is compared


def ours(case: Case, seed: int) -> Iterator[Ranking]:
    """Yield our ranking, and it without each of its witnesses."""
    classes = len(case.class_names)
    witnesses = scores._witnesses(case.features, case.given, classes, folds=FOLDS, seed=seed)
    without = {f"ours without {name}": place for name, place in WITHOUT.items()}
    for name, left_out in {OURS: None, **without}.items():
        found = scores._judged_by(witnesses, case.given, left_out)
        yield name, found.log_odds, found.suggested


def cleanlab(case: Case, seed: int) -> Iterator[Ranking]:
    """Yield cleanlab's scores on logistic regressions out of fold."""
    for strength in STRENGTHS:
        p_NC = np.zeros((len(case.given), len(case.class_names)), dtype=np.float32)
        for trained, held in audit.divisions(case.given, FOLDS, seed):
            model = LogisticRegression(C=strength, max_iter=1000)
            model.fit(case.features[trained], case.given[trained])
            p_NC[held] = model.predict_proba(case.features[held])
        for name, adjusted in QUALITIES:
            quality_N = get_label_quality_scores(
                case.given, p_NC, method=name, adjust_pred_probs=bool(adjusted)
            )
            called = f"cleanlab, C = {strength:g}, {name}{', adjusted' * adjusted}"
            yield called, 1 - quality_N, p_NC.argmax(axis=1)


def neighbours(case: Case, _: int) -> Iterator[Ranking]:
    """Yield how many neighbours disagree, and SimiFeat's voting."""
    unit_NF = case.features / np.linalg.norm(case.features, axis=1, keepdims=True)
    one_hot_CC = np.eye(len(case.class_names), dtype=np.float32)
    for k in (10, 20):
        votes = [_nearest(unit_NF, i, k) for i in range(0, len(unit_NF), 1000)]
        votes_NC = one_hot_CC[case.given[np.concatenate(votes)]].mean(axis=1)
        own_N = votes_NC[np.arange(len(votes_NC)), case.given]
        yield f"k-NN disagreement, k = {k}", 1 - own_N, votes_NC.argmax(axis=1)
        alike_N = own_N / np.linalg.norm(votes_NC, axis=1)
        yield f"SimiFeat, k = {k}", 1 - alike_N, votes_NC.argmax(axis=1)


def _nearest(unit_NF: Floats, start: int, k: int) -> Labels:
    alike_BN = unit_NF[start : start + 1000] @ unit_NF.T
    alike_BN[np.arange(len(alike_BN)), np.arange(start, start + len(alike_BN))] = -2
    nearest: Labels = np.argpartition(-alike_BN, k, axis=1)[:, :k]
    return nearest


def area_under_margin(case: Case, seed: int) -> Iterator[Ranking]:
    """Yield the mean margin of a linear classifier over 30 epochs of SGD with momentum."""
    rng, classes = np.random.default_rng(seed), len(case.class_names)
    inputs = (case.features - case.features.mean(axis=0)) / case.features.std()
    weights, velocity = (np.zeros((inputs.shape[1] + 1, classes), np.float32) for _ in range(2))
    inputs = np.pad(inputs, ((0, 0), (0, 1)), constant_values=1).astype(np.float32)
    one_hot = np.eye(classes, dtype=np.float32)[case.given]
    margin = np.zeros(len(inputs))
    for _ in range(30):
        for batch in np.array_split(rng.permutation(len(inputs)), max(1, len(inputs) // 16)):
            wrong = softmax(inputs[batch] @ weights, axis=1) - one_hot[batch]
            velocity = 0.9 * velocity + inputs[batch].T @ wrong / len(batch)
            weights -= 0.02 * velocity
        logits = inputs @ weights
        own = (logits * one_hot).sum(axis=1)
        margin += own - (logits - 1e9 * one_hot).max(axis=1)
    yield "AUM", -margin, logits.argmax(axis=1)


METHODS = {"ours": ours, "cleanlab": cleanlab, "neighbours": neighbours, "aum": area_under_margin}

# ------------------------------------------------------------------ measuring

Cell = tuple[Cut, str, float]
_CELL = ("archive", "noise", "rate", "seed", "method", "images", "wrong", "processor_seconds")
SMALL: Cell = (Cut("aid", 3, 20), "symmetric", 0.2)


def cells(archives: Sequence[str], seeds: int) -> Iterator[tuple[Cell, int]]:
    """Yield all cells, which are archive, noise and rate, with all seeds; parts come first."""
    whole = [Cut(name) for name in sorted(archives, key="aid".__eq__)]
    parts = [cut for cut in CUTS if cut.source in archives]
    for cuts, rates in ((parts, RATES), (whole, WHOLE_RATES)):
        for seed in range(seeds):
            yield from (((c, k, r), seed) for c in cuts for k in NOISES for r in rates)


def measure(case: Case, cell: Cell, method: str, seed: int) -> list[Row]:
    """Run a method and return a row for each ranking that it gives."""
    wrong_N, start = case.given != case.true, time.process_time()
    found = list(METHODS[method](case, seed))
    told = (str(cell[0]), *cell[1:], seed, method, len(case.true), int(wrong_N.sum()))
    of_cell = dict(zip(_CELL, (*told, round(time.process_time() - start, 2)), strict=True))
    return [
        {
            **of_cell,
            "ranking": name,
            "average_precision": round(float(average_precision_score(wrong_N, doubt_N)), 5),
            "suggested": round(float((suggested_N == case.true)[wrong_N].mean()), 5),
        }
        for name, doubt_N, suggested_N in found
    ]


def done(rows: Sequence[Row], cell: Cell, method: str, seed: int) -> bool:
    """Whether this was run before."""
    wanted = (str(cell[0]), cell[1], cell[2], method, seed)
    keys = ("archive", "noise", "rate", "method", "seed")
    return any(tuple(row[k] for k in keys) == wanted for row in rows)


def save(path: Path, rows: Sequence[Row]) -> None:
    """Write the rows of a cell and method as one, with settings, versions, machine and time."""
    grouped: dict[tuple[Any, ...], dict[str, list[float]]] = defaultdict(dict)
    for row in rows:
        grouped[tuple(row[name] for name in _CELL)][row["ranking"]] = [row[n] for n in VALUES]
    provenance = {**experiments.provenance(threads=1), "cleanlab": version("cleanlab")}
    lines = ",\n".join(
        json.dumps({**dict(zip(_CELL, cell, strict=True)), "rankings": rankings})
        for cell, rankings in grouped.items()
    )
    head = json.dumps({**provenance, "folds": FOLDS, "of a ranking": VALUES})
    with written_whole(path) as file:
        file.write(f'{{"provenance": {head},\n"results": [\n{lines}\n]}}\n'.encode())


def load(path: Path) -> list[Row]:
    """Read what `save` wrote: a row for each ranking."""
    return [
        {**cell, "ranking": name, **dict(zip(VALUES, values, strict=True))}
        for cell in json.loads(path.read_text(encoding="utf-8"))["results"]
        for name, values in cell.pop("rankings").items()
    ]


# ------------------------------------------------------------------ tables

Key = tuple[str, str, float]


def by_cell(rows: Sequence[Row], field: str) -> dict[Key, dict[str, list[float]]]:
    """Cell -> ranking -> a value a seed."""
    found: dict[Key, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for row in sorted(rows, key=lambda row: row["seed"]):
        found[row["archive"], row["noise"], row["rate"]][row["ranking"]].append(row[field])
    return {key: cell for key, cell in found.items() if len({*map(len, cell.values())}) == 1}


def is_rival(name: str) -> bool:
    """Whether a ranking is not ours."""
    return not name.startswith(OURS)


def best_rival(cell: dict[str, list[float]]) -> str:
    """The rival with the highest mean."""
    return max(filter(is_rival, cell), key=lambda name: float(np.mean(cell[name])))


def difference(cell: dict[str, list[float]], other: str) -> tuple[float, float]:
    """Ours less another: mean, and its standard error over seeds, paired."""
    off = np.subtract(cell[OURS], cell[other])
    return float(off.mean()), float(off.std(ddof=1) / len(off) ** 0.5) if len(off) > 1 else 0.0


def verdict(mean: float, error: float) -> str:
    """Won, tied within one standard error, or lost."""
    return "tie" if abs(mean) <= error else "win" if mean > 0 else "loss"


def main_table(rows: Sequence[Row]) -> str:
    """A line for each archive and noise: ours and the best rival at each rate."""
    found = by_cell(rows, "average_precision")
    rates = sorted({*RATES, *WHOLE_RATES})
    lines = [frame.header("archive", "noise", *(f"{rate:g}" for rate in rates))]
    for archive, kind in dict.fromkeys((a, k) for a, k, _ in found):
        shown = []
        for rate in rates:
            cell = found.get((archive, kind, rate))
            if cell is None:
                shown.append("")
                continue
            other = best_rival(cell)
            mean, error = difference(cell, other)
            shown.append(f"{np.mean(cell[OURS]):.3f} ({100 * mean:+.1f} ± {100 * error:.1f})")
        lines.append(frame.row(archive, kind, *shown))
    return "\n".join(lines)


SHOWN = (
    "cleanlab, C = 0.01, self_confidence",
    "cleanlab, C = 0.001, normalized_margin",
    "k-NN disagreement, k = 20",
)


def archive_table(rows: Sequence[Row]) -> str:
    """A line for each archive: mean over its cells of ours, of some rivals, and of the best."""
    found = by_cell(rows, "average_precision")
    heading = ("archive", "ours", *SHOWN, "the best of all rivals in each cell", "won, tied, lost")
    lines = [frame.header(*heading)]
    for archive in dict.fromkeys(a for a, _, _ in found):
        cells = [cell for (a, _, _), cell in found.items() if a == archive]
        means = [np.mean([np.mean(cell[name]) for cell in cells]) for name in (OURS, *SHOWN)]
        best = np.mean([np.mean(cell[best_rival(cell)]) for cell in cells])
        verdicts = [verdict(*difference(cell, best_rival(cell))) for cell in cells]
        counts = ", ".join(str(verdicts.count(kind)) for kind in ("win", "tie", "loss"))
        lines.append(frame.row(archive, *(f"{mean:.3f}" for mean in (*means, best)), counts))
    return "\n".join(lines)


def rival_table(rows: Sequence[Row]) -> str:
    """A line for each rival and each part left out: mean difference, wins, ties, losses."""
    found = by_cell(rows, "average_precision")
    names = [n for n in dict.fromkeys(n for cell in found.values() for n in cell) if n != OURS]
    lines = [frame.header("ours less", "mean", "least", "wins", "ties", "losses")]
    for name in [*names, "best rival of each cell"]:
        pairs = [
            difference(cell, best_rival(cell) if name not in cell else name)
            for cell in found.values()
        ]
        means, verdicts = [mean for mean, _ in pairs], [verdict(*pair) for pair in pairs]
        counts = (str(verdicts.count(kind)) for kind in ("win", "tie", "loss"))
        lines.append(
            frame.row(name, f"{100 * np.mean(means):+.1f}", f"{100 * min(means):+.1f}", *counts)
        )
    return "\n".join(lines)


def suggestion_table(rows: Sequence[Row]) -> str:
    """How many of the wrong labels get the right suggestion: ours, and the best rival by it."""
    found, lines = by_cell(rows, "suggested"), [frame.header("archive", "ours", "best rival")]
    for archive in dict.fromkeys(a for a, _, _ in found):
        of_archive = [cell for (a, _, _), cell in found.items() if a == archive]
        mine = np.mean([np.mean(cell[OURS]) for cell in of_archive])
        theirs = np.mean([np.mean(cell[best_rival(cell)]) for cell in of_archive])
        lines.append(frame.row(archive, f"{mine:.1%}", f"{theirs:.1%}"))
    return "\n".join(lines)


def report(rows: Sequence[Row]) -> str:
    """All tables as Markdown."""
    seeds = len({row["seed"] for row in rows})
    return "\n\n".join(
        [
            "Average precision, mean over the cells of an archive, and in how many of them ours "
            "wins, ties within one standard error, or loses against the best of all rivals, which "
            f"no one could choose who does not know the flips, n = {seeds} seeds\n\n"
            + archive_table(rows),
            f"Average precision of ours, and in brackets its lead in points over the best rival of "
            f"the cell with the standard error of it, n = {seeds} seeds\n\n{main_table(rows)}",
            "Ours less another, in points of average precision over all cells\n\n"
            + rival_table(rows),
            f"Wrong labels for which the true class is suggested\n\n{suggestion_table(rows)}",
        ]
    )


def main() -> None:
    """Measure and print."""
    parser = frame.parser(__doc__, seeds=3)
    parser.add_argument("--out", type=Path, help="JSON file of results, gone on with where it is")
    parser.add_argument("--archives", nargs="*", help="default all that there are")
    parser.add_argument("--print-only", action="store_true", help="only print what --out holds")
    parser.add_argument("--small", action="store_true", help="one cell: shows that it works")
    args = parser.parse_args()

    rows = load(args.out) if args.out and args.out.is_file() else []
    if not args.print_only:
        images = sources()
        todo = cells(args.archives or list(images), args.seeds)
        small = ((SMALL, seed) for seed in range(args.seeds))
        for cell, seed in small if args.small else todo:
            case = make(images[cell[0].source], *cell, seed)
            for method in METHODS:
                if not done(rows, cell, method, seed):
                    rows += measure(case, cell, method, seed)
            if args.out:
                save(args.out, rows)
    print(report(rows))
    print(f"\n{experiments.provenance()}, cleanlab {version('cleanlab')}")


if __name__ == "__main__":
    main()
