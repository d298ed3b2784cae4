"""The bench of extraction compares whole extractions with as many bare passes, at a size of seconds."""

import pytest

from agglo.bench import extract


def test_an_extraction_is_held_against_bare_forward_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"PATIENTS": 1, "FRAMES": 2, "TEACHERS": ("lab-dino",)}.items():
        monkeypatch.setattr(extract, name, value)
    found = extract.bench_extract(rounds=2)
    assert found["views"] == 4
    assert found["teachers"] == ["lab-dino"]
    assert found["extraction"]["median_ms"] > 0
    for name in ("extraction_over_forward", "processor_time_over_forward"):
        assert 0 < found[name]["min"] <= found[name]["median"] <= found[name]["max"]
