"""A table of rich, as it is printed."""

from rich.console import Console


def rows_of(table: object) -> list[str]:
    console = Console(width=200)
    with console.capture() as capture:
        console.print(table)
    return [line.strip() for line in capture.get().splitlines() if line.strip()]
