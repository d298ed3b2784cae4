"""Rules that every swallow keeps, measured on the outlines that are drawn: the order of events, and nothing to laugh at."""

from dataclasses import dataclass

import numpy as np
import pytest

from agglo.phantom import sample_study
from agglo.phantom.person import sample_person
from agglo.phantom.pose import moment_at, pose_of
from agglo.phantom.presets import PRESETS
from agglo.phantom.swallow import motion_at

STEP_S = 0.05
CHOSEN = (1, 8, 6, 26, 37)
"""Patients whose outlines are measured: a weak and a strong swallow, then contrast in the airway before, after and during one."""

FURTHER = (11, *(p for p in range(28, 60) if p not in CHOSEN and sample_study(11, p).swallow.invasion))

FEW, MANY = 60, 200


@dataclass(frozen=True)
class Recording:
    """The moments of one main act: outlines every 50 ms, and curves taken from them."""

    study: object
    pose: object
    times: np.ndarray
    moments: list

    def curve(self, measure):
        return np.array([measure(moment) for moment in self.moments])

    @property
    def hyoid(self):
        return self.curve(
            lambda m: np.hypot(*(m.throat.hyoid_centre - self.moments[0].throat.hyoid_centre)[0])
        )

    @property
    def larynx(self):
        return self.curve(lambda m: np.hypot(*(m.throat.folds - self.moments[0].throat.folds).mean(0)))

    @property
    def leaf_rise(self):
        """How much higher the leaf's tip is than its base, mm: negative when inverted."""
        return self.curve(lambda m: m.throat.leaf_line[0, 1] - m.throat.leaf_line[-1, 1])

    @property
    def is_closed(self):
        return self.curve(lambda m: len(m.throat.vestibule) == 0)

    @property
    def opening(self):
        return self.curve(lambda m: m.bolus.opening_mm)

    @property
    def invasion(self):
        return self.study.swallow.invasion


def recorded(patient):
    study = sample_study(11, patient)
    pose = pose_of(study.person, study.swallow, study.unit)
    times = np.arange(-0.7, 1.65, STEP_S)
    return Recording(study, pose, times, [moment_at(pose, float(time_s)) for time_s in times])


@pytest.fixture(scope="module")
def recordings():
    return [recorded(patient) for patient in CHOSEN]


def first(times, holds):
    """When something first holds; endless when it never does."""
    return float(times[int(np.argmax(holds))]) if holds.any() else np.inf


def larynx_follows_the_hyoid(r):
    half = [first(r.times, curve > 0.5 * curve.max()) for curve in (r.hyoid, r.larynx)]
    assert -1.5 * STEP_S <= half[1] - half[0] <= 0.1 + STEP_S


def leaf_is_level_before_it_inverts_and_after_the_burst(r):
    burst, level = first(r.times, r.hyoid > 0.5), first(r.times, r.leaf_rise < 0.35 * r.leaf_rise[0])
    inverted = first(r.times, r.leaf_rise <= r.leaf_rise.min() + 0.3)
    assert burst <= level <= inverted
    assert level - burst <= 0.3
    assert r.study.person.inversion < 1 or r.leaf_rise.min() < -3


def vestibule_shuts_before_the_bolus_is_beside_it(r):
    beside = r.pose.track.at_level(-20.0 * r.study.person.size)
    shut, arrives = first(r.times, r.is_closed), first(r.times, r.curve(lambda m: m.bolus.head_mm) > beside)
    if r.invasion is not None and r.invasion.timing == "during":
        assert shut > arrives
    else:
        assert shut <= arrives + STEP_S


def sphincter_is_open_only_around_the_bolus(r):
    for moment in r.moments:
        at = r.pose.track.at_level(moment.throat.sphincter_level)
        if moment.bolus.opening_mm > 0:
            assert moment.bolus.tail_mm <= at <= moment.bolus.head_mm
    assert r.opening[0] == r.opening[-1] == 0


