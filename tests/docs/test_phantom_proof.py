"""The instrument of docs/phantom: what it measures is what it says it measures."""

from pathlib import Path

import numpy as np
import pytest
from proof import common, grey, motion, noise, patches, transfer

from agglo.phantom import STRUCTURES, PhantomFrame, sample_study
from proof_job import job

# What "inside", quantiles and AUC mean.

AUC_CASES = {  # name: (scores of positives, of negatives, expected)
    "apart": ([3.0, 4.0], [1.0, 2.0], 1.0),
    "the wrong way": ([1.0], [2.0, 3.0], 0.0),
    "ties": ([1.0, 1.0], [1.0], 0.5),
    "mixed": ([1.0, 3.0], [2.0], 0.5),
}


@pytest.mark.parametrize(("positive", "negative", "expected"), AUC_CASES.values(), ids=AUC_CASES)
def test_auc(positive: list[float], negative: list[float], expected: float) -> None:
    assert common.auc(np.array(positive), np.array(negative)) == expected


def test_inside_is_between_the_5_and_95_percent_quantiles() -> None:
    spread = common.quantiles([*range(101), float("nan")])
    assert (spread["p05"], spread["p50"], spread["p95"], spread["n"]) == (5.0, 50.0, 95.0, 101)
    assert [common.is_inside(value, spread) for value in (4.9, 5.0, 95.0, 95.1, None)] == [
        False,
        True,
        True,
        False,
        None,
    ]


def test_what_was_never_seen_has_no_quantiles() -> None:
    spread = common.quantiles([float("nan")])
    assert spread["p50"] is None
    assert common.is_inside(1.0, spread) is None
    assert common.share_inside([float("nan")], (0, 1)) is None


# Regions and noise.


def test_regions_lie_where_their_names_say(frame: PhantomFrame) -> None:
    c4 = grey.region(frame, "C4 body")
    assert c4.any()
    assert not (c4 & ~frame.masks[STRUCTURES.index("C4")]).any()
    centres = {
        name: np.argwhere(grey.region(frame, name)).mean(0)
        for name in ("posterior neck", "C4 body", "tongue")
    }
    forward = 1 if frame.truth.facing == "right" else -1
    assert forward * (centres["C4 body"] - centres["posterior neck"])[1] > 0
    assert centres["tongue"][0] < centres["C4 body"][0]


def test_a_disc_that_sticks_out_of_the_picture_is_no_region() -> None:
    assert grey.disc((40, 40), np.array([20.0, 20.0]), 5.0).sum() == pytest.approx(np.pi * 25, rel=0.1)
    assert not grey.disc((40, 40), np.array([3.0, 20.0]), 5.0).any()


def test_black_outside_of_the_circle_is_no_grey_level() -> None:
    assert np.isnan(grey.median_in(np.zeros((20, 20), np.uint8), np.ones((20, 20), bool)))


def made_noise(*, lag: float, spread: tuple[float, ...]) -> np.ndarray:
    """Return a stretch `[8, 256, 256]` of grey 120 with noise of SD 4, of known correlations."""
    random = np.random.default_rng(0)
    fresh = random.standard_normal((9, 256, 256))
    stretch = np.empty((8, 256, 256))
    for at in range(8):
        stretch[at] = lag * (stretch[at - 1] if at else fresh[0]) + np.sqrt(1 - lag**2) * fresh[at + 1]
    taps = np.asarray(spread)
    for axis in (1, 2):
        stretch = np.apply_along_axis(np.convolve, axis, stretch, taps, mode="same")
    return (120 + 4 * stretch / stretch.std()).astype(np.float32)


def test_white_noise_has_no_correlation_and_a_flat_spectrum() -> None:
    found = noise.noise_of(made_noise(lag=0.0, spread=(1.0,)))
    assert found["sd_mid"] == pytest.approx(4, rel=0.05)
    assert abs(found["neighbour_1"]) < 0.02
    assert found["lag_1"] == pytest.approx(-1 / 8, abs=0.03)  # the bias of taking the mean of eight away
    rings = np.arange(noise.RINGS) + 0.5
    np.testing.assert_allclose(found["spectrum"], rings / rings.sum(), rtol=0.25, atol=0.004)


def test_known_correlations_are_found() -> None:
    found = noise.noise_of(made_noise(lag=0.6, spread=(1.0, 1.0)))
    assert found["neighbour_1"] == pytest.approx(0.5, abs=0.04)
    assert abs(found["neighbour_2"]) < 0.05
    assert 0.3 < found["lag_1"] < 0.6


def test_saturated_air_and_moving_edges_are_no_mid_tones() -> None:
    stretch = np.full((8, 64, 64), 240, np.uint8)
    assert noise.noise_of(stretch)["sd_saturated"] == 0
    assert np.isnan(noise.noise_of(stretch)["sd_mid"])


