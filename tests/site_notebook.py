"""A small notebook with all that an exported page has to deal with."""

from pathlib import Path

import nbformat
from nbformat import NotebookNode

OPENING = """# 7. A small page
**You will be able to** see $p^q$ move. **Time** 5 min. **Runs on** any laptop. **Needs** nothing.

The question: **does $q$
move?** See [the start](00_start_here.ipynb) or
[a paper](https://doi.org/10.1109/TGRS.2020.3042607).

$$L_q = \\begin{cases} (1 - p^q) / q & p > k \\\\ (1 - k^q) / q & p \\le k \\end{cases}$$

| symbol | in code |
|---|---|
| $L = -\\log p$ | `losses.nsl`, costs $5 |

<details><summary>Answer</summary>

It is $q = 0.7$.
</details>
"""

EXPLORERS = f"""
import sys
import ipywidgets
sys.path.insert(0, {str(Path(__file__).parent)!r})
from synthetic_maps import small_maps
from rnsl_tutorial.tutorial.explorers import EmbeddingExplorer
explorer = EmbeddingExplorer(small_maps(), rate=0.3)
explorer
"""


def small_notebook() -> NotebookNode:
    """Two views of an explorer, another one in a box, a progress bar, a slider, a figure, ..."""
    code = nbformat.v4.new_code_cell
    cells = [
        code("print('on Colab')", metadata={"tags": ["colab"]}),
        nbformat.v4.new_markdown_cell(OPENING),
        code(EXPLORERS),
        code("ipywidgets.VBox([explorer, EmbeddingExplorer(small_maps(), loss='rnsl')])"),
        code("explorer.rate = 0.55\nexplorer.rate"),
        code("from tqdm.auto import tqdm\nfor _ in tqdm(range(3), desc='waiting'): pass"),
        code("ipywidgets.FloatSlider(description='lonely')"),
        code("import matplotlib.pyplot as plt\nplt.plot([0, 1])\nplt.show()"),
        code("def your_turn():\n    raise NotImplementedError\nprint('<b>p</b> & $q$')"),
        code("assert 'the claim' + str(print('held'))", metadata={"tags": ["hidden-assert"]}),
    ]
    return nbformat.v4.new_notebook(cells=cells)
