"""How benchmarks print what they found: as tables that a page can take over."""

from collections.abc import Iterable, Sequence

__all__ = ["table"]


def table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return a Markdown table.

    >>> print(table(["", "rows/s"], [["sum", "52,000"]]))
    | | rows/s |
    |---|---|
    | sum | 52,000 |
    """
    lines = [header, *rows]
    head, *body = ["| " + " | ".join(map(str, cells)) + " |" for cells in lines]
    return "\n".join(line.replace("|  |", "| |") for line in (head, "|" + "---|" * len(header), *body))
