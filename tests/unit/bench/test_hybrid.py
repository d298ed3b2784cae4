"""The bench of online teachers takes both kinds of step and says when storing is cheaper, at a size of seconds."""

import pytest

from agglo.bench import hybrid


def test_both_ways_are_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = {"PATIENTS": 3, "FRAMES": 2, "TEACHERS": ("lab-dino",), "SIZE_PX": 64, "BATCH": 2}
    for name, value in sizes.items():
        monkeypatch.setattr(hybrid, name, value)
    found = hybrid.bench_hybrid(rounds=2)
    assert found["online_step"]["median_ms"] > found["stored_step"]["min_ms"] > 0
    assert found["online_over_stored"]["max"] > 1
    assert found["extraction_ms_a_view"] > 0
    assert found["break_even_epochs"] is None or found["break_even_epochs"] > 0
