"""What there is: the teachers as the catalogue has them, and the students with costs counted on the built model."""

from typing import Any

import torch

from agglo.core.shapes import EMBEDDING_STRIDE_PX
from agglo.students import CATALOGUE, EMBED_DIM, build_student, count_macs, count_parameters


def teacher_rows() -> list[dict[str, Any]]:
    """Return one row for every teacher: what it is, whether its weights are here, how to get them."""
    from agglo.teachers import describe

    return describe()


def student_rows() -> list[dict[str, Any]]:
    """Return `{name, params, macs, input_px, embedding}` for every student, at its usual input."""
    rows = []
    for name, entry in CATALOGUE.items():
        with torch.device("meta"):  # shapes without numbers: nothing is drawn, nothing computed
            student = build_student(name).eval()
        cells = entry.input_px // EMBEDDING_STRIDE_PX
        rows.append(
            {
                "name": name,
                "params": count_parameters(student),
                "macs": count_macs(student, input_px=entry.input_px),
                "input_px": entry.input_px,
                "embedding": [EMBED_DIM, cells, cells],
            }
        )
    return rows
