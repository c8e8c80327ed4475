"""The explorer of losses: what an image costs, and how hard it pulls, under NSL, RNSL and MAE.

Shapes: Q values of q, T temperatures, P values of p, G cosines, L = 3 losses.
"""

from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray

from rnsl_tutorial import losses
from rnsl_tutorial.tutorial import curves, plots
from rnsl_tutorial.tutorial.explorers.base import Choice, Explorer, module, number_control

__all__ = ["LossExplorer"]

_Floats = NDArray[np.float64]

_P = np.arange(1, 201) / 200
_MARKED = _P[1::2]  # where the marker can stand
_COSINES = np.linspace(-0.5, 1.0, 301)
_PLACES = np.searchsorted(_P, _MARKED)  # and its places among P
_QS = np.arange(51) / 50
_TEMPERATURES = (0.02, 0.03, 0.05, 0.07, 0.1, 0.15, 0.2, 0.3, 0.5, 1.0)
_NUM_CLASSES = 30

_P_AXIS = plots.axis("p, belief in the label", 0, 1)
_COSINE_AXIS = plots.axis("cosine to the label's prototype", -0.5, 1)
_LOSS_AXIS = plots.axis("loss", 0, 5)
_PULL_AXIS = plots.axis("pull on the logit", 0, 1)


class LossExplorer(Explorer):
    """Loss and pull over p, and pull over the cosine, of RNSL beside NSL and MAE.

    The pull is |dL/dz| = p**q (1 - p), z the logit of the label: `curves.gradient_wrt_logit`. Over
    the cosine it is that of an image whose other 29 prototypes all lie at a right angle to it.

    Attributes:
        q: of RNSL, 0 to 1 in steps of 0.02, at first 0.7; 0 is NSL, 1 is MAE.
        temperature: T, which only the pull over the cosine sees; at first 0.05.
        p: where the markers stand, 0.01 to 1 in steps of 0.01; at first 0.1.
    """

    _esm = module("loss_curves.js")

    q = Choice().tag(sync=True)
    temperature = Choice().tag(sync=True)
    p = Choice().tag(sync=True)

    steps: ClassVar = {
        "Believed: p = 0.9": {"p": 0.9, "q": 0.7},
        "Doubted: p = 0.01": {"p": 0.01, "q": 0.7},
        "q = 0 is NSL": {"p": 0.01, "q": 0.0},
        "q = 1 is MAE": {"p": 0.01, "q": 1.0},
    }

    def __init__(self, **chosen: float | str | None) -> None:
        """Compute the curves and show them.

        Args:
            chosen: what to begin with, by the name of the attribute.

        Raises:
            traitlets.TraitError: a value that its control does not have.
        """
        controls = {
            "q": number_control("q of RNSL", _QS, snaps=True),
            "temperature": number_control("Temperature T", _TEMPERATURES, "{:g}"),
            "p": number_control("Marked image: p", _MARKED, snaps=True),
        }
        super().__init__(controls, _table(), {"q": 0.7, "temperature": 0.05, "p": 0.1, **chosen})


def _table() -> dict[str, Any]:
    """What the ES module looks up: see the type ``Table`` in ``static/loss_curves.js``.

    NaN stands where none pulls (p = 1), and where no cosine is high or low enough to reach p.
    """
    p_at_TG = np.stack([_p_at(temperature) for temperature in _TEMPERATURES])
    p, p_at = torch.from_numpy(_P), torch.from_numpy(p_at_TG)
    pull = np.abs(_over_q(curves.gradient_wrt_logit, p))
    return {
        "p": _P,
        "cosines": _COSINES,
        "marked": _PLACES.tolist(),
        "axes": {"p": _P_AXIS, "cosine": _COSINE_AXIS, "loss": _LOSS_AXIS, "pull": _PULL_AXIS},
        "styles": plots.loss_styles(("nsl", "rnsl", "MAE")),
        "loss": _over_q(curves.loss_of_p, p),
        "pull": pull,
        "harder": np.divide(pull[0], pull, out=np.full_like(pull, np.nan), where=pull > 0),
        "pull_at": np.abs(_over_q(curves.gradient_wrt_logit, p_at)),
        "cosine": np.stack([np.interp(_P, p_G, _COSINES, np.nan, np.nan) for p_G in p_at_TG]),
    }


def _over_q(curve: Any, p: torch.Tensor) -> _Floats:
    return np.stack([curve(p, float(q)).numpy() for q in _QS])


def _p_at(temperature: float) -> _Floats:
    """Compute p at each cosine to the label's prototype, [G]; the others lie at a right angle."""
    cosines_G = torch.from_numpy(_COSINES)
    prototypes_CD = torch.eye(_NUM_CLASSES, _NUM_CLASSES + 1, dtype=torch.float64)
    images_GD = torch.zeros(len(_COSINES), _NUM_CLASSES + 1, dtype=torch.float64)
    images_GD[:, 0], images_GD[:, -1] = cosines_G, (1 - cosines_G**2).sqrt()
    labels_G = torch.zeros(len(_COSINES), dtype=torch.int64)
    log_p_G = losses.label_log_probability(images_GD, prototypes_CD, labels_G, temperature)
    p_G: _Floats = log_p_G.exp().numpy()
    return p_G
