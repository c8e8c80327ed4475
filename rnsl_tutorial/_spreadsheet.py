"""Names in CSV files, which people open in spreadsheets.

A spreadsheet takes a cell that begins with one of ``= + - @`` (or a tab or line break) for a
formula, and a formula may fetch an address or start a program. A class folder may be called so, and
an archive may come from anybody. An apostrophe in front makes it text; `original` takes it away.
"""

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
_APOSTROPHE = "'"


def guarded(name: str) -> str:
    """Return a name that no spreadsheet computes: with an apostrophe in front where it needs one.

    A name that begins with an apostrophe gets another, so that `original` tells them apart.
    """
    return _APOSTROPHE + name if name.startswith((*_FORMULA, _APOSTROPHE)) else name


def original(cell: str) -> str:
    """Return the name that `guarded` was given."""
    return cell.removeprefix(_APOSTROPHE)
