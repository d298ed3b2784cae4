"""The benchmark of students gives a row for each pair asked for, against the one reference, whether that was asked for or not."""

from agglo.bench import students
from agglo.students import CATALOGUE, build_student, count_macs, count_parameters
from contracts.narrow import narrow_entry


def test_rows_stand_beside_the_reference(monkeypatch):
    monkeypatch.setattr(students, "SIZES_PX", (64,))
    monkeypatch.setitem(CATALOGUE, "tinyvit", narrow_entry("tinyvit"))
    monkeypatch.setattr(
        students,
        "in_turn",
        lambda works, rounds, progress: {name: [float(len(name))] * rounds for name in works},
    )
    pairs = [("tinyvit", "mobilesam"), ("tinyvit", "samneck")]
    rows = students.students_in_turn(pairs, rounds=2)
    assert [(row["student"], row["neck"]) for row in rows] == pairs
    student = build_student("tinyvit", neck="samneck")
    assert rows[1]["parameters"] == count_parameters(student)
    assert rows[1]["at_64_px"]["macs"] == count_macs(student, input_px=64)
    over = len("tinyvit samneck") / len("repvit fusing")
    assert rows[1]["at_64_px"]["over_reference"]["median"] == round(over, 4)


def test_the_reference_is_measured_as_itself(monkeypatch):
    monkeypatch.setattr(students, "SIZES_PX", (64,))
    (row,) = students.students_in_turn([students.REFERENCE], rounds=1)
    assert row["at_64_px"]["over_reference"]["median"] == 1.0
    assert row["at_64_px"]["median_ms"] > 0
