"""Collecting everything that is wrong before saying it once."""

from agglo.core.errors import DataError

_SHOWN = 30


class Problems:
    """What is wrong with one thing, in the order found."""

    def __init__(self, what: str) -> None:
        """Collect problems of `what`, a path or a name that opens the message."""
        self.what = what
        self.found: list[str] = []

    def add(self, problem: str) -> None:
        """Note one problem: what must hold, what was found, what to do."""
        self.found.append(problem)

    def raise_if_any(self) -> None:
        """Raise one `DataError` with every problem (the first thirty in full); return quietly when there is none."""
        if not self.found:
            return
        count = f"{len(self.found)} problem{'s' if len(self.found) > 1 else ''}"
        lines = [f"{self.what}: {count}", *(f"  {problem}" for problem in self.found[:_SHOWN])]
        if len(self.found) > _SHOWN:
            lines.append(f"  ... and {len(self.found) - _SHOWN} more")
        raise DataError("\n".join(lines))
