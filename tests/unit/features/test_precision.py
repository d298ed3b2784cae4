"""bfloat16 is used where what a teacher sees stays what it was, on record, and refused in one sentence where it does not."""

import json
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from agglo.core.errors import FeatureMismatch, StoreError
from agglo.core.shapes import FeatureSpec, TeacherFeatures
from agglo.features import FeatureStore, fill_store
from agglo.features.looking import Looker, ReadyTeacher
from agglo.features.precision import agreement_in, measure, require_safe
from agglo.teachers import Teacher, entry_of
from unit.features.test_extract import Stripes


class Noise(Stripes):
    """A pool of pictures of noise, each another."""

    def render_sizes(self, sample: int, sizes_px: object) -> dict[int, np.ndarray]:
        random = np.random.default_rng(sample)
        return {size: random.random((size, size), np.float32) for size in sorted(sizes_px)}  # type: ignore[call-overload]


class Products(Teacher):
    """A teacher of one convolution; `offset` is added before and taken off after another one, which cancels in float32 alone."""

    def __init__(self, offset: float) -> None:
        torch.manual_seed(0)
        encoder = nn.ModuleList([nn.Conv2d(3, 8, 16, stride=16), nn.Conv2d(8, 4, 1)])
        super().__init__(encoder, FeatureSpec(name="lab-sam", dim=4, input_px=32, stride_px=16))
        self.offset = offset

    def look(self, images: torch.Tensor) -> TeacherFeatures:
        first, second = self.encoder
        found = second(first(images) + self.offset) - second(torch.full((1, 8, 1, 1), float(self.offset)))
        return TeacherFeatures(found)


def in_bf16(offset: float) -> ReadyTeacher:
    return ReadyTeacher(entry_of("lab-sam"), Products(offset), {"precision": "bf16"}, "bf16")


def test_what_is_measured_is_the_difference() -> None:
    near, far = (measure(Noise(), in_bf16(offset), Looker(torch.device("cpu"))) for offset in (0.0, 300.0))
    assert near.views == 16
    assert 0.999 < near.cosine_percentile_1 <= near.cosine_mean < 1
    assert 1e-4 < near.relative_error < 0.02
    assert near.is_safe
    assert far.relative_error > 0.05
    assert not far.is_safe


def test_a_column_in_bf16_says_how_near_it_is_and_is_another_one(tmp_path: Path) -> None:
    fill_store(Noise(), {"one": in_bf16(0.0), "two": replace(in_bf16(0.0), precision="fp32")}, tmp_path)
    store = FeatureStore.open(tmp_path)
    kept = json.loads((tmp_path / "columns" / "one" / "precision.json").read_text())
    assert kept["cosine_mean"] > 0.999
    assert not (tmp_path / "columns" / "two" / "precision.json").exists()
    apart = np.abs(store.column("one").features(0) - store.column("two").features(0)).max()
    assert 0 < apart < 0.05


def test_what_was_measured_of_other_weights_is_measured_anew(tmp_path: Path) -> None:
    folder, looker = tmp_path / "columns" / "one", Looker(torch.device("cpu"))
    require_safe(folder, "one", Noise(), in_bf16(0.0), looker)
    before = (folder / "precision.json").read_text()
    other = replace(in_bf16(300.0), identity={"weights": "b", "precision": "bf16"})
    with pytest.raises(FeatureMismatch, match="must see in bf16"):
        require_safe(folder, "one", Noise(), other, looker)
    require_safe(folder, "one", Noise(), in_bf16(0.0), looker)
    assert (folder / "precision.json").read_text() == before
    assert set(agreement_in(folder) or {}) == set(asdict(measure(Noise(), in_bf16(0.0), looker)))


def test_of_a_column_in_float32_nothing_is_measured(tmp_path: Path) -> None:
    fill_store(Noise(), {"one": replace(in_bf16(0.0), identity={}, precision="fp32")}, tmp_path)
    with pytest.raises(StoreError, match="was made with another identity"):
        fill_store(Noise(), {"one": in_bf16(0.0)}, tmp_path)
    assert not (tmp_path / "columns" / "one" / "precision.json").exists()


def test_too_far_off_is_refused_and_nothing_is_written(tmp_path: Path) -> None:
    with pytest.raises(
        FeatureMismatch, match=r"teacher one must see in bf16 what it sees in fp32 .* remove its"
    ):
        fill_store(Noise(), {"one": in_bf16(300.0)}, tmp_path)
    assert FeatureStore.open(tmp_path).teachers == ()
    fill_store(Noise(), {"one": replace(in_bf16(300.0), identity={}, precision="fp32")}, tmp_path)
    assert FeatureStore.open(tmp_path).column("one").missing_blocks() == []
