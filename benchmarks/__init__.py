"""Scripts that measure; on a machine without msgspec they bring what the settings need of it."""

import sys
from importlib.util import find_spec

if find_spec("msgspec") is None:
    from benchmarks import small_msgspec

    sys.modules["msgspec"] = small_msgspec
