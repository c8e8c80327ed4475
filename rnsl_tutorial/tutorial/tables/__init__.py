"""Tables that explorers show, computed once by a script of ``tools/`` and shipped in ``data/aid``.

Each is a NamedTuple of arrays and names: ``UmapMaps.shipped()`` reads it.
"""

from rnsl_tutorial.tutorial.tables.embedding_maps import EmbeddingMaps
from rnsl_tutorial.tutorial.tables.followed_runs import Estimate, FollowedRuns
from rnsl_tutorial.tutorial.tables.umap_maps import MEASURES, UmapMaps

__all__ = ["MEASURES", "EmbeddingMaps", "Estimate", "FollowedRuns", "UmapMaps"]
