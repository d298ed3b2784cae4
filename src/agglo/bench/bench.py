"""Which benchmark is meant by a word, and the frame that all of them share."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from agglo.core.errors import ConfigError
from agglo.recipes.environment import environment


def bench(what: str, *, rounds: int) -> dict[str, Any]:
    """Run a benchmark.

    Args:
        what: `phantom`, `store`, `distill`, `students`, or a model folder.
        rounds: measured repetitions.

    Returns:
        JSON-like: what was measured, figures, and the machine.

    Raises:
        ConfigError: `what` is neither a benchmark nor a folder.
    """
    from agglo.bench.distill import bench_distill
    from agglo.bench.model import bench_model
    from agglo.bench.phantom import bench_phantom
    from agglo.bench.store import bench_store
    from agglo.bench.students import bench_students

    known: dict[str, Callable[..., dict[str, Any]]] = {
        "phantom": bench_phantom,
        "store": bench_store,
        "distill": bench_distill,
        "students": bench_students,
    }
    if what in known:
        figures = known[what](rounds=rounds)
    elif Path(what).is_dir():
        figures = bench_model(Path(what), rounds=rounds)
    else:
        raise ConfigError(f"a benchmark must be one of {', '.join(known)}, or a model folder, got {what!r}")
    return {"bench": what, "rounds": rounds, "figures": figures, "environment": environment()}
