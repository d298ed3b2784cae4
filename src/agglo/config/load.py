"""From a YAML file and `key=value` overrides to a frozen recipe; all problems are told at once."""

from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar, get_args

import yaml
from pydantic import ValidationError

from agglo.config.schema import Recipe
from agglo.config.section import Section
from agglo.core.errors import ConfigError

Part = TypeVar("Part", bound=Section)


def load_recipe(path: Path, overrides: Sequence[str] = ()) -> Recipe:
    """Read a recipe.

    Args:
        path: a YAML file.
        overrides: `dotted.key=value` each; values are read as YAML (`distill.steps=100`, `teachers=[{name: lab-sam}]`).

    Raises:
        ConfigError: the file is absent or not YAML, an override is not of that form, or values cannot be used; one line each.
    """
    return validated(Recipe, read_values(path, overrides), where=path.name)


def read_values(path: Path, overrides: Sequence[str] = ()) -> dict[str, Any]:
    """Return the values of a YAML file with `overrides` (as for `load_recipe`) put over them, not yet checked.

    Raises:
        ConfigError: the file is absent or not YAML, or an override is not of its form.
    """
    content = _read_yaml(path)
    for override in overrides:
        _override(content, override)
    return content


def read_settings(settings: Sequence[str]) -> dict[str, Any]:
    """Return the values of `dotted.key=value` each, as overrides of a recipe are read, not yet checked.

    Raises:
        ConfigError: one is not of that form.
    """
    content: dict[str, Any] = {}
    for setting in settings:
        _override(content, setting)
    return content


def validated(section: type[Part], values: dict[str, Any], *, where: str) -> Part:
    """Return `values` as a `section` of a recipe.

    Raises:
        ConfigError: some cannot be used; one line each, under `where`.
    """
    try:
        return section.model_validate(values)
    except ValidationError as problem:
        raise ConfigError(_explain(section, where, problem)) from None


def dump_recipe(recipe: Recipe) -> str:
    """Return the recipe with every default written out, as YAML."""
    return yaml.safe_dump(recipe.model_dump(mode="json"), sort_keys=False, allow_unicode=True)


def _read_yaml(path: Path) -> dict[str, Any]:
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(
            f"{path} must be a recipe (a YAML file), but there is no such file; see the folder `recipes`"
        ) from None
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as problem:
        raise ConfigError(f"{path} must be a YAML file, but cannot be read: {problem}") from None
    if not isinstance(content, dict):
        raise ConfigError(f"{path} must hold keys and values, but holds a {type(content).__name__}")
    return content


def _override(content: dict[str, Any], override: str) -> None:
    key, equals, value = override.partition("=")
    if not equals or not key:
        raise ConfigError(f"an override must be `dotted.key=value`, got {override!r}")
    *folders, leaf = key.split(".")
    branch = content
    for folder in folders:
        if branch.get(folder) is None:
            branch[folder] = {}
        branch = branch[folder]
        if not isinstance(branch, dict):
            raise ConfigError(f"override {override!r} must lead through sections, but `{folder}` is a value")
    try:
        branch[leaf] = yaml.safe_load(value)
    except yaml.YAMLError:
        raise ConfigError(f"the value of override {override!r} must be YAML") from None


def _explain(section: type[Section], where: str, problem: ValidationError) -> str:
    errors = problem.errors()
    lines = [f"{where}: {len(errors)} problem{'s' if len(errors) > 1 else ''}"]
    for error in errors:
        place = ".".join(str(part) for part in error["loc"]) or "the recipe"
        if error["type"] == "extra_forbidden":
            lines.append(f"  {place}: unknown setting; {_meant(section, error['loc'])}")
            continue
        found = "" if error["type"] in {"missing", "value_error"} else f", got {_short(error['input'])}"
        lines.append(f"  {place}: {error['msg'].removeprefix('Value error, ')}{found}")
    return "\n".join(lines)


def _meant(section: type[Section], place: Sequence[int | str]) -> str:
    """Return which known setting the unknown one at `place` is most like; all that are known there if it is like none."""
    *folders, unknown = place
    for folder in folders:
        field = section.model_fields.get(
            str(folder)
        )  # a number, or a name of the user's own, stays in the section
        section = next(_sections_in(field.annotation), section) if field else section
    known = list(section.model_fields)
    near = get_close_matches(str(unknown), known, n=1)
    return f"did you mean `{near[0]}`?" if near else f"known here are {', '.join(known)}"


def _sections_in(annotation: Any) -> Iterator[type[Section]]:
    """Yield the sections that an annotation speaks of, however deep: `tuple[TeacherConfig, ...]`, `PhantomConfig | None`."""
    if isinstance(annotation, type) and issubclass(annotation, Section):
        yield annotation
    for part in get_args(annotation):
        yield from _sections_in(part)


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
