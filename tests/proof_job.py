"""A job for the instrument of docs/phantom that does next to nothing."""

from pathlib import Path

from proof import common


def job(out: Path, *, real: Path | None = None) -> common.Job:
    """Return a job that does next to nothing."""
    return common.Job(out, out / "phantom-proof.json", real, effort=0.01)