def sphincter_opens_between_the_hyoids_onset_and_its_return(r):
    opens = first(r.times, r.opening > 0)
    assert first(r.times, r.hyoid > 0.5) < opens
    back = r.times[int(r.hyoid.argmax()) :][r.hyoid[int(r.hyoid.argmax()) :] < 0.5 * r.hyoid.max()]
    assert opens < back[0]


def tail_is_gone_before_the_airway_reopens(r):
    shut = r.times[r.is_closed]
    assert r.times[r.opening > 0.3].max() <= shut.max() + STEP_S / 2


def trachea_lies_in_front_of_the_oesophagus(r):
    track = r.pose.track
    for moment in r.moments[::4]:
        points = moment.throat.trachea
        nearest = np.argmin(((points[:, None] - track.line[None]) ** 2).sum(-1), axis=1)
        ahead = ((points - track.line[nearest]) * track.normals[nearest]).sum(1)
        assert ahead.min() > 3.0


def throat_stays_in_front_of_the_spine(r):
    bodies = [bone for bone in r.pose.body.vertebrae if bone.name in ("C3", "C4", "C5", "C6")]
    front = np.concatenate([bone.low_front_corner for bone in bodies])
    for moment in r.moments[::4]:
        for outline in (moment.throat.pharynx, moment.bolus.body):
            if len(outline):
                ahead = [np.interp(y, *sorted_edge(outline)) for y in front[:, 1] if inside(outline, y)]
                corner = [cx for (cx, y) in front if inside(outline, y)]
                assert (np.array(ahead) > np.array(corner) - 1.5).all()


def inside(outline, y):
    return outline[:, 1].min() < y < outline[:, 1].max()


def sorted_edge(outline):
    """The rearmost x of an outline by height."""
    rows = np.round(outline[:, 1])
    heights = np.unique(rows)
    return heights, np.array([outline[rows == row, 0].min() for row in heights])


def volume_is_kept(r):
    act = r.study.swallow.main
    for time_s, moment in zip(r.times, r.moments, strict=True):
        if time_s < act.tail_gone_s + 0.2:
            drawn = moment.bolus.volume_ml + moment.bolus.pooled_ml
            assert drawn == pytest.approx(act.volume_ml, rel=0.12), time_s


def head_and_tail_only_move_on(r):
    heads, tails = (r.curve(lambda m, n=n: getattr(m.bolus, n)) for n in ("head_mm", "tail_mm"))
    assert (np.diff(heads) >= -1e-6).all()
    assert (np.diff(tails) >= -1e-6).all()
    main = r.curve(lambda m: m.motion.act == 0)
    heads, tails = heads[main], tails[main]
    there = r.curve(lambda m: m.bolus.volume_ml > 0)[main]
    assert (heads > tails)[there].all()


def hyoid_peaks_before_it_returns_and_all_comes_to_rest(r):
    peak = int(r.hyoid.argmax())
    assert (np.diff(r.hyoid[: peak + 1]) >= -0.05).all()
    assert (np.diff(r.hyoid[peak:]) <= 0.05).all()
    assert 0.2 <= r.times[peak] <= 0.6
    for curve in (r.hyoid, r.larynx):
        assert curve[-1] < 0.3
    assert r.leaf_rise[-1] == pytest.approx(r.leaf_rise[0], abs=1.0)


def contrast_enters_the_airway_only_in_penetration_and_aspiration(r):
    above, below = (
        r.curve(lambda m, n=n: len(getattr(m.bolus, n)) > 0) for n in ("in_vestibule", "below_folds")
    )
    if r.invasion is None:
        assert not above.any()
        assert not below.any()
        return
    assert above.any()
    assert below.any() == (r.invasion.depth_word == "aspiration")
    enters = first(r.times, above)
    shut, opened = r.times[r.is_closed].min(), r.times[r.is_closed].max()
    early, late = {"before": (-1, 0), "during": (0, shut + 0.1), "after": (opened, 9)}[r.invasion.timing]
    assert early <= enters <= late


