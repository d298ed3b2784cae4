"""`python:MODULE:CALLABLE`: a network of your own; the callable takes the weights' path or None and returns an `OwnTeacher`.

Called with None it gives the same network with whatever weights it has without a file; Agglo asks it so for its facts. Naming it
in a recipe runs its code: it is yours.
"""

import importlib
import inspect
from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from torch import nn

from agglo.core.errors import ConfigError
from agglo.core.files import sha256_of
from agglo.teachers.custom import OwnTeacher, family, own_entry
from agglo.teachers.entry import TeacherEntry


def build_encoder(architecture: Mapping[str, Any]) -> nn.Module:
    """Return the network that the callable makes.

    Args:
        architecture: `python`, as `MODULE:CALLABLE`, and perhaps `weights`, a path.
    """
    return _call(architecture["python"], architecture.get("weights")).network


def entry(name: str) -> TeacherEntry:
    """Return the entry of `python:MODULE:CALLABLE`, from the facts that the callable gives.

    Raises:
        ConfigError: it cannot be imported, is not callable, or gives no `OwnTeacher`.
    """
    own = _call(name, None)
    return own_entry(
        f"python:{name}",
        architecture={"python": name, "code_sha256": _code_sha256(name)},
        needs_file=False,
        num_parameters=sum(parameter.numel() for parameter in own.network.parameters()),
        **{key: value for key, value in vars(own).items() if key != "network"},
    )


@lru_cache(maxsize=16)
def terms(name: str, weights: Path, changed_ns: int) -> dict[str, str | None]:
    """Return licence, restriction and labels seen of `MODULE:CALLABLE` with a file; `changed_ns`, when the file was written, keeps
    what is remembered true.

    Raises:
        ConfigError: as `entry`.
    """
    own = _call(name, weights)
    return {"licence": own.licence, "restriction": own.restriction, "labels_seen": own.labels_seen}


def _call(name: str, weights: Path | None) -> OwnTeacher:
    found = _find(name)(weights)
    if not isinstance(found, OwnTeacher):
        raise ConfigError(
            f"a teacher python:{name} must return an agglo.teachers.OwnTeacher, got {type(found).__name__}."
        )
    return found


def _find(name: str) -> Callable[[Path | None], object]:
    module_name, _, attribute = name.partition(":")
    try:
        found = getattr(importlib.import_module(module_name), attribute)
    except (ImportError, AttributeError, ValueError) as problem:
        raise ConfigError(
            f"a teacher python:MODULE:CALLABLE must be importable, got {name!r}: {problem}. Is its folder on PYTHONPATH?"
        ) from problem
    if not callable(found):
        raise ConfigError(f"a teacher python:MODULE:CALLABLE must name a callable, but {name} is none.")
    return found


def _code_sha256(name: str) -> str | None:
    """Return the SHA-256 of the module's file: other code may see other things in the same picture."""
    file = inspect.getsourcefile(importlib.import_module(name.partition(":")[0]))
    return sha256_of(Path(file)) if file else None


FAMILY = family(build_encoder, loads_itself=True)
