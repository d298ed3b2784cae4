"""The benchmark of students gives a row for each pair asked for, against the one reference, whether that was asked for or not."""

from agglo.bench import students
from agglo.students import CATALOGUE


def test_rows_stand_beside_the_reference(monkeypatch):
    monkeypatch.setattr(students, "SIZES_PX", (64, 512))
    monkeypatch.setattr(
        students, "in_turn", lambda works, rounds: {name: [float(len(name))] * rounds for name in works}
    )
    rows = students.students_in_turn([("tinyvit", "mobilesam"), ("efficientvit", "samneck")], rounds=2)
    assert [(row["student"], row["neck"]) for row in rows] == [
        ("tinyvit", "mobilesam"),
        ("efficientvit", "samneck"),
    ]
    usual = CATALOGUE["efficientvit"]
    assert rows[1]["parameters"] == usual.num_parameters
    assert rows[1]["at_512_px"]["macs"] == usual.num_macs
    over = len("efficientvit samneck") / len("repvit fusing")
    assert rows[1]["at_64_px"]["over_reference"]["median"] == round(over, 4)


def test_the_reference_is_measured_as_itself(monkeypatch):
    monkeypatch.setattr(students, "SIZES_PX", (64,))
    (row,) = students.students_in_turn([students.REFERENCE], rounds=1)
    assert row["at_64_px"]["over_reference"]["median"] == 1.0
    assert row["at_64_px"]["median_ms"] > 0
