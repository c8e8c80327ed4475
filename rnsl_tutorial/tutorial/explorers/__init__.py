"""Explorers: pictures that a learner moves.

An explorer computes its whole table once, in Python and through the library's own functions, hands
it over as bytes, and leaves looking up and drawing to a small ES module in ``static``. Without a
kernel the same module runs in a plain page, see `standalone_html`. The one exception is
`Playground`, whose runs are computed in the page.
"""

from rnsl_tutorial.tutorial.explorers.audit import AuditExplorer
from rnsl_tutorial.tutorial.explorers.base import Explorer
from rnsl_tutorial.tutorial.explorers.class_margins import ClassMarginsExplorer
from rnsl_tutorial.tutorial.explorers.comparison import ComparisonExplorer
from rnsl_tutorial.tutorial.explorers.down_weighting import DownWeightingExplorer, QExplorer
from rnsl_tutorial.tutorial.explorers.embedding import EmbeddingExplorer
from rnsl_tutorial.tutorial.explorers.fine_tuning import FineTuningExplorer
from rnsl_tutorial.tutorial.explorers.gradient_share import GradientShareExplorer
from rnsl_tutorial.tutorial.explorers.loss_curves import LossExplorer
from rnsl_tutorial.tutorial.explorers.page import standalone_html
from rnsl_tutorial.tutorial.explorers.sphere import SphereExplorer, SphereTrainingExplorer
from rnsl_tutorial.tutorial.explorers.spot import SpotExplorer
from rnsl_tutorial.tutorial.explorers.transition import TransitionExplorer
from rnsl_tutorial.tutorial.explorers.truncation import PruningExplorer, TruncationExplorer
from rnsl_tutorial.tutorial.explorers.umap_maps import EpochMapsExplorer, UmapSettingsExplorer
from rnsl_tutorial.tutorial.playground import Playground

__all__ = [
    "AuditExplorer",
    "ClassMarginsExplorer",
    "ComparisonExplorer",
    "DownWeightingExplorer",
    "EmbeddingExplorer",
    "EpochMapsExplorer",
    "Explorer",
    "FineTuningExplorer",
    "GradientShareExplorer",
    "LossExplorer",
    "Playground",
    "PruningExplorer",
    "QExplorer",
    "SphereExplorer",
    "SphereTrainingExplorer",
    "SpotExplorer",
    "TransitionExplorer",
    "TruncationExplorer",
    "UmapSettingsExplorer",
    "standalone_html",
]
