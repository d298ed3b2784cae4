"""What a student costs per picture: every student with every neck, in turn in one run, against RepViT with the fusing neck."""

from functools import partial
from typing import Any

import torch

from agglo.bench.timing import in_turn, ratio, summary
from agglo.recipes.context import Tell, tell_nobody
from agglo.students import CATALOGUE, EMBED_DIM, NECKS, Student, build_student, count_macs, count_parameters

SIZES_PX = (512, 256)
REFERENCE = ("repvit", "fusing")
SEED = 0


@torch.inference_mode()
def bench_students(*, rounds: int, tell: Tell = tell_nobody) -> dict[str, Any]:
    """Return, for every student, neck and input size, milliseconds for one picture, and their ratio to the reference's.

    In float32 as trained (norms not fused), channels last; random weights, which play no part in time.
    """
    return {
        "reference": " with ".join(REFERENCE),
        "embed_dim": EMBED_DIM,
        "sizes_px": list(SIZES_PX),
        "students": students_in_turn(
            [(name, neck) for name in CATALOGUE for neck in NECKS], rounds=rounds, tell=tell
        ),
    }


@torch.inference_mode()
def students_in_turn(
    pairs: list[tuple[str, str]], *, rounds: int, tell: Tell = tell_nobody
) -> list[dict[str, Any]]:
    """Return one row for each `(student, neck)`: parameters, multiply-adds and milliseconds at each size, in one run."""
    students = {pair: _build(*pair) for pair in dict.fromkeys([REFERENCE, *pairs])}
    rows: dict[tuple[str, str], dict[str, Any]] = {
        pair: {"student": pair[0], "neck": pair[1], "parameters": count_parameters(students[pair])}
        for pair in pairs
    }
    for size_px in SIZES_PX:
        images = torch.randn(1, 3, size_px, size_px, generator=torch.Generator().manual_seed(SEED))
        images = images.to(memory_format=torch.channels_last)
        works = {" ".join(pair): partial(student, images) for pair, student in students.items()}
        times = in_turn(works, rounds=rounds, progress=tell(f"at {size_px} px"))
        for pair, row in rows.items():
            own = times[" ".join(pair)]
            row[f"at_{size_px}_px"] = {
                "macs": _macs(*pair, size_px),
                **summary(own),
                "over_reference": ratio(own, times[" ".join(REFERENCE)]),
            }
    return list(rows.values())


def _build(name: str, neck: str) -> Student:
    torch.manual_seed(SEED)
    return build_student(name, neck=neck).eval().to(memory_format=torch.channels_last)


def _macs(name: str, neck: str, size_px: int) -> int:
    with torch.device("meta"):
        return count_macs(build_student(name, neck=neck), input_px=size_px)
