"""The native format, version 1: how a dataset folder is read and validated on opening, without reading a pixel.

    dataset.json    format_version, name, structures, groups, mask_encoding, description, counts
    frames.csv      one row a frame: the columns below, `state:<structure>` for each structure, `visible:<structure>` where known;
                    every other column is a fact
    images/, masks/ whatever the columns `image` and `mask` name (`;` between several files; a blank `mask` means none);
                    with `per_structure` masks there is no `mask` column: a structure that is present has
                    masks/<structure>/<id>.png

Several raters have a folder each inside `masks/`: see `rater_tables`.

Writing is in `write`; looking into the pixels for contradictions is in `check`.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from agglo.core.errors import DataError
from agglo.core.files import read_json
from agglo.data.dataset import Frame, Header
from agglo.data.masks import KINDS, Kind, MaskEncoding
from agglo.data.problems import Problems
from agglo.data.rater_tables import rater_problems, with_raters
from agglo.data.raters import OWN
from agglo.data.table import read_table

FORMAT_VERSION = 1
_KEYS = ("format_version", "name", "structures", "groups", "mask_encoding", "description")


def read_native(folder: Path, reference: str | None = None) -> tuple[Header, list[Frame]]:
    """Return the header and the frames of the dataset in `folder`; raises one `DataError` with all problems found.

    `reference` overrides whose labels count, where there are several raters.
    """
    problems = Problems(str(folder))
    content = _read_json(folder / "dataset.json")
    if reference is not None:
        content["reference"] = reference
    header = _header_of(content, folder, problems)
    frames = read_table(header, content.get("counts", {}).get("frames"), problems)
    frames = with_raters(header, frames, problems)
    problems.raise_if_any()
    return header, frames


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content = read_json(path)
    except ValueError as error:
        raise DataError(f"{path} must be JSON, reading it gave: {error}; write the dataset again.") from None
    if not isinstance(content, dict):
        raise DataError(
            f"{path} must be a JSON object with {', '.join(_KEYS)}, it is a {type(content).__name__}."
        )
    if content.get("format_version") != FORMAT_VERSION:
        raise DataError(
            f"{path} must have format_version {FORMAT_VERSION}, it has {content.get('format_version')!r}; "
            "use the version of Agglo that wrote it, or write it again."
        )
    return content


def _header_of(content: Mapping[str, Any], folder: Path, problems: Problems) -> Header:
    for key in _KEYS:
        if key not in content:
            problems.add(f"dataset.json: `{key}` must be there; add it")
    structures = content.get("structures", [])
    raters, reference = content.get("raters", []), content.get("reference", OWN)
    problems.found.extend(structure_problems(structures, content.get("groups", {})))
    problems.found.extend(rater_problems(raters, reference, structures))
    kind: Kind = content.get("mask_encoding", "bitfield")
    if kind not in KINDS:
        problems.add(f"dataset.json: `mask_encoding` must be one of {list(KINDS)}, it is {kind!r}")
    for key in ("description", "counts"):
        if not isinstance(content.get(key, {}), dict):
            problems.add(f"dataset.json: `{key}` must be an object, it is {content[key]!r}; mend it")
    problems.raise_if_any()
    first = 1 if kind == "index" else 0
    return Header(
        folder=folder,
        name=str(content["name"]),
        structures=tuple(structures),
        groups={group: tuple(members) for group, members in content["groups"].items()},
        encoding=MaskEncoding(kind, tuple(range(first, first + len(structures)))),
        description=content["description"],
        raters=tuple(raters),
        reference=reference,
    )


def structure_problems(structures: Any, groups: Any) -> list[str]:
    """Return what is wrong with the names of structures and groups: they must be distinct, usable as folder names, and known."""
    if not isinstance(structures, list | tuple) or not all(isinstance(name, str) for name in structures):
        return [f"`structures` must be a list of names, it is {structures!r}"]
    found = []
    if len(set(structures)) < len(structures):
        found.append(f"`structures` must be distinct, they are {list(structures)}")
    for name in structures:
        is_usable = name == name.strip() and name and not name.startswith(".")
        if not is_usable or any(letter in name for letter in '/\\:;,"'):
            found.append(
                f'structure {name!r} must be a name without / \\ : ; , " and not start with a dot; rename it'
            )
    if not isinstance(groups, Mapping):
        return [*found, f"`groups` must map a name to structures, it is {groups!r}"]
    for group, members in groups.items():
        unknown = [name for name in members if name not in structures]
        if unknown:
            found.append(
                f"group {group!r} must hold structures of the dataset only, it also has {unknown}; remove them"
            )
    return found
