"""Which benchmark is meant by a word, and the frame that all of them share."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from agglo.core.errors import ConfigError
from agglo.recipes.context import Tell, tell_nobody
from agglo.recipes.environment import environment

USUAL_ROUNDS = 10
ROUNDS = {"extract": 3, "hybrid": 5}
"""Fewer rounds where one takes seconds."""


def bench(
    what: str, *, rounds: int | None = None, views: Sequence[int] = (), tell: Tell = tell_nobody
) -> dict[str, Any]:
    """Run a benchmark.

    Args:
        what: `phantom`, `extract`, `store`, `distill`, `hybrid`, `students`, or a model folder.
        rounds: measured repetitions; by default what `ROUNDS` says, else `USUAL_ROUNDS`.
        views: of `extract`: measure the memory that these numbers of views take instead of speed.
        tell: gives the progress of each part by name.

    Returns:
        JSON-like: what was measured, figures, and the machine.

    Raises:
        ConfigError: `what` is neither a benchmark nor a folder, or `views` are given with something else than `extract`.
    """
    from agglo.bench.distill import bench_distill
    from agglo.bench.extract import bench_extract
    from agglo.bench.hybrid import bench_hybrid
    from agglo.bench.memory import bench_memory
    from agglo.bench.model import bench_model
    from agglo.bench.phantom import bench_phantom
    from agglo.bench.store import bench_store
    from agglo.bench.students import bench_students

    known: dict[str, Callable[..., dict[str, Any]]] = {
        "phantom": bench_phantom,
        "extract": bench_extract,
        "store": bench_store,
        "distill": bench_distill,
        "hybrid": bench_hybrid,
        "students": bench_students,
    }
    if views and what != "extract":
        raise ConfigError(f"`--views` is for `agglo bench extract`, got it with {what!r}; leave it away")
    rounds = rounds or ROUNDS.get(what, USUAL_ROUNDS)
    if views:
        figures = bench_memory(counts=views, tell=tell)
    elif what in known:
        figures = known[what](rounds=rounds, tell=tell)
    elif Path(what).is_dir():
        figures = bench_model(Path(what), rounds=rounds, tell=tell)
    else:
        raise ConfigError(f"a benchmark must be one of {', '.join(known)}, or a model folder, got {what!r}")
    return {"bench": what, "rounds": rounds, "figures": figures, "environment": environment()}
