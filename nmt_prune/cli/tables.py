"""Tables on the terminal."""

from typing import Any


def print_table(header: list[str], rows: list[list[str]]) -> None:
    """Prints a table, numbers to the right; the first column is text."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    table = Table(*header, box=box.SIMPLE_HEAD)
    table.columns[0].overflow = "fold"
    for column in table.columns[1:]:
        column.justify = "right"
    for row in rows:
        table.add_row(*row)
    # A pipe has no width: never cut a name short there.
    console: Any = Console(width=None if Console().is_terminal else 240)
    console.print(table)
