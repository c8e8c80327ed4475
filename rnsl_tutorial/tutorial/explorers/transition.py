"""The explorer of transition matrices: which labels are wrong, and when a class is lost.

Shapes: R noise rates, A amounts of concentration, C classes, N images.
"""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rnsl_tutorial import noise
from rnsl_tutorial._arrays import array
from rnsl_tutorial.evaluation import class_margins
from rnsl_tutorial.tutorial import plots
from rnsl_tutorial.tutorial.explorers.base import (
    Choice,
    Control,
    Explorer,
    Guess,
    module,
    number_control,
)
from rnsl_tutorial.tutorial.plots.transition import (
    _BARS,
    _HEAT_TICKS,
    _class_axes,
    _heat_values,
    _share_axes,
)

__all__ = ["TransitionExplorer"]

_DATASETS = {"aid": "AID", "nwpu45": "NWPU45"}
_NOISES = ("label_dependent", "symmetric", "pair_flip")
_RATES = tuple(round(0.05 * step, 2) for step in range(19))
_AMOUNTS = tuple(round(-1 + 0.1 * step, 1) for step in range(21))
_VIEWS = {"nominal": "probabilities", "drawn": "one draw"}
_NWPU45_IMAGES = 489  # training images of each class: see `datasets.paper_split`
_SEED, _DRAWS = 42, 10
_ASKED_AT = 0.7  # the rate that a guess is about
_AS_PUBLISHED: Mapping[str, float | str] = {
    "dataset": "aid",
    "view": "nominal",
    "concentration": 0.0,
}
_SHARES_AT = 0.5  # a rate to read the shares at: they are the same at every rate

_Floats = NDArray[np.float64]
_Integers = NDArray[np.int64]

_NONE_WRONG = "No label is wrong. Move the rate to spoil some."
_LOST = (
    "{draw}{count} of {classes} classes are lost. {name} is one of them: {most} of its labels say "
    "{wrong}, only {right} say {name}."
)
_SAFE = (
    "{draw}{count} of {classes} classes are lost. {name} is not: {right} of its labels say {name}, "
    "{most} say {wrong}."
)
_IN_DRAW = "In this draw "
_REST = "{count} other classes: {share} together"
_DRAWN_NOTE = "Drawn from the rows as published."


class _State(NamedTuple):
    """Everything about one noise on one data set.

    Attributes:
        names: C class names.
        nominal: float [R, C, C], transition matrices.
        edited: float [A, C, C], the shares of wrong labels in every row, concentrated.
        over: integers [R, A, C], wrong labels that outnumber the right one in that row.
        most: float [R, A, C], the probability of the most frequent wrong label.
        drawn: float [R, C, C], the shares of labels that one draw gave.
        realized: float [R, DRAWS], the share of wrong labels in each draw.
        images: that the labels are drawn for.
    """

    names: tuple[str, ...]
    nominal: _Floats
    edited: _Floats
    over: _Integers
    most: _Floats
    drawn: _Floats
    realized: _Floats
    images: int


