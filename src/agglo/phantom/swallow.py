"""One swallow as functions of time: when what moves, and how far. Seconds from the onset of the hyoid's burst; millimetres.

A recording holds one main act and, after it, up to three clearing acts that carry residue away; each act moves alike, by its
own clock. What is drawn from these numbers is in `throat`, `bolus` and `airway`; where they come from is in `sampling`.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from agglo.phantom.curves import smooth_step
from agglo.phantom.person import Airway

Phase = Literal["oral_hold", "oral_transit", "pharyngeal", "oesophageal", "rest"]

LEAD_S = 0.4
"""Before the burst of an act, from when on its own clock is the one that counts."""


@dataclass(frozen=True)
class Act:
    """One act of swallowing; times in seconds after its own burst's onset, which is `onset_s` after the main act's.

    Attributes:
        transit_s: onset of oral transit (negative); enter_s: head passes the tip of the soft palate.
        peak_s, release_s, settled_s: hyoid at its peak, starting back, back at rest.
        larynx_delay_s: behind the hyoid.
        level_s: leaf horizontal; inverted_s: leaf inverted; closed_s: vestibule closed.
        gate_s: head passes the leaf's tip; opening_s: head reaches the sphincter.
        tail_mouth_s, tail_valley_s, tail_gone_s: tail leaves mouth, valleculae, sphincter.
        inversion: how far the leaf tilts, 1 = completely.
        squeeze: how much of the resting lumen the pharynx gives up, 0..1.
        opening_mm: the widest that the sphincter gives way; volume_ml: what is swallowed.
    """

    onset_s: float
    transit_s: float
    enter_s: float
    peak_s: float
    release_s: float
    settled_s: float
    larynx_delay_s: float
    level_s: float
    inverted_s: float
    closed_s: float
    gate_s: float
    opening_s: float
    tail_mouth_s: float
    tail_valley_s: float
    tail_gone_s: float
    hyoid_mm: tuple[float, float]
    larynx_mm: tuple[float, float]
    inversion: float
    squeeze: float
    opening_mm: float
    volume_ml: float


@dataclass(frozen=True)
class Invasion:
    """Contrast that gets into the airway: how deep, when, how much.

    Attributes:
        timing: against the closing of the vestibule.
        enter_s: when it passes the rim, main act's clock; speed_mm_s: of its lower end.
        depth: 0 at the rim, 1 at the folds, beyond 1 below them (in lengths of the vestibule).
        streak_mm: its thickness from front to back.
        is_anterior: runs down the front wall of the trachea, not the back wall.
        cough_s: when a cough drives most of it up again; None when there is none (silent, or not aspirated).
    """

    depth_word: Airway
    timing: Literal["before", "during", "after"]
    enter_s: float
    speed_mm_s: float
    depth: float
    streak_mm: float
    is_anterior: bool
    cough_s: float | None


@dataclass(frozen=True)
class Swallow:
    """A recording of one bolus.

    Attributes:
        begin_s, end_s: of the recorded stretch; main_end_s: of its part around the main act.
        acts: the main one, then clearing ones, in time.
        consistency: 0 thin to 4 extremely thick.
        spill_mm2: lateral areas pooled in valleculae and pyriforms before the burst.
        vallecular_mm2, pyriform_mm2: residue the main act leaves; cleared: the share of what is there that each clearing act takes.
        invasion: None when the airway stays clean.
    """

    begin_s: float
    main_end_s: float
    end_s: float
    acts: tuple[Act, ...]
    barium_percent: float
    consistency: int
    spill_mm2: tuple[float, float]
    vallecular_mm2: float
    pyriform_mm2: float
    cleared: tuple[float, ...]
    invasion: Invasion | None
    pulses_per_s: float

    @property
    def main(self) -> Act:
        """The act that swallows the bolus."""
        return self.acts[0]

    @property
    def volume_ml(self) -> float:
        """What is swallowed in the main act."""
        return self.acts[0].volume_ml

    @property
    def airway(self) -> Airway:
        """The deepest that contrast gets."""
        return "none" if self.invasion is None else self.invasion.depth_word


@dataclass(frozen=True)
class Motion:
    """Where everything that moves is at one moment; shifts are `(forward, up)` in mm, the rest is 0 (rest) to 1 (full).

    `act` is the number of the act whose clock counts, `local_s` the time on it. `residue` is how much of what the main act leaves
    is there; `carried` how much of what the current clearing act takes has left its place.
    """

    time_s: float
    local_s: float
    act: int
    phase: Phase
    hyoid_mm: tuple[float, float]
    larynx_mm: tuple[float, float]
    leaf: float
    closure: float
    velum: float
    squeeze_high: float
    squeeze_low: float
    residue: float
    carried: float


def act_at(swallow: Swallow, time_s: float) -> int:
    """Return the number of the act whose clock counts: the last that has begun or is about to."""
    return max((i for i, act in enumerate(swallow.acts) if act.onset_s - LEAD_S <= time_s), default=0)


def phase_at(swallow: Swallow, time_s: float) -> Phase:
    """Return the phase: pharyngeal from a burst until the tail has left the sphincter, rest once the larynx is down."""
    number = act_at(swallow, time_s)
    act = swallow.acts[number]
    local = time_s - act.onset_s
    if local < 0:
        if number > 0:
            return "rest"
        return "oral_hold" if local < act.transit_s else "oral_transit"
    if local < act.tail_gone_s:
        return "pharyngeal"
    return "oesophageal" if local < act.settled_s else "rest"


def _up_and_back(time_s: float, rise: tuple[float, float], fall: tuple[float, float]) -> float:
    up = smooth_step((time_s - rise[0]) / (rise[1] - rise[0]))
    return up * (1 - smooth_step((time_s - fall[0]) / (fall[1] - fall[0])))


def carried_at(act: Act, local_s: float) -> float:
    """Return the share of a clearing act's load that has left its place for the stream."""
    return smooth_step((local_s - act.closed_s) / (act.opening_s - act.closed_s))


