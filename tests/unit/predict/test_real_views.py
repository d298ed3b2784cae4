"""Are real lateral pictures called lateral, and frontal ones not? Needs real images and the model of recipes/phantom.yaml."""

from pathlib import Path

import pytest

from agglo.predict import Predictor, flags, load
from agglo.predict.anatomy import describe
from agglo_runtime.images import list_images, read_image
from agglo_runtime.prepare import invert

MODEL = Path(__file__).parents[3] / "runs" / "phantom" / "model"


@pytest.fixture(scope="module")
def trained() -> Predictor:
    """Return the model that recipes/phantom.yaml makes; skips the test where it was not run."""
    if not (MODEL / "config.json").is_file():
        pytest.skip("needs a trained model: agglo run recipes/phantom.yaml")
    return load(MODEL)


@pytest.mark.real_data
@pytest.mark.parametrize(
    ("folder", "is_white_bone", "expected"), [("vfss_clip", False, False), ("spine_ap", True, True)]
)
def test_lateral_and_frontal_real_pictures(
    real_data_folder: Path, trained: Predictor, folder: str, is_white_bone: bool, expected: bool
) -> None:
    paths = list_images([real_data_folder / folder / "images"])[::40]
    judged = []
    for path in paths:
        picture = read_image(path)
        masks = trained.masks(invert(picture) if is_white_bone else picture)
        judged.append(flags.is_not_lateral(describe(masks, trained.structures), trained.structures))
    assert judged.count(expected) >= 0.9 * len(judged)
