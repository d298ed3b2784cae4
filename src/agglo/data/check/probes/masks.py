"""Checks of masks against their pictures, their encoding and their states."""

from collections.abc import Iterator

import numpy as np

from agglo.data.check.look import Look
from agglo.data.check.report import Problem
from agglo.data.check.survey import Survey
from agglo.data.masks import BITS, num_planes
from agglo.data.states import State


def number_of_files(survey: Survey) -> Iterator[Problem]:
    """A row names as many masks as its structures need, if anything is present."""
    if survey.layout != "native" or survey.encoding not in ("bitfield", "index"):
        return
    expected = num_planes(len(survey.structures)) if survey.encoding == "bitfield" else 1
    for row in survey.rows:
        if row.is_torn:
            continue
        if row.masks and len(row.masks) != expected:
            yield Problem("mask_files", row.place, f"`mask` names {len(row.masks)} files, must be {expected}")
        pairs = zip(survey.structures, row.states, strict=True)
        present = [structure for structure, state in pairs if state is State.PRESENT]
        if present and not row.masks:
            yield Problem("missing_mask", row.place, f"`mask` is blank, though {', '.join(present)} present")


def sizes(look: Look) -> Iterator[Problem]:
    """A mask has its picture's size."""
    if look.image is None:
        return
    for mask in look.masks:
        if mask.page.shape != look.image.shape:
            sides = [f"{shape[0]} x {shape[1]}" for shape in (mask.page.shape, look.image.shape)]
            found = f"is {sides[0]}, its picture {sides[1]} (rows x columns)"
            yield Problem("mask_size", look.survey.relative(mask.path), found)


def values(look: Look) -> Iterator[Problem]:
    """A mask holds no value without a meaning."""
    survey = look.survey
    total = len(survey.structures)
    for mask in look.masks:
        where = survey.relative(mask.path)
        if survey.encoding == "per_structure":
            strange = [int(value) for value in np.unique(mask.page) if value]
            if len(strange) > 1:
                yield Problem("mask_value", where, f"must hold 0 and one other value, has {_listed(strange)}")
        elif survey.encoding == "index":
            strange = [int(value) for value in np.unique(mask.page) if value > total]
            if strange:
                yield Problem("mask_value", where, f"must hold 0 to {total}, has {_listed(strange)}")
        elif survey.encoding == "bitfield":
            here = min(BITS, total - BITS * look.row.masks.index(mask.path))
            used = int(np.bitwise_or.reduce(mask.page, axis=None))
            strange = [bit for bit in range(max(0, here), BITS) if used >> bit & 1]
            if strange:
                yield Problem("mask_value", where, f"must use bits 0 to {here - 1}, uses {_listed(strange)}")


def contradictions(look: Look) -> Iterator[Problem]:
    """States and pixels agree."""
    survey, row = look.survey, look.row
    if survey.layout != "native" or survey.encoding is None or row.is_torn:
        return
    counts = look.counts  # only of structures whose mask could be read
    for place, (structure, state) in enumerate(zip(survey.structures, row.states, strict=True)):
        count = counts.get(place, 0)
        where = f"{row.place} {structure}"
        if state is State.PRESENT and counts.get(place) == 0:
            yield Problem("present_but_empty", where, "is `present` and has no pixel")
        elif state is State.ABSENT and count:
            yield Problem("absent_but_pixels", where, f"is `absent` and has {count} pixels")
        elif state is State.UNLABELLED and count:
            yield Problem("pixels_without_state", where, f"has no state and {count} pixels")


def _listed(values: list[int]) -> str:
    shown = ", ".join(map(str, values[:8]))
    return shown + (f" and {len(values) - 8} more" if len(values) > 8 else "")