class TransitionExplorer(Explorer):
    """The transition matrix of a noise, and beside it where the wrong labels of one class go.

    The matrix is a heat map: row = true class, column = given label. The bars are the wrong labels
    of one class, as shares of all wrong labels of that class; the line across them lies at the
    right labels per wrong one, (1 - rate) / rate. A bar above it outnumbers the right label: the
    class is lost (`class_margins.dominated_classes`), and its row has a cross.

    ``concentration`` edits the row by `class_margins.concentrate`. It edits probabilities; what one
    draw gave is shown as published.

    Attributes:
        dataset: "aid" (30 classes, at first) or "nwpu45" (45).
        noise: "label_dependent" (at first), "symmetric" or "pair_flip".
        rate: nominal share of wrong labels, 0 to 0.9 in steps of 0.05; at first 0.7.
        aid_row: the class that the bars show while the data set is AID; at first its first.
        nwpu45_row: the same for NWPU45.
        view: "nominal" for the probabilities (at first), "drawn" for what one draw gave.
        concentration: -1 (spread evenly) to 1 (all to one class) in steps of 0.1; at first 0.
    """

    _esm = module("transition.js")

    dataset = Choice().tag(sync=True)
    noise = Choice().tag(sync=True)
    rate = Choice().tag(sync=True)
    aid_row = Choice().tag(sync=True)
    nwpu45_row = Choice().tag(sync=True)
    view = Choice().tag(sync=True)
    concentration = Choice().tag(sync=True)

    steps: ClassVar = {
        "30% wrong": {**_AS_PUBLISHED, "rate": 0.3, "noise": "label_dependent"},
        "70% wrong": {**_AS_PUBLISHED, "rate": 0.7, "noise": "label_dependent"},
        "70%, symmetric": {**_AS_PUBLISHED, "rate": 0.7, "noise": "symmetric"},
        "55%, pair flip": {**_AS_PUBLISHED, "rate": 0.55, "noise": "pair_flip"},
        "BareLand, spread": {
            **_AS_PUBLISHED, "rate": 0.7, "noise": "label_dependent", "aid_row": "BareLand",
            "concentration": -0.4,
        },
    }  # fmt: skip

    def __init__(
        self, aid_labels: ArrayLike, *, row: str | None = None, **chosen: float | str | None
    ) -> None:
        """Compute the table.

        Args:
            aid_labels: integers [N], the true labels of AID's training images; what is drawn is
                drawn for them. NWPU45 has 489 images in each class.
            row: name of a class of the data set to begin with; by default its first.
            chosen: what to begin with, by the name of the attribute; ``guess=True`` asks for a
                guess first, about that row.

        Raises:
            ValueError: labels that are not those of 30 classes, each with an image.
            traitlets.TraitError: a value that its control does not have.
        """
        labels = {
            "aid": _checked(aid_labels),
            "nwpu45": np.repeat(np.arange(45), _NWPU45_IMAGES),
        }
        states = {
            (name, kind): _state(name, kind, labels[name]) for name in _DATASETS for kind in _NOISES
        }
        start: dict[str, Any] = {"rate": 0.7, "concentration": 0.0, "aid_row": None}
        dataset = str(chosen.get("dataset") or "aid")
        start[f"{dataset}_row"] = row
        asked = _asked(states, dataset, row)
        super().__init__(_controls(), _table(states), {**start, **chosen}, asked)

    @property
    def row(self) -> str:
        """The class that the bars show now: `aid_row` or `nwpu45_row`, as the data set says."""
        return str(getattr(self, f"{self.dataset}_row"))

    @row.setter
    def row(self, name: str) -> None:
        setattr(self, f"{self.dataset}_row", name)


# ------------------------------------------------------------------ what is computed


def _state(dataset: str, kind: str, labels_N: _Integers) -> _State:
    names = noise.label_dependent_classes(dataset)
    nominal_RCC = np.stack(
        [noise.transition_of(kind, len(names), rate, dataset) for rate in _RATES]
    )
    edited = [
        [class_margins.concentrate(T, None, amount) for amount in _AMOUNTS] for T in nominal_RCC
    ]
    edited_RACC = np.array(edited)
    wrong_RACC = _wrong(edited_RACC)
    right_RAC1 = np.diagonal(edited_RACC, axis1=2, axis2=3)[..., None]
    counts_DRCC = _draws(labels_N, nominal_RCC)
    return _State(
        names=names,
        nominal=nominal_RCC,
        edited=_shares(edited_RACC[_RATES.index(_SHARES_AT)]),
        over=(wrong_RACC > right_RAC1).sum(axis=-1),
        most=wrong_RACC.max(axis=-1),
        drawn=counts_DRCC[0] / counts_DRCC[0].sum(axis=-1, keepdims=True),
        realized=_wrong(counts_DRCC).sum(axis=(2, 3)).T / len(labels_N),
        images=len(labels_N),
    )


def _draws(labels_N: _Integers, nominal_RCC: _Floats) -> _Floats:
    """Count the labels that each draw gives: [DRAWS, R, C, C], true class by given label."""
    classes = nominal_RCC.shape[-1]
    counts = [
        np.bincount(
            classes * labels_N + noise.corrupt_labels(labels_N, T, seed, method="vectorized")[0],
            minlength=classes**2,
        )
        for seed in range(_SEED, _SEED + _DRAWS)
        for T in nominal_RCC
    ]
    return np.array(counts, dtype=float).reshape(_DRAWS, *nominal_RCC.shape)


