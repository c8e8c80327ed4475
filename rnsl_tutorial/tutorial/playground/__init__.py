"""A small network that trains live in the page, without a kernel, on labels that may be wrong.

`Playground` shows it in a notebook, `page_html` writes it as one file, `embeddings_address` puts
embeddings of one's own into it. What trains is plain
JavaScript, ``static/engine.js``: the one place beside Python where the losses stand, held to torch
by tests.
"""

from rnsl_tutorial.tutorial.playground.embeddings import embeddings_address
from rnsl_tutorial.tutorial.playground.widget import Playground as Playground
from rnsl_tutorial.tutorial.playground.widget import page_html

__all__ = ["embeddings_address", "page_html"]  # Playground is one of the explorers
