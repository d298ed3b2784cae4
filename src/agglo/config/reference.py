"""Every setting of a recipe, read from the classes that hold them: so what is told is what is believed."""

import json
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, Union, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt, MinLen, MultipleOf
from pydantic.fields import FieldInfo
from pydantic_core import to_jsonable_python

from agglo.config.section import Section

SIGNS = {
    Gt: ("gt", ">"),
    Ge: ("ge", ">="),
    Lt: ("lt", "<"),
    Le: ("le", "<="),
    MultipleOf: ("multiple_of", "in steps of"),
}
NAMES = {bool: "true | false", int: "int", float: "float", str: "text", Path: "path", types.NoneType: "null"}
REQUIRED = "must be given"


class Setting(NamedTuple):
    """One setting.

    Attributes:
        path: as on the command line, such as `distill.batch_size`; `[]` stands for each part of a list.
        default: as YAML has it, or `REQUIRED`.
        values: what it may be.
        what: in words; empty where the name says it.
    """

    path: str
    default: str
    values: str
    what: str


def settings_of(section: type[Section], before: str = "") -> Iterator[Setting]:
    """Yield every setting of `section` and of the sections in it, in their order."""
    for name, field in section.model_fields.items():
        path, inner = before + name, _section_in(field.annotation)
        if inner is None:
            yield Setting(path, _default(field), _values(field), field.description or "")
            continue
        is_list = get_origin(field.annotation) is tuple
        if not _is_section(field.annotation):
            yield Setting(path, _default(field), "list" if is_list else "section or null", _first_line(inner))
        yield from settings_of(inner, f"{path}{'[]' if is_list else ''}.")


def _is_section(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, Section)


def _section_in(annotation: Any) -> type[Section] | None:
    """Return the section that `annotation` is, may be, or is a list of."""
    if _is_section(annotation):
        found: type[Section] = annotation
        return found
    return next((inner for each in get_args(annotation) if (inner := _section_in(each))), None)


def _first_line(section: type[Section]) -> str:
    return (section.__doc__ or "").strip().splitlines()[0]


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return REQUIRED
    value = to_jsonable_python(field.get_default(call_default_factory=True))
    return value if isinstance(value, str) else json.dumps(value)


def _values(field: FieldInfo) -> str:
    """Return a type with the bounds that stand beside it."""
    return " ".join([_name(field.annotation), *map(_bound, field.metadata)]).strip()


def _name(annotation: Any) -> str:
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return " | ".join(map(str, inner))
    if origin is Annotated:
        extra = [
            each for part in inner[1:] for each in (part.metadata if isinstance(part, FieldInfo) else [part])
        ]
        return " ".join([_name(inner[0]), *map(_bound, extra)]).strip()
    if origin in (Union, types.UnionType):
        return " | ".join(_name(each) for each in inner)
    if origin is list:
        return f"list of {_name(inner[0])}"
    if origin is tuple:
        whole = f"list of {_name(inner[0])}" if Ellipsis in inner else ", ".join(map(_name, inner))
        return whole if Ellipsis in inner else f"[{whole}]"
    if origin is dict:
        return f"{{{_name(inner[0])}: {_name(inner[1])}}}"
    return NAMES.get(annotation, str(annotation))


def _bound(constraint: Any) -> str:
    if isinstance(constraint, MinLen):
        return f"(at least {constraint.min_length})"
    for kind, (attribute, sign) in SIGNS.items():
        if isinstance(constraint, kind):
            return f"{sign} {getattr(constraint, attribute)}"
    pattern = getattr(constraint, "pattern", None)
    return f"like {pattern}" if pattern else ""