def _residue(swallow: Swallow, number: int, local_s: float) -> tuple[float, float]:
    """Return the share of the main act's residue that is in place, and what of the current clearing act's load has left."""
    if number == 0:
        return smooth_step((local_s - swallow.main.tail_valley_s) / 0.1), 0.0
    carried = carried_at(swallow.acts[number], local_s)
    before = float(np.prod([1 - share for share in swallow.cleared[: number - 1]]))
    return before * (1 - swallow.cleared[number - 1] * carried), carried


def motion_at(swallow: Swallow, time_s: float) -> Motion:
    """Return the state of everything that moves; hyoid and larynx go up first, forward a little later."""
    number = act_at(swallow, time_s)
    s = swallow.acts[number]
    t = time_s - s.onset_s
    fall = (s.release_s, s.settled_s)
    up = _up_and_back(t, (0.0, s.peak_s), (fall[0] - 0.02, fall[1]))
    forward = _up_and_back(t, (0.04, s.peak_s + 0.04), (fall[0] + 0.02, fall[1] + 0.04))
    late = s.larynx_delay_s
    larynx_up = _up_and_back(t, (late, s.peak_s + late), (fall[0], fall[1] + 0.02))
    larynx_forward = _up_and_back(t, (late + 0.04, s.peak_s + late + 0.03), (fall[0] + 0.02, fall[1] + 0.04))
    level = smooth_step((t - 0.02) / (s.level_s - 0.02))
    leaf = 0.5 * level + 0.5 * smooth_step((t - s.level_s) / (s.inverted_s - s.level_s))
    leaf *= (1 - smooth_step((t - s.release_s) / 0.34)) * s.inversion
    closure = _up_and_back(t, (0.03, s.closed_s), (s.release_s - 0.01, s.release_s + 0.14))
    high = _up_and_back(t, (0.02, s.tail_valley_s - 0.05), (s.release_s, s.settled_s))
    low = _up_and_back(t, (0.08, s.tail_valley_s + 0.08), (s.release_s + 0.04, s.settled_s + 0.1))
    residue, carried = _residue(swallow, number, t)
    return Motion(
        time_s=time_s,
        local_s=t,
        act=number,
        phase=phase_at(swallow, time_s),
        hyoid_mm=(s.hyoid_mm[0] * forward, s.hyoid_mm[1] * up),
        larynx_mm=(s.larynx_mm[0] * larynx_forward, s.larynx_mm[1] * larynx_up),
        leaf=leaf,
        closure=closure,
        velum=_up_and_back(t, (-0.15, 0.08), (s.tail_valley_s, s.tail_gone_s + 0.1)),
        squeeze_high=s.squeeze * high,
        squeeze_low=s.squeeze * low,
        residue=residue,
        carried=carried,
    )


MAIN_SHARE = 0.75
"""Of the frames of a recording with clearing acts, those that show the main one."""


def even_times(swallow: Swallow, frames: int) -> np.ndarray:
    """Return `frames` times, at least 2, in seconds since the recording began.

    They are even over the recording; where it has clearing acts, three quarters are even over the main act's part (or more, where
    that is more than three quarters of the recording) and the rest over what follows.
    """
    share = np.linspace(0.0, 1.0, frames)
    main, whole = swallow.main_end_s - swallow.begin_s, swallow.end_s - swallow.begin_s
    return np.interp(share, [0.0, max(MAIN_SHARE, main / whole), 1.0], [0.0, main, whole])
