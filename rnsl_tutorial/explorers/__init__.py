"""Explorers: pictures that a learner moves.

An explorer computes its whole table once, in Python and through the library's own functions, hands
it over as bytes, and leaves looking up and drawing to a small ES module in ``static``. Without a
kernel the same module runs in a plain page, see `standalone_html`.
"""

from rnsl_tutorial.explorers.base import Explorer
from rnsl_tutorial.explorers.embedding import EmbeddingExplorer
from rnsl_tutorial.explorers.page import standalone_html

__all__ = ["EmbeddingExplorer", "Explorer", "standalone_html"]
