"""The explorer of 24 scenes, six of which have a wrong label: who finds them?

Shapes: K noise kinds, S sets of each, L losses, E epochs, I = 24 images a set.
"""

from collections.abc import Mapping
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rnsl_tutorial._tables import load_shipped_table
from rnsl_tutorial.tutorial import plots
from rnsl_tutorial.tutorial.explorers.base import Choice, Control, Explorer, module, number_control

__all__ = ["SpotExplorer"]

_IMAGES, _WRONG = 24, 6  # of a set
_DOUBTED = 0.5  # a loss does not believe a label whose p is at most this
_KINDS = {"symmetric": "any wrong name", "label_dependent": "names that look alike"}


class _Scenes(NamedTuple):
    """What ``python tools/spotted_scenes.py`` keeps of its runs.

    Attributes:
        losses: L, that the runs were trained with.
        noises: K, how the labels were spoiled.
        class_names: of the scenes.
        pictures: uint8 [bytes], WebP files, one after the other.
        lengths: int64 [K * S * I], of these files.
        true: uint8 [K, S, I].
        given: uint8 [K, S, I], the labels that the runs were trained with.
        log_p: float16 [K, L, E, S, I], log of the belief in them after each epoch.
        shares: float64 [K, 2, L], which share of all wrong labels, and of all right ones, each loss
            does not believe at the end.
        images: that they were trained on.
        made_with: config, size of the pictures, versions.
    """

    losses: tuple[str, ...]
    noises: tuple[str, ...]
    class_names: tuple[str, ...]
    pictures: NDArray[np.uint8]
    lengths: NDArray[np.int64]
    true: NDArray[np.uint8]
    given: NDArray[np.uint8]
    log_p: NDArray[np.float16]
    shares: NDArray[np.float64]
    images: int
    made_with: Mapping[str, Any]


class SpotExplorer(Explorer):
    """24 scenes, six with a wrong label: the learner strikes labels out, then two losses do.

    The scenes are procedural (`datasets.make_scenes`), drawn by chance from those on which a small
    network was trained, with a quarter of the labels wrong, once with NSL and once with t-RNSL. A
    loss doubts a label whose probability is at most 0.5 after an epoch. The verdicts are rings
    on the pictures. Until the learner asks for them nothing is told.

    Attributes:
        round: which set is shown, 1 to 4: in sets 1 and 2 a wrong label is any other name, in
            sets 3 and 4 one that looks alike.
        epoch: after how many epochs the losses are asked, 1 to 30; at first 30, the last.
        guess: the places of the labels that the learner has struck out, 0 to 23.
        wrong: bool [4, 24], which labels are wrong.
        doubted: bool [4, 2, 30, 24], which labels NSL, then t-RNSL, doubts after each epoch.
    """

    _esm = module("spot.js")

    round = Choice().tag(sync=True)
    epoch = Choice().tag(sync=True)

    steps: ClassVar = {f"Set {number}": {"round": number} for number in (1, 2, 3, 4)}

    def __init__(self, **chosen: float | None) -> None:
        """Read the table that comes with the package, and show it.

        Args:
            chosen: what to begin with, by the name of the attribute.

        Raises:
            FileNotFoundError: the installation is incomplete.
            traitlets.TraitError: a set or an epoch that there is not.
        """
        self._scenes = _shipped()
        true, given, log_p = self._scenes.true, self._scenes.given, self._scenes.log_p
        self.wrong = (true != given).reshape(-1, _IMAGES)
        is_doubted = log_p.astype(np.float32) <= np.log(np.float32(_DOUBTED))
        self.doubted = np.moveaxis(is_doubted, 3, 1).reshape(-1, *log_p.shape[1:3], _IMAGES)
        epochs = log_p.shape[2]
        controls = {
            "round": _sets(self._scenes),
            "epoch": number_control("Both losses, after epoch", range(1, epochs + 1), "{:.0f}"),
        }
        super().__init__(controls, self._lookup(), {"epoch": epochs, **chosen})
        self._guessing = True

    def _lookup(self) -> dict[str, Any]:
        """What the ES module looks up: see the type ``Table`` in ``static/spot.js``."""
        scenes = self._scenes
        ends = np.cumsum(scenes.lengths)
        files = [
            scenes.pictures[end - n : end] for end, n in zip(ends, scenes.lengths, strict=True)
        ]
        names = [_words(name) for name in scenes.class_names]
        return {
            "pictures": files,
            "names": names,
            "true": scenes.true.reshape(-1, _IMAGES),
            "given": scenes.given.reshape(-1, _IMAGES),
            "doubted": self.doubted.astype(np.uint8),
            "losses": plots.loss_styles(scenes.losses),
            "notes": [_note(scenes, k) for k in range(len(scenes.noises)) for _ in scenes.true[k]],
        }


def _shipped() -> _Scenes:
    return load_shipped_table("spotted_scenes", _Scenes, "scenes")


def _sets(scenes: _Scenes) -> Control:
    kinds = [_KINDS[noise] for noise in scenes.noises for _ in scenes.true[0]]
    texts = tuple(f"{number}: {kind}" for number, kind in enumerate(kinds, 1))
    return Control("Set of scenes", tuple(range(1, len(kinds) + 1)), texts)


def _words(name: str) -> str:
    """DenseResidential as dense residential."""
    return "".join(f" {c.lower()}" if c.isupper() else c for c in name).strip()


def _note(scenes: _Scenes, k: int) -> str:
    """What both losses find among all training images, not only among the 24."""
    (found_L, alarms_L), labels = scenes.shares[k], plots.loss_styles(scenes.losses)
    told = ", ".join(
        f"{style.label} doubts {found:.0%} of the wrong labels and {alarms:.1%} of the right ones"
        for style, found, alarms in zip(labels, found_L, alarms_L, strict=True)
    )
    return f"All {scenes.images:,} training scenes, after the last epoch: {told}."
