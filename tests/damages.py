"""Damage to the bytes of files, as hypothesis draws it."""

from collections.abc import Callable

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

same_folder = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


@st.composite
def damages(draw: st.DrawFn) -> Callable[[bytes], bytes]:
    """Cut off, overwritten or with something put in, at any place."""
    at, new = draw(st.floats(0, 1)), draw(st.binary(max_size=40))
    overwritten = draw(st.integers(0, 40))

    def damage(data: bytes) -> bytes:
        place = int(at * len(data))
        rest = b"" if overwritten == 40 else data[place + overwritten :]
        return data[:place] + new + rest

    return damage