# Motion.


def test_the_measures_are_those_of_the_phantom() -> None:
    found = motion.kinematics()
    assert found is not None
    assert found(sample_study(1, 0)).keys() == motion.MEASURES.keys()


def test_swallows_are_counted(tmp_path: Path) -> None:
    rows = motion.measure(job(tmp_path))["rows"]
    assert rows.keys() == motion.MEASURES.keys()
    for row in rows.values():
        assert sum(row["histogram"]["counts"]) == row["n"] == 5


def test_a_histogram_covers_values_and_range() -> None:
    made = motion.histogram([1.0, 9.0, float("nan")], (2.0, 5.0))
    assert sum(made["counts"]) == 2
    assert made["edges"][0] < 1.0
    assert made["edges"][-1] > 9.0


# The patch classifier.


def blank(value: float, source: range) -> patches.Patches:
    """Return 20 patches of white noise around a grey level from each source."""
    random = np.random.default_rng(int(value))
    keys = np.repeat(np.asarray(source), 20)
    images = value + 10 * random.standard_normal((len(keys), 32, 32))
    return patches.Patches(images.astype(np.float32) / 255, keys)


def test_the_network_finds_what_is_different_and_nothing_else() -> None:
    found = {}
    for name, level in (("same", 100.0), ("brighter", 130.0)):
        net = patches.train(blank(level, range(4)).images, blank(100.0, range(4)).images, steps=24, name=name)
        real, fake = blank(level + 0.5, range(4, 8)), blank(101.0, range(4, 8))
        found[name] = patches.with_interval(
            patches.scores(net, real.images), real.source, patches.scores(net, fake.images), fake.source
        )
    assert found["brighter"][0] > 0.99
    assert 0.35 < found["same"][0] < 0.65
    assert found["same"][1] <= found["same"][0] <= found["same"][2]


def test_no_frame_and_no_patient_is_on_both_sides_of_a_split() -> None:
    real = {"clip": blank(100, range(100, 120)), "misc": blank(110, range(30))}
    for name, (learn, learn_fake, test, test_fake) in patches.splits(real, blank(120, range(10))).items():
        assert not set(learn_fake.source) & set(test_fake.source), name
        if name == "within":
            assert not set(learn.source) & set(test.source)
            clip = [keys[keys < 10_000] for keys in (learn.source, test.source)]
            assert clip[1].min() - clip[0].max() > 2  # frames between are left out
        else:
            assert len(learn.images) != len(test.images)


def test_patches_show_the_open_field() -> None:
    image = np.full((200, 200), 90.0, np.float32) + np.random.default_rng(0).normal(0, 5, (200, 200)).astype(
        np.float32
    )
    assert len(patches.fitting(image, np.random.default_rng(1), 5)) == 5
    image[:, :100] = 0
    for patch in patches.fitting(image, np.random.default_rng(1), 5):
        assert np.mean(patch < patches.DARK) <= patches.AT_MOST
    assert patches.fitting(image[:40], np.random.default_rng(1), 5) == []


@pytest.mark.parametrize("name", patches.VIEWS)
def test_a_look_takes_away_what_it_says(name: str) -> None:
    images = blank(100, range(2)).images * 255
    seen = patches.VIEWS[name].treat(images)
    brighter = patches.VIEWS[name].treat(images + 40)
    assert np.allclose(seen, brighter, atol=1e-3) == (name != "as they are")


# The real clip.


def test_a_prediction_is_read_with_and_without_its_bolus() -> None:
    pharynx, bolus = np.zeros((2, 8, 8), bool)
    pharynx[2:6], bolus[4:8] = True, True
    read = transfer.readings({"pharynx": pharynx, "bolus": bolus})
    assert read["pharynx"].sum() == 32
    assert read["pharynx without bolus"].sum() == 16
    assert transfer.readings({"pharynx": pharynx})["pharynx without bolus"].sum() == 32


def test_the_parts_of_the_clip_cover_its_labels_once() -> None:
    assert sorted(index for part in transfer.PARTS.values() for index in part) == list(transfer.LABELLED)


@pytest.mark.real_data
def test_the_clip_is_measured_where_its_regions_are(real_data_folder: Path, tmp_path: Path) -> None:
    levels = grey.clip_levels(job(tmp_path, real=real_data_folder))
    assert levels.keys() == {*grey.LISTED, "C4 texture SD"}
    assert (
        levels["shoulder"] < levels["bolus"] < levels["C4 body"] < levels["posterior neck"] < levels["airway"]
    )


def test_without_real_frames_or_a_model_a_part_says_so(tmp_path: Path) -> None:
    assert patches.measure(job(tmp_path)) == {"skipped": "no real frames were given (--real)"}
    assert transfer.measure(job(tmp_path)) == {"skipped": "no model was given (--model)"}