RULES = (
    larynx_follows_the_hyoid,
    leaf_is_level_before_it_inverts_and_after_the_burst,
    vestibule_shuts_before_the_bolus_is_beside_it,
    sphincter_is_open_only_around_the_bolus,
    sphincter_opens_between_the_hyoids_onset_and_its_return,
    tail_is_gone_before_the_airway_reopens,
    trachea_lies_in_front_of_the_oesophagus,
    throat_stays_in_front_of_the_spine,
    volume_is_kept,
    head_and_tail_only_move_on,
    hyoid_peaks_before_it_returns_and_all_comes_to_rest,
    contrast_enters_the_airway_only_in_penetration_and_aspiration,
)


def test_those_measured_differ_in_what_the_rules_are_about(recordings):
    swallows = [recording.study.swallow for recording in recordings]
    assert {s.invasion.timing for s in swallows if s.invasion} == {"before", "during", "after"}
    assert {s.airway for s in swallows} == {"none", "penetration", "aspiration"}
    assert (
        {s.acts[0].volume_ml >= 10 for s in swallows} == {len(s.acts) > 1 for s in swallows} == {True, False}
    )
    assert {recording.study.person.inversion < 1 for recording in recordings} == {True, False}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_every_swallow_keeps_the_rule(rule, recordings):
    keep(rule, recordings)


@pytest.mark.slow
@pytest.mark.parametrize("patient", FURTHER)
def test_further_swallows_keep_all_rules(patient):
    recording = [recorded(patient)]
    for rule in RULES:
        keep(rule, recording)


def keep(rule, recordings):
    for recording in recordings:
        try:
            rule(recording)
        except AssertionError as error:
            raise AssertionError(f"patient {recording.study.patient}: {error}") from error


@pytest.mark.parametrize(
    "patients", [range(FEW), pytest.param(range(FEW, MANY), marks=pytest.mark.slow)], ids=["few", "many"]
)
def test_swallows_move_in_order(patients):
    for patient in patients:
        swallow = sample_study(13, patient).swallow
        times = np.arange(-0.3, swallow.main_end_s, 0.04)
        motions = [motion_at(swallow, float(time_s)) for time_s in times]
        hyoid, larynx, leaf, closure = np.array(
            [(m.hyoid_mm[1], m.larynx_mm[1], m.leaf, m.closure) for m in motions]
        ).T
        assert hyoid[times <= 0].max() == 0
        assert (
            0 <= first(times, larynx > 0.5 * larynx.max()) - first(times, hyoid > 0.5 * hyoid.max()) <= 0.12
        )
        assert (
            first(times, hyoid > 0.3) <= first(times, leaf > 0.25) < first(times, leaf >= 0.98 * leaf.max())
        )
        closed = times[closure > 0.96]
        assert 0.08 <= closed.min() <= (0.25 if swallow.airway == "none" else 0.45) + 0.04
        assert 0.3 <= closed.max() - closed.min() <= 1.1
        assert 0.8 <= times[hyoid > 0].max() <= 1.42
        assert [m.phase for m in motions if m.time_s > swallow.main.settled_s] != []


def test_clearing_acts_take_the_residue_away():
    swallow = next(s for s in (sample_study(13, p).swallow for p in range(99)) if len(s.acts) == 3)
    before, after = (motion_at(swallow, act.onset_s - 0.3).residue for act in swallow.acts[1:])
    end = motion_at(swallow, swallow.end_s).residue
    assert 1 == before > after > end > 0
    assert end == pytest.approx(np.prod([1 - share for share in swallow.cleared]))


def test_the_mix_of_patients_is_that_of_the_preset():
    people = [sample_person(17, patient, PRESETS["standard"]) for patient in range(1200)]
    shares = [np.mean([p.airway == name for p in people]) for name in ("none", "penetration", "aspiration")]
    assert shares == pytest.approx([0.75, 0.16, 0.09], abs=0.03)
    assert np.mean([p.is_silent for p in people if p.airway == "aspiration"]) == pytest.approx(
        1 / 3, abs=0.12
    )
    assert np.mean([p.inversion < 1 for p in people]) == pytest.approx(0.30, abs=0.05)
