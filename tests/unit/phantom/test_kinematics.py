"""The twelve measures of a swallow, taken from outlines, against the ranges that a swallow has."""

import numpy as np
import pytest

from agglo.phantom import sample_study
from agglo.phantom.kinematics import MEASURES, measure

RANGES = {  # name: (lowest, highest) of any swallow whose airway stays clean
    "hyoid_anterior_mm": (7.5, 18.0),
    "hyoid_superior_mm": (6.0, 25.5),
    "hyoid_total_percent_c2c4": (30.0, 85.0),
    "larynx_superior_mm": (13.0, 25.5),
    "larynx_anterior_mm": (3.5, 13.0),
    "vestibule_closure_s": (0.3, 1.1),
    "burst_to_closure_s": (0.07, 0.25),
    "ues_open_s": (0.25, 0.65),
    "ues_opening_mm": (0.8, 14.0),
    "pharyngeal_transit_s": (0.5, 1.02),
    "pharyngeal_area_percent": (25.0, 135.0),
    "constriction_ratio_percent": (1.0, 60.0),
}


@pytest.fixture(scope="module")
def measured():
    studies = [
        s for s in (sample_study(19, patient) for patient in (1, 2, 3, 5, 7)) if s.swallow.airway == "none"
    ]
    return studies, [measure(study) for study in studies]


def test_the_measures_are_the_twelve_named():
    assert tuple(RANGES) == MEASURES


@pytest.mark.parametrize("name", RANGES)
def test_a_swallow_keeps_to_the_ranges(name, measured):
    low, high = RANGES[name]
    values = np.array([row[name] for row in measured[1]])
    assert values.min() >= low
    assert values.max() <= high
    assert values.std() > 0


def test_larger_boluses_open_the_sphincter_wider(measured):
    studies, rows = measured
    small, large = (
        np.mean(
            [r["ues_opening_mm"] for s, r in zip(studies, rows, strict=True) if holds(s.swallow.volume_ml)]
        )
        for holds in (lambda ml: ml <= 5, lambda ml: ml >= 10)
    )
    assert large > small + 1.0


def test_weak_swallows_constrict_less(measured):
    studies, rows = measured
    weak, strong = (
        [
            r["constriction_ratio_percent"]
            for s, r in zip(studies, rows, strict=True)
            if s.person.is_weak is is_weak
        ]
        for is_weak in (True, False)
    )
    assert np.median(strong) < 14 < np.median(weak)
