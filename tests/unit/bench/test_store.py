"""The bench of the store measures what it says, at a size of seconds."""

import pytest

from agglo.bench import store


def test_every_way_of_keeping_features_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"SAMPLES": 12, "DIM": 32, "GRID": (8, 8), "WIDTHS": (8, 32), "JUDGED": 4}.items():
        monkeypatch.setattr(store, name, value)
    found = store.bench_store(rounds=1)
    assert found["sample"] == [32, 8, 8]
    assert found["fp32"]["bytes_over_fp32"] == 1
    assert (
        found["int8_zstd"]["bytes_over_fp32"]
        < found["int8"]["bytes_over_fp32"]
        < found["fp16"]["bytes_over_fp32"]
    )
    assert found["fp16"]["cosine_mean"] > found["int8"]["cosine_mean"] > 0.999
    assert found["int8"]["cosine_percentile_1"] < found["int8"]["cosine_mean"]
    assert found["int8"]["samples_per_s"] > 0
    curve = found["pca"]
    assert curve["8"]["energy"] < curve["32"]["energy"] == 1
    assert curve["8"]["cosine_mean"] < curve["32"]["cosine_mean"]