def _wrong(matrices: _Floats) -> _Floats:
    """Return matrices [..., C, C] with zeros on the diagonal."""
    return np.where(np.eye(matrices.shape[-1], dtype=bool), 0.0, matrices)


def _shares(matrices: _Floats) -> _Floats:
    """Return of all wrong labels in a row, the share of each; 0 where none is wrong."""
    wrong = _wrong(matrices)
    sums = wrong.sum(axis=-1, keepdims=True)
    shares: _Floats = np.divide(wrong, sums, out=np.zeros_like(wrong), where=sums > 0)
    return shares


def _checked(aid_labels: ArrayLike) -> _Integers:
    labels_N = array("aid_labels", aid_labels)
    classes = len(noise.label_dependent_classes("aid"))
    if labels_N.ndim != 1 or not np.array_equal(np.unique(labels_N), np.arange(classes)):
        raise ValueError(
            f"aid_labels have shape {labels_N.shape} and {len(np.unique(labels_N))} classes; give "
            f"the training labels of AID: integers [N], every class from 0 to {classes - 1}."
        )
    return labels_N.astype(np.int64)


# ------------------------------------------------------------------ what is said


def _asked(states: Mapping[tuple[str, str], _State], dataset: str, row: str | None) -> Guess | None:
    """Ask for the most frequent wrong label of a class at 70%: is the class lost?"""
    state = states.get((dataset, _NOISES[0]))
    if state is None or (name := row or state.names[0]) not in state.names:
        return None
    i, r = state.names.index(name), _RATES.index(_ASKED_AT)
    wrong_C = np.delete(state.nominal[r, i], i)
    called = np.delete(np.array(state.names), i)[wrong_C.argmax()]
    right, most = 100 * state.nominal[r, i, i], float(100 * wrong_C.max())
    lost = "lost" if most > right else "not lost"
    limit = {"name": "right", "label": f"called {name}: {right:.0f} of 100", "dash": [4, 2.5]}
    return Guess(
        "bar",
        f"With {_ASKED_AT:.0%} wrong labels in {_DATASETS[dataset]}, {right:.0f} of 100 images of "
        f"{name} are still called so. How many get the most frequent wrong name? Beyond the line "
        "the class is lost.",
        plots.Axis("the most frequent wrong name", (0.0, 1.0), (), ()),
        plots.axis(f"of 100 images of {name}", 0, 70, ticks=range(0, 71, 10)),
        [0.38, 0.62],
        [most],
        f"You said {{drawn}}; {{measured}} are called {called}: {{off}}. {name} is {lost}: "
        f"{right:.0f} are still called {name}.",
        unit="",
        given=[{"mark": "rule", "style": limit, "axis": "y", "shows": [float(right)]}],
    )


def _notes(state: _State) -> list[str]:
    """Nominal and realised rate in one sentence, for each rate."""
    return [
        f"Nominal rate {rate:.0%}. One draw for {state.images:,} images: {shares_D[0]:.1%} wrong; "
        f"{_DRAWS} draws: {shares_D.min():.1%} to {shares_D.max():.1%}."
        for rate, shares_D in zip(_RATES, state.realized, strict=True)
    ]


# ------------------------------------------------------------------ the table for the page


def _controls() -> dict[str, Control]:
    amounts = number_control("Concentration", _AMOUNTS, "{:+.1f}", snaps=True)
    texts = ("evenly spread", *amounts.texts[1:-1], "all to one class")
    texts = tuple("as published" if a == 0 else t for a, t in zip(_AMOUNTS, texts, strict=True))
    rows = {
        f"{name}_row": Control("Class (row)", classes, classes)
        for name in _DATASETS
        for classes in [noise.label_dependent_classes(name)]
    }
    kinds = tuple(plots.NOISE_NAMES[kind] for kind in _NOISES)
    return {
        "dataset": Control("Data set", tuple(_DATASETS), tuple(_DATASETS.values())),
        "noise": Control("Kind of label noise", _NOISES, kinds),
        "rate": number_control("Noise rate", _RATES, "{:.0%}", snaps=True),
        **rows,
        "view": Control("Show", tuple(_VIEWS), tuple(_VIEWS.values())),
        "concentration": amounts._replace(texts=texts),
    }


