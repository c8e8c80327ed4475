"""Count how often an audit's ranges hold the truth, on archives whose wrong labels are known.

Usage: python benchmarks/audit_ranges.py [--archives 120] [--out data/results/audit/ranges.json]
                                         [--print-only] [--small]

Each archive is drawn: a source (AID's features, procedural scenes, what RNSL_ARCHIVES lists), 3 to
30 classes, 10 to 90 images a class or unequal ones (1 : 20), a kind of noise (none; symmetric, pair
flip, look-alike, instance-dependent; or hard: the images that look the most like another class,
called so, which is worse than any other) and a rate of 2% to 40%. The audit is told the given
labels alone. The ranges were chosen on archives of other seeds.

Prints Markdown tables: of the share of wrong labels, and of the shares among the first images of
the list, how many ranges hold the truth (nominally 90%), how wide they are, and how far the
estimate is off. Archives that --out holds are not audited again.
"""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import frame
from benchmarks.audit_archives import NOISES, Case, Cut, Source, make, sources
from rnsl_tutorial import audit, experiments
from rnsl_tutorial._files import written_whole

Row = dict[str, Any]
KINDS, HARD, SEEDS_FROM = ("clean", *NOISES), "hard", 3000
HARD_SHARE = 0.1  # of the archives
RATES = (0.02, 0.05, 0.1, 0.2, 0.3, 0.4)


def draw(images: dict[str, Source], number: int) -> tuple[Cut, str, float]:
    """Draw an archive: which part of which source, noise and rate."""
    rng = np.random.default_rng([SEEDS_FROM, number])
    source = str(rng.choice([*images]))
    most = len(images[source].class_names)
    classes = int(rng.choice([c for c in (3, 5, 7, 10, 16, 30) if c <= most]))
    each = int(rng.choice([10, 20, 40, 90, -20]))
    kind = HARD if rng.random() < HARD_SHARE else str(rng.choice(KINDS))
    return Cut(source, classes, each), kind, float(rng.choice(RATES))


def made(images: dict[str, Source], number: int) -> tuple[Cut, str, Case]:
    """Make the archive of a number."""
    cut, kind, rate = draw(images, number)
    seed = SEEDS_FROM + number
    plain = kind in ("clean", HARD)
    rate = 0.0 if kind == "clean" else rate
    case = make(images[cut.source], cut, "symmetric" if plain else kind, 0 if plain else rate, seed)
    return cut, kind, hard(case, rate) if kind == HARD else case


def hard(case: Case, rate: float) -> Case:
    """Call the images that look the most like another class so."""
    scaled = (case.features - case.features.mean(axis=0)) / (case.features.std(axis=0) + 1e-6)
    mean_CF = np.stack([scaled[case.true == c].mean(0) for c in range(len(case.class_names))])
    far_NC = np.square(mean_CF).sum(axis=1) - 2 * scaled @ mean_CF.T
    rows = np.arange(len(case.true))
    own_N = far_NC[rows, case.true].copy()
    far_NC[rows, case.true] = np.inf
    flipped = np.argsort(far_NC.min(axis=1) - own_N)[: round(rate * len(rows))]
    given_N = case.true.copy()
    given_N[flipped] = far_NC[flipped].argmin(axis=1)
    for label in np.flatnonzero(np.bincount(given_N, minlength=len(case.class_names)) < 3):
        given_N[np.flatnonzero(case.true == label)[:3]] = label
    return case._replace(given=given_N)


def audited(images: dict[str, Source], number: int) -> Row:
    """Audit the archive of a number; what was said, and the truth."""
    cut, kind, case = made(images, number)
    files = [str(i) for i in range(len(case.given))]
    found = audit.audit_features(case.features, case.given, case.class_names, files, seed=number)
    wrong_N = (case.given != case.true)[found.ranking()]
    said = found.precision
    return {
        "number": number, "archive": str(cut), "noise": kind, "images": len(files),
        "concluded": said.concluded, "skill": said.skill, "true": float(wrong_N.mean()),
        "low": float(said.low[0]), "high": float(said.high[0]),
        "estimate": float(said.precision[0]),
        "looks": [[*look, float(wrong_N[: look.first].mean())] for look in said.looks()],
    }  # fmt: skip


def table(rows: Sequence[Row]) -> str:
    """A line for each kind of noise, all but the hard, and all."""
    lines = [
        frame.header(
            "noise", "archives", "concluded", "share of wrong labels: held", "mean width",
            "estimate off by (rms)", "first of the list: ranges", "held", "mean width",
        )
    ]  # fmt: skip
    kinds: list[tuple[str, Callable[[Row], bool]]] = [
        *((kind, lambda row, kind=kind: row["noise"] == kind) for kind in (*KINDS, HARD)),
        ("all but hard", lambda row: row["noise"] != HARD),
        ("all", bool),
    ]
    for name, chosen in kinds:
        of_kind = [row for row in rows if chosen(row)]
        if of_kind:
            lines.append(frame.row(name, *_counted(of_kind)))
    return "\n".join(lines)


def _counted(rows: Sequence[Row]) -> list[str]:
    told = [row for row in rows if row["concluded"]]
    held = [row["low"] <= row["true"] <= row["high"] for row in told]
    off = [row["estimate"] - row["true"] for row in told]
    looks = [look for row in told for look in row["looks"]]
    looks_held = [low - 1e-9 <= true <= high + 1e-9 for _, low, high, _, true in looks]
    widths = [row["high"] - row["low"] for row in told]
    return [
        str(len(rows)), str(len(told)), f"{np.mean(held):.0%}", f"{100 * np.mean(widths):.1f}",
        f"{100 * np.sqrt(np.mean(np.square(off))):.1f}", str(len(looks)),
        f"{np.mean(looks_held):.0%}" if looks else "",
        f"{100 * np.mean([high - low for _, low, high, _, _ in looks]):.1f}" if looks else "",
    ]  # fmt: skip


def main() -> None:
    """Audit and print."""
    parser = frame.parser(__doc__, archives=120)
    parser.add_argument("--out", type=Path, help="JSON file of results, gone on with where it is")
    parser.add_argument("--print-only", action="store_true", help="only print what --out holds")
    parser.add_argument("--small", action="store_true", help="three archives: shows that it works")
    args = parser.parse_args()

    goes_on = args.out is not None and args.out.is_file()
    rows: list[Row] = json.loads(args.out.read_text())["results"] if goes_on else []
    if not args.print_only:
        images = sources()
        known = {row["number"] for row in rows}
        for number in range(3 if args.small else args.archives):
            if number not in known:
                rows.append(audited(images, number))
                if args.out:
                    document = {"provenance": experiments.provenance(threads=1), "results": rows}
                    with written_whole(args.out) as file:
                        file.write(json.dumps(document, indent=1).encode())
    print(f"Ranges of nominally 90%, in points\n\n{table(rows)}\n\n{experiments.provenance()}")


if __name__ == "__main__":
    main()
