"""White bone is told from black on phantoms, and an inverted video is reported."""

import numpy as np
import pytest

from agglo.data import DatasetWriter, FrameInfo
from agglo.data.check import check_folder
from agglo.data.check.polarity import polarity_figures, polarity_of
from agglo.phantom import render_study, sample_study


@pytest.fixture(scope="module")
def videos() -> list[list[np.ndarray]]:
    """Return five frames each of two synthetic patients."""
    return [
        [frame.image for frame in render_study(sample_study(1, patient, "standard"), frames=5, size_px=128)]
        for patient in range(2)
    ]


def test_phantoms_are_bone_black(videos: list[list[np.ndarray]]) -> None:
    for frames in videos:
        figures = [polarity_figures(image) for image in frames]
        inverted = [polarity_figures(np.uint8(255) - image) for image in frames]
        assert polarity_of(figures) == "bone_black"
        assert polarity_of(inverted) == "bone_white"
        assert np.allclose(figures, -np.array(inverted), atol=0.05)


def test_nothing_is_said_of_noise_and_of_little() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (80, 80), dtype=np.uint8)
    assert polarity_of([polarity_figures(noise)]) is None
    assert polarity_figures(noise[:20]) is None
    assert polarity_figures(np.full((80, 80), 3, np.uint8)) is None
    assert polarity_of([]) is None


STATED = {  # name: (is the second video inverted, what its polarity column says, where a warning is expected)
    "sound": (False, "", None),
    "inverted": (True, "", "patient p1, video v0"),
    "said": (True, "bone_white", None),
    "said_wrongly": (False, "bone_white", "patient p1, video v0"),
}


@pytest.mark.parametrize(("is_inverted", "column", "where"), STATED.values(), ids=STATED)
def test_a_video_of_the_wrong_polarity(
    videos: list[list[np.ndarray]], is_inverted: bool, column: str, where: str | None, tmp_path
) -> None:
    writer = DatasetWriter(tmp_path, name="d", structures=())
    for patient, frames in enumerate(videos):
        for index, image in enumerate(frames):
            facts = {"polarity": column if patient else ""}
            info = FrameInfo(f"p{patient}_{index}", f"p{patient}", "v0", index, facts=facts)
            writer.add(info, np.uint8(255) - image if patient and is_inverted else image, None, ())
    writer.finish()
    report = check_folder(tmp_path)
    assert report.errors == []
    assert [(problem.kind, problem.where) for problem in report.warnings] == (
        [("polarity", where)] if where else []
    )
