"""Train the runs that the page of explorers shows, and keep what it needs of them.

Usage: python tools/followed_runs.py [--out data/aid/followed_runs.npz]

Three runs on AID's features with half of the labels wrong (notebooks 03 to 05), four on the sphere
(notebook 01), an audit (notebook 10), and the neighbours in the stand-in for NWPU-RESISC45
(notebook 08). Nothing is random but by seed.
"""

import argparse
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from rnsl_tutorial import audit, datasets, experiments, noise
from rnsl_tutorial._tables import save_table
from rnsl_tutorial.datasets import nwpu45_stand_in
from rnsl_tutorial.datasets.features import FeatureSet
from rnsl_tutorial.evaluation import class_margins
from rnsl_tutorial.experiments.config import Config
from rnsl_tutorial.tutorial.tables.followed_runs import Estimate, FollowedRuns

LOSSES = ("nsl", "rnsl", "trnsl")
MOMENTS = (1, 2, 5, 10, 20, 40)
TEMPERATURES = (0.05, 0.1, 0.3, 1.0)
SPHERE_CLASSES = ("Airport", "Beach", "Forest", "Parking", "River", "Stadium")
IMAGES, STEP, ON_SPHERE, AUDITED = 2000, 8, 150, 2000
AUDIT_NOISE = 0.2

CONFIG = Config(noise="symmetric", rate=0.5, seed=0)
SPHERE = Config(loss="nsl", embedding_dim=3, epochs=30, seed=0)


def on_aid(aid: FeatureSet, bar: Any) -> dict[str, Any]:
    """Train with each loss, and follow the same images."""
    runs = []
    for loss in LOSSES:
        runs.append(experiments.follow(aid, replace(CONFIG, loss=loss), IMAGES))
        bar.update()
    given = runs[0][0].given
    batch_N, batch_B = runs[0][1].batch.numpy(), np.arange(0, IMAGES, STEP)
    rnsl, last = (runs[LOSSES.index(name)][1] for name in ("rnsl", LOSSES[-1]))
    return {
        "losses": LOSSES,
        "flipped": given.flipped[batch_N],
        "given": given.labels[batch_N].astype(np.uint8),
        "log_p": np.stack([history.log_p.numpy()[:, batch_N] for _, history in runs]).astype("f2"),
        "kept": last.kept.numpy()[:, batch_N],
        "batch": batch_B,
        "moments": MOMENTS,
        "embeddings": rnsl.embeddings.numpy()[list(MOMENTS)][:, batch_B].astype("f2"),
        "prototypes": rnsl.prototypes.numpy()[list(MOMENTS)].astype("f2"),
    }


def on_the_sphere(aid: FeatureSet, bar: Any) -> dict[str, Any]:
    """Train six classes in three dimensions, at each temperature."""
    codes = [aid.class_names.index(name) for name in SPHERE_CLASSES]
    train = aid.split.train[np.isin(aid.labels[aid.split.train], codes)]
    labels = np.searchsorted(codes, aid.labels[train])
    none = np.empty(0, dtype=np.int64)
    six = aid._replace(
        features=aid.features[train], labels=labels, class_names=SPHERE_CLASSES,
        files=tuple(aid.files[i] for i in train),
        split=aid.split._replace(train=np.arange(len(train)), val=none, test=none),
    )  # fmt: skip
    runs = []
    for temperature in TEMPERATURES:
        runs.append(experiments.follow(six, replace(SPHERE, temperature=temperature), ON_SPHERE)[1])
        bar.update()
    return {
        "temperatures": TEMPERATURES,
        "sphere_classes": SPHERE_CLASSES,
        "sphere_labels": labels[runs[0].batch.numpy()].astype(np.uint8),
        "sphere_embeddings": np.stack([run.embeddings.numpy() for run in runs]).astype("f2"),
        "sphere_prototypes": np.stack([run.prototypes.numpy() for run in runs]).astype("f2"),
    }


def audited(aid: FeatureSet, bar: Any) -> dict[str, Any]:
    """Audit some images with planted wrong labels that look alike."""
    part = np.sort(np.random.default_rng(CONFIG.seed).permutation(len(aid.labels))[:AUDITED])
    matrix = noise.label_dependent_transition("aid", AUDIT_NOISE)
    planted = noise.corrupt_labels(aid.labels[part], matrix, seed=CONFIG.seed)
    found = audit.audit_features(
        aid.features[part], planted.labels, aid.class_names, [aid.files[i] for i in part],
        seed=CONFIG.seed,
    )  # fmt: skip
    bar.update()
    curves = {name: getattr(found.precision, name) for name in Estimate._fields}
    return {
        "audited": planted.labels.astype(np.uint8),
        "doubt": found.scores.doubt.astype(np.float32),
        "wrong": planted.flipped,
        "class_noise": found.class_noise.astype(np.float32),
        "estimate": Estimate(**{name: curve.astype(np.float32) for name, curve in curves.items()}),
    }


def follow(aid: FeatureSet) -> FollowedRuns:
    """Make all of it."""
    with tqdm(total=len(LOSSES) + len(TEMPERATURES) + 1, unit="run") as bar:
        runs = on_aid(aid, bar) | on_the_sphere(aid, bar) | audited(aid, bar)
    return FollowedRuns(
        **runs,
        labels=aid.labels[aid.split.train].astype(np.uint8),
        neighborhoods=class_margins.neighborhoods(nwpu45_stand_in.stand_in(aid)).astype(np.float32),
        made_with={
            "config": asdict(CONFIG),
            "sphere": asdict(SPHERE),
            "audit": {"noise": "label_dependent", "rate": AUDIT_NOISE},
            "features": dict(aid.made_with),
            "provenance": experiments.provenance(),
        },
    )


def main() -> None:
    """Train, write, and say how large it is."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=Path("data", "aid", "followed_runs.npz"))
    args = parser.parse_args()
    save_table(args.out, follow(datasets.load_shipped_features("aid")))
    print(f"{args.out}: {args.out.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
