"""Flags of a frame, each from drawn pictures and necks: what must raise it, what must not."""

import numpy as np
import pytest

from agglo.predict import flags
from agglo.predict.anatomy import Anatomy, describe
from agglo_runtime.prepare import to_unit
from unit.predict.necks import NAMES, SIZE, neck, picture

STEP_S = 1 / 30


def seen(**options: object) -> Anatomy:
    return describe(neck(**options), NAMES)  # type: ignore[arg-type]


def frontal() -> np.ndarray:
    """Return the masks of a neck from the front: the jaw and the airway lie over the column."""
    return neck(mandible=(-50, 0), pharynx=(-22, 0), trachea=(-30, 0), epiglottis=(-30, 0), bolus=(-22, 0))


BEAMS = {  # name: (picture, is the beam off)
    "a lit frame": (picture(), False),
    "black": (np.zeros(SIZE, np.uint8), True),
    "black with noise": (picture(grey=40) // 4, True),
    "black with a line of text": (np.pad(np.full((2, 60), 255, np.uint8), ((0, 158), (0, 100))), True),
    "one bright grey": (np.full(SIZE, 200, np.uint8), True),
    "dim but structured": (np.tile(np.linspace(0, 90, 160).astype(np.uint8), (160, 1)), False),
}


@pytest.mark.parametrize(("shown", "expected"), BEAMS.values(), ids=BEAMS)
def test_beam_off(shown: np.ndarray, expected: bool) -> None:
    assert flags.is_beam_off(to_unit(shown)) is expected


def test_a_copy_is_a_duplicate_and_fresh_noise_is_not() -> None:
    one, other = to_unit(picture(seed=1)), to_unit(picture(seed=2))
    assert flags.is_duplicate(one, one.copy())
    assert flags.is_duplicate(one, np.clip(one + 0.2 / 255, 0, 1).astype(np.float32))  # what a codec adds
    assert not flags.is_duplicate(one, other)
    assert not flags.is_duplicate(one, None)
    assert not flags.is_duplicate(one, one[:, :80])


def test_noise_in_few_mid_tones_still_tells_frames_apart() -> None:
    white = np.full(SIZE, 1.0, np.float32)
    one, other = white.copy(), white.copy()
    one[:40], other[:40] = to_unit(picture(seed=1))[:40], to_unit(picture(seed=2))[:40]
    assert not flags.is_duplicate(one, other)


@pytest.mark.parametrize(
    ("copies", "step_s", "expected"),
    [(14, 1 / 30, False), (15, 1 / 30, True), (2, 0.25, True), (1, None, False)],
)
def test_a_picture_held_for_half_a_second(copies: int, step_s: float | None, expected: bool) -> None:
    assert flags.is_held(copies, step_s) is expected


VIEWS = {  # name: (masks, is it not lateral)
    "lateral": (neck(), False),
    "lateral, facing left": (neck()[:, :, ::-1].copy(), False),
    "three bodies in view": (neck("C5", "C6", "C7", "trachea"), False),
    "from the front": (frontal(), True),
    "two bodies": (neck("C4", "C5", "C6", "C7"), True),
    "no jaw, no airway": (neck("mandible", "pharynx", "trachea", "epiglottis", "bolus"), True),
    "nothing": (np.zeros((12, *SIZE), np.bool_), True),
}


@pytest.mark.parametrize(("masks", "expected"), VIEWS.values(), ids=VIEWS)
def test_not_a_lateral_view(masks: np.ndarray, expected: bool) -> None:
    assert flags.is_not_lateral(describe(masks, NAMES), NAMES) is expected


def test_specks_of_bodies_are_no_neck() -> None:
    """What a network finds in pictures from the front: crumbs here and there."""
    crumbs = np.zeros((12, *SIZE), np.bool_)
    for index, name in enumerate(NAMES):
        crumbs[index, 20 + 10 * index : 23 + 10 * index, 30 + 60 * (name in {"mandible", "pharynx"}) :][
            :, :3
        ] = True
    assert flags.is_not_lateral(describe(crumbs, NAMES), NAMES) is True


def test_a_model_without_a_neck_is_not_asked_for_one() -> None:
    assert flags.is_not_lateral(describe(neck()[:1], ["pharynx_lumen"]), ["pharynx_lumen"]) is None


ORDERS = {  # name: (masks, vertebrae out of order)
    "in order": (neck(), ()),
    "C3 and C4 swapped": (neck(C3=(0, 16), C4=(0, -16)), ("C3", "C4")),
    "C6 beside C5": (neck(C6=(20, -16)), ("C5", "C6")),
    "C1 below C2": (neck(C1=(0, 40)), ("C1",)),
    "one missing": (neck("C4"), ()),
    "leaning": (neck(**{f"C{level}": (6 * level, 0) for level in range(2, 8)}), ()),
}


@pytest.mark.parametrize(("masks", "expected"), ORDERS.values(), ids=ORDERS)
def test_vertebrae_out_of_order(masks: np.ndarray, expected: tuple[str, ...]) -> None:
    assert set(flags.out_of_order(describe(masks, NAMES))) >= set(expected)
    assert bool(flags.out_of_order(describe(masks, NAMES))) == bool(expected)


JUMPS = {  # name: (masks now, structures that cannot have moved so in 1/30 s); C2-C4 is 32 px
    "still": (neck(), ()),
    "a bone by a pixel": (neck(C5=(1, 0)), ()),
    "a bone by a third of C2-C4": (neck(C5=(11, 0)), ("C5",)),
    "a level down": (neck(C6=(0, 16)), ("C6",)),
    "the bolus by half of C2-C4": (neck(bolus=(0, 16)), ()),
    "the bolus by twice C2-C4": (neck(bolus=(0, 64)), ("bolus",)),
    "the epiglottis tilts": (neck(epiglottis=(-6, 6)), ()),
    "the bolus is gone": (neck("bolus"), ()),
}


@pytest.mark.parametrize(("masks", "expected"), JUMPS.values(), ids=JUMPS)
def test_jumps(masks: np.ndarray, expected: tuple[str, ...]) -> None:
    assert flags.jumps(describe(masks, NAMES), seen(), STEP_S) == expected


def test_more_time_allows_more_movement_and_bones_keep_their_size() -> None:
    moved = describe(neck(C5=(11, 0)), NAMES)
    assert flags.jumps(moved, seen(), 0.25) == ()
    assert flags.jumps(moved, None, STEP_S) == ()
    halved = neck()
    halved[NAMES.index("C5"), :, 60:] = False
    assert "C5" in flags.jumps(describe(halved, NAMES), seen(), 0.25)


def test_a_distance_between_bones_that_changes_is_unsteady() -> None:
    stretched = describe(neck(C4=(0, 4), C5=(0, 4)), NAMES)
    assert flags.is_unsteady(stretched, seen())
    assert flags.is_unsteady(seen(), stretched)
    assert not flags.is_unsteady(describe(neck(shift=(3, 2)), NAMES), seen())
    assert not flags.is_unsteady(seen(), None)
    assert not flags.is_unsteady(describe(neck("C4"), NAMES), seen())


def test_the_lit_field_is_found_and_what_lies_outside_of_it() -> None:
    unit = np.full(SIZE, 0.01, np.float32)
    unit[20:150, 30:120] = 0.5
    field = flags.lit_field(unit)
    assert (field[0].start, field[0].stop, field[1].start, field[1].stop) == (20, 150, 30, 120)
    assert flags.outside_field(neck(), NAMES, field) == ("mandible",)  # a third of it lies beyond column 120
    assert flags.outside_field(neck(), NAMES, flags.lit_field(np.zeros(SIZE, np.float32))) == ()


def test_unsure_structures_and_empty_ones() -> None:
    confidence = np.array([0.5, np.nan, flags.MIN_SURE])
    assert flags.unsure(confidence, ("bolus", "pharynx", "C4")) == ("bolus",)
