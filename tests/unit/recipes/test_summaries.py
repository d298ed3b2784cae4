"""A teacher's summary is a column of its own, seen by the same teacher in the same precision."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from agglo.config.load import load_recipe
from agglo.core.shapes import FeatureSpec, TeacherFeatures
from agglo.data import ViewRecipe, render_coverage, sample_view
from agglo.features import FeatureStore, Storage, fill_store
from agglo.features.looking import ReadyTeacher
from agglo.recipes.summaries import sources_of, summarised
from agglo.teachers import Teacher, entry_of
from unit.features.test_precision import Noise

RECIPE = Path(__file__).parents[3] / "recipes" / "phantom-quick.yaml"


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_summary_is_seen_in_the_precision_that_its_identity_says(precision: str) -> None:
    teacher = f"teachers=[{{name: lab-dino, precision: {precision}}}]"
    sources = sources_of(load_recipe(RECIPE, [teacher, "distill.summary=true"]))
    assert tuple(sources) == ("lab-dino", "lab-dino@summary")
    for source in sources.values():
        assert source.precision == source.identity.get("precision", "fp32") == precision
    assert sources["lab-dino@summary"].identity["map"] == "summary"


class Both(Teacher):
    """A teacher whose summary is the left upper cell of its map."""

    def __init__(self) -> None:
        torch.manual_seed(0)
        spec = FeatureSpec(name="lab-sam", dim=4, input_px=32, stride_px=16, summary_dim=4)
        super().__init__(nn.Conv2d(3, 4, 16, stride=16), spec)

    def look(self, images: torch.Tensor) -> TeacherFeatures:
        found = self.encoder(images)
        return TeacherFeatures(found, found[:, :, 0, 0])


def test_a_summary_in_bf16_is_asked_whether_it_may_be(tmp_path: Path) -> None:
    source = ReadyTeacher(entry_of("lab-sam"), Both(), {"precision": "bf16"}, "bf16")
    fill_store(Noise(), {"one": source, "one@summary": summarised(source)}, tmp_path)
    asked = {file.parent.name for file in tmp_path.glob("columns/*/precision.json")}
    assert asked == {"one", "one@summary"}


class Long(Noise):
    """Pictures two and a half times as wide as high, letterboxed: bands of padding above and below."""

    def coverage(self, sample: int, cells: int) -> np.ndarray:
        whole = ViewRecipe(flip_probability=0.0, first_is_identity=True)
        view = sample_view(whole, seed=0, frame=0, number=0, height=560, width=1400)
        return render_coverage(view, 560, 1400, cells)


@pytest.mark.parametrize("dtype", ["fp16", "int8"])
def test_the_summary_of_a_long_picture_counts(tmp_path: Path, dtype: str) -> None:
    source = summarised(ReadyTeacher(entry_of("lab-sam"), Both(), {"precision": "bf16"}, "bf16"))
    fill_store(Long(), {"one@summary": source}, tmp_path, storage=Storage(dtype, pilot_views=32))
    column = FeatureStore.open(tmp_path).column("one@summary")
    assert column.moments().count == len(column.samples)
    assert column.is_picture(0).all()
