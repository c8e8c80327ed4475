"""Train on procedural scenes with wrong labels, and keep some of them with what was believed.

Usage: python tools/spotted_scenes.py [--out data/scenes/spotted_scenes.npz]

A small network learns 1,400 scenes (the preset "scenes") with a quarter of their labels wrong: with
any other name, or with one that looks alike; once with each loss. After every epoch p of each given
label is noted. Of each kind two sets of 24 training scenes are drawn by chance, 6 with a wrong
label and 18 with a right one, and drawn again, larger than the network saw them. Nothing is random
but by seed.
"""

import argparse
from collections.abc import Callable
from dataclasses import asdict, replace
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from tqdm import tqdm

from rnsl_tutorial import experiments, losses
from rnsl_tutorial._tables import save_table
from rnsl_tutorial.datasets import scenes
from rnsl_tutorial.experiments import images
from rnsl_tutorial.experiments.config import Config, from_preset
from rnsl_tutorial.tutorial.explorers.spot import _DOUBTED, _IMAGES, _WRONG, _Scenes

NOISES = ("symmetric", "label_dependent")
LOSSES = ("nsl", "trnsl")
SETS = 2  # of each kind of noise
SIZE, QUALITY = 128, 72  # pixels a side of the pictures that are shown, and of WebP
CONFIG = from_preset("scenes", noise="symmetric", rate=0.25, seed=0)


class Followed(NamedTuple):
    """The runs of one kind of noise.

    Attributes:
        true: int64 [N], the labels of the training images.
        given: int64 [N], those that they were trained with.
        places: int64 [N], of the training images among all scenes.
        log_p: float32 [L, E, N], log of the belief in the given label, a run with each loss.
    """

    true: NDArray[np.int64]
    given: NDArray[np.int64]
    places: NDArray[np.int64]
    log_p: NDArray[np.float32]


def followed(config: Config, on_epoch: Callable[[], object]) -> Followed:
    """Train with each loss on the same labels."""
    data, told = images.load_images(config), []
    for loss in LOSSES:
        run = images.Run(data, replace(config, loss=loss))
        labels, beliefs = torch.from_numpy(run.given.labels), []

        def note(_: object, run: Any = run, labels: Any = labels, beliefs: Any = beliefs) -> None:
            with torch.no_grad():
                at = run.embed("train").cpu(), run.loss.prototypes.detach().cpu(), labels
                beliefs.append(losses.label_log_probability(*at, config.temperature).numpy())
            on_epoch()

        run.run(on_epoch=note)
        told.append(np.stack(beliefs))
    places, true = data.part("train")
    return Followed(true, run.given.labels, places, np.stack(told))


def drawn(run: Followed, seed: int) -> NDArray[np.int64]:
    """Draw images by chance, [SETS, 24]: of each set 6 have a wrong label."""
    rng, wrong_N = np.random.default_rng(seed), run.true != run.given
    wrong, right = (rng.permutation(np.flatnonzero(side)) for side in (wrong_N, ~wrong_N))
    wrong_SW = wrong[: SETS * _WRONG].reshape(SETS, _WRONG)
    right_SR = right[: SETS * (_IMAGES - _WRONG)].reshape(SETS, _IMAGES - _WRONG)
    return rng.permuted(np.concatenate([wrong_SW, right_SR], axis=1), axis=1)


def pictures(config: Config, places: NDArray[np.int64]) -> list[bytes]:
    """Draw the scenes at these places anew, larger, each as the bytes of a WebP file."""
    last = int(places.max()) + 1
    shown = scenes.make_scenes(last, SIZE, difficulty=config.difficulty, seed=0).images[places]
    return [_webp(image) for image in shown]


def _webp(image: NDArray[np.uint8]) -> bytes:
    file = BytesIO()
    Image.fromarray(image.transpose(1, 2, 0)).save(file, "webp", quality=QUALITY, method=6)
    return file.getvalue()


def doubted(run: Followed) -> NDArray[np.float64]:
    """Which share of the wrong labels, then of the right ones, each loss doubts, [2, L]."""
    wrong_N, is_doubted_LN = run.true != run.given, run.log_p[:, -1] <= np.log(_DOUBTED)
    return np.stack([is_doubted_LN[:, side].mean(axis=1) for side in (wrong_N, ~wrong_N)])


def spotted(config: Config, runs: list[Followed]) -> _Scenes:
    """Put the table together, from the runs of each kind of noise."""
    chosen = [drawn(run, config.seed) for run in runs]
    files = [
        file
        for run, at in zip(runs, chosen, strict=True)
        for file in pictures(config, run.places[at].ravel())
    ]
    return _Scenes(
        losses=LOSSES,
        noises=NOISES,
        class_names=scenes.CLASSES,
        pictures=np.frombuffer(b"".join(files), np.uint8),
        lengths=np.array([len(file) for file in files]),
        true=np.stack([run.true[at] for run, at in zip(runs, chosen, strict=True)]).astype("u1"),
        given=np.stack([run.given[at] for run, at in zip(runs, chosen, strict=True)]).astype("u1"),
        log_p=np.stack([run.log_p[:, :, at] for run, at in zip(runs, chosen, strict=True)]).astype(
            "f2"
        ),
        shares=np.stack([doubted(run) for run in runs]),
        images=len(runs[0].true),
        made_with={"config": asdict(config), "size": SIZE, "provenance": experiments.provenance()},
    )


def main() -> None:
    """Train, write, and say how large it is."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=Path("data", "scenes", "spotted_scenes.npz"))
    args = parser.parse_args()
    with tqdm(total=len(NOISES) * len(LOSSES) * CONFIG.epochs, unit="epoch") as bar:
        runs = [followed(replace(CONFIG, noise=noise), bar.update) for noise in NOISES]
    args.out.parent.mkdir(parents=True, exist_ok=True)
    save_table(args.out, spotted(CONFIG, runs))
    print(f"{args.out}: {args.out.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