def _table(states: Mapping[tuple[str, str], _State]) -> dict[str, Any]:
    """What the ES module looks up: see the type ``Table`` in ``static/transition.js``."""
    rates = np.array(_RATES)
    codes_R256 = plots.heat_codes(rates[:, None] * _heat_values())
    with np.errstate(divide="ignore"):
        rules_R = (1 - rates) / rates
    bars_x, bars_y = _share_axes()
    return {
        "datasets": {
            name: _dataset([states[name, kind] for kind in _NOISES]) for name in _DATASETS
        },
        "notes": {name: [_notes(states[name, kind]) for kind in _NOISES] for name in _DATASETS},
        "sentences": {"none": _NONE_WRONG, "lost": _LOST, "safe": _SAFE, "draw": _IN_DRAW},
        "rest": _REST,
        "drawn_note": _DRAWN_NOTE,
        "codes_at_rate": codes_R256,
        "right_codes": plots.heat_codes(1 - rates).tolist(),
        "right": 1 - rates,
        "rules": rules_R,
        "colors": plots.heat_colors(),
        "values": _heat_values(),
        "color_ticks": [
            {"text": f"{tick:g}", "place": int(plots.heat_codes(tick)) / 255}
            for tick in _HEAT_TICKS
        ],
        "wrong": plots.WRONG,
        "axes": {"x": bars_x, "y": bars_y},
    }


def _dataset(states: Sequence[_State]) -> dict[str, Any]:
    """One data set; K kinds of noise. The bars of a row come in the order of their size."""
    names = states[0].names
    x, y = _class_axes(names)
    return {
        "names": names,
        "axes": {"x": x, "y": y},
        "nominal": _nominal(states),
        "drawn": _drawn(states),
    }


def _nominal(states: Sequence[_State]) -> dict[str, Any]:
    edited_KACC, over_KRAC, most_KRAC = (
        np.stack([getattr(state, name) for state in states]) for name in ("edited", "over", "most")
    )
    order_KCC = _order(edited_KACC[:, _AMOUNTS.index(0.0)])
    lost_KRAC = over_KRAC > 0
    published_KRC = lost_KRAC[:, :, _AMOUNTS.index(0.0)]
    others_KRC = published_KRC.sum(axis=-1, keepdims=True) - published_KRC
    return {
        "order": order_KCC,
        "shares": _shown(edited_KACC, order_KCC[:, None]),
        "codes": plots.heat_codes(edited_KACC),
        "over": over_KRAC,
        "most": most_KRAC,
        "lost": others_KRC[:, :, None] + lost_KRAC,
    }


def _drawn(states: Sequence[_State]) -> dict[str, Any]:
    drawn_KRCC = np.stack([state.drawn for state in states])
    wrong_KRCC = _wrong(drawn_KRCC)
    right_KRC = np.diagonal(drawn_KRCC, axis1=-2, axis2=-1)
    order_KRCC = _order(wrong_KRCC)
    over_KRC = (wrong_KRCC > right_KRC[..., None]).sum(axis=-1)
    with np.errstate(divide="ignore"):
        rules_KRC = right_KRC / wrong_KRCC.sum(axis=-1)
    return {
        "order": order_KRCC,
        "shares": _shown(_shares(drawn_KRCC), order_KRCC),
        "codes": plots.heat_codes(drawn_KRCC),
        "over": over_KRC,
        "most": wrong_KRCC.max(axis=-1),
        "lost": (over_KRC > 0).sum(axis=-1),
        "right": right_KRC,
        "rules": rules_KRC,
    }


def _order(matrices: _Floats) -> _Integers:
    """Return the most frequent wrong labels of each row, [..., C, _BARS]."""
    own = np.eye(matrices.shape[-1], dtype=bool)
    order = np.argsort(np.where(own, 1.0, -matrices), axis=-1, kind="stable")
    return order[..., :_BARS].astype(np.int64)


def _shown(shares: _Floats, order: _Integers) -> _Floats:
    """Return the shares of these labels and, behind them, that of all others together."""
    shown = np.take_along_axis(shares, order, axis=-1)
    rest = shares.sum(axis=-1, keepdims=True) - shown.sum(axis=-1, keepdims=True)
    return np.concatenate([shown, np.where(rest > 1e-9, rest, 0.0)], axis=-1)
