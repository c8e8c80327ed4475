"""Images and their labels: read from disk, fetched, drawn; what a frozen network makes of them.

``load_archive`` reads a folder of class folders, or a tar or zip of one, and `splits` divide it.
`download` fetches public data sets, and ``make_scenes`` draws images of its own, without any
download. `features` are what heads are trained on; those of AID come with the package, and
`nwpu45_stand_in` plays NWPU-RESISC45 with them. ``read_features`` takes those of somebody else.
"""

from typing import TYPE_CHECKING

from rnsl_tutorial._lazy import exported

if TYPE_CHECKING:
    from rnsl_tutorial.datasets import download as download
    from rnsl_tutorial.datasets import nwpu45_stand_in as nwpu45_stand_in
    from rnsl_tutorial.datasets.archives import *  # noqa: F403
    from rnsl_tutorial.datasets.features import *  # noqa: F403
    from rnsl_tutorial.datasets.own_features import *  # noqa: F403
    from rnsl_tutorial.datasets.scenes import *  # noqa: F403
    from rnsl_tutorial.datasets.splits import *  # noqa: F403

__getattr__, __all__ = exported(
    __name__,
    archives="Archive Reading load_archive",
    download="",
    features="Backbone FeatureSet Reduction build_features cached_features cached_maps "
    "load_features load_shipped_features save_features",
    nwpu45_stand_in="",
    own_features="read_features",
    scenes="make_scenes",
    splits="Split paper_split split_for stratified_split",
)
