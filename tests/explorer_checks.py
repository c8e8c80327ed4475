"""What the tests of the explorers share: their arrays read back, and what they refuse."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
import traitlets
from numpy.typing import NDArray

from rnsl_tutorial.tutorial.explorers import Explorer


def array(packed: Mapping[str, Any]) -> NDArray[Any]:
    """An array as it was before it was packed."""
    return np.frombuffer(packed["data"], packed["dtype"]).reshape(packed["shape"])


def unpacked(explorer: Explorer, name: str) -> NDArray[Any]:
    """An array of an explorer's table."""
    return array(explorer._table[name])


def refuses(make: Callable[..., object], *cases: tuple[Any, str]) -> Callable[..., None]:
    """A test that each of these arguments is refused, with a message that matches."""

    @pytest.mark.parametrize(("changes", "message"), cases)
    def is_refused(changes: dict[str, Any], message: str) -> None:
        with pytest.raises(ValueError, match=message):
            make(**changes)

    return is_refused


def lacks(explorer: Explorer, **values: Any) -> None:
    """Each of these values is refused by its control, which says so and stays as it was."""
    for name, value in values.items():
        before = getattr(explorer, name)
        with pytest.raises(traitlets.TraitError, match=f"{name} is {value!r}; this explorer has"):
            setattr(explorer, name, value)
        assert getattr(explorer, name) == before
