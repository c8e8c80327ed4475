"""What a room exports, imported when it is first asked for (PEP 562)."""

from collections.abc import Callable
from importlib import import_module
from typing import Any

__all__ = ["exported"]


def exported(room: str, **modules: str) -> tuple[Callable[[str], Any], list[str]]:
    """Return ``__getattr__`` and ``__all__`` of a room, by which nothing is imported in vain.

    Args:
        room: ``__name__`` of the package.
        modules: module of the room -> those of its names that the room exports as well, with
            spaces between.
    """
    home = {name: module for module, names in modules.items() for name in names.split()}

    def get(name: str) -> Any:
        if name in home:
            return getattr(import_module(f"{room}.{home[name]}"), name)
        if name in modules:
            return import_module(f"{room}.{name}")
        raise AttributeError(f"{room} has no {name!r}; it has {', '.join(home)}.")

    return get, sorted([*home, *modules])
