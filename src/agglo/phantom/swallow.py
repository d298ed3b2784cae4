"""One swallow as functions of time: when what moves, and how far. Seconds from the onset of the hyoid's burst; millimetres.

The order of events is built in, not sampled: burst, larynx with it or just after, epiglottis tilting, vestibule closed before the
bolus is beside it, sphincter open only while the bolus is in it, tail gone before the airway opens again. What is drawn from
these numbers is in `throat` and `bolus`.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from agglo.core.seeds import generator
from agglo.phantom.curves import smooth_step
from agglo.phantom.person import uniform
from agglo.phantom.presets import Preset

Phase = Literal["oral_hold", "oral_transit", "pharyngeal", "oesophageal", "rest"]


@dataclass(frozen=True)
class Swallow:
    """Numbers of one swallow; times in seconds after the burst's onset.

    Attributes:
        begin_s, end_s: of the recorded stretch.
        transit_s: onset of oral transit (negative).
        peak_s, release_s, settled_s: hyoid at its peak, starting back, back at rest.
        larynx_delay_s: behind the hyoid.
        level_s: leaf horizontal; inverted_s: leaf inverted; closed_s: vestibule closed.
        gate_s: head passes the leaf's tip; opening_s: head reaches the sphincter.
        tail_mouth_s, tail_valley_s, tail_gone_s: tail leaves mouth, valleculae, sphincter.
        inversion: how far the leaf tilts, 1 = completely.
        squeeze: how much of the resting lumen the pharynx gives up, 0..1.
        vallecular_mm2, pyriform_mm2: residue left behind, lateral area.
    """

    begin_s: float
    end_s: float
    transit_s: float
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
    volume_ml: float
    barium_percent: float
    spill: float
    vallecular_mm2: float
    pyriform_mm2: float
    pulses_per_s: float


@dataclass(frozen=True)
class Motion:
    """Where everything that moves is at one moment; shifts are `(forward, up)` in mm, the rest is 0 (rest) to 1 (full)."""

    time_s: float
    phase: Phase
    hyoid_mm: tuple[float, float]
    larynx_mm: tuple[float, float]
    leaf: float
    closure: float
    velum: float
    squeeze_high: float
    squeeze_low: float
    residue: float


def sample_swallow(seed: int, patient: int, swallow: int, size: float, preset: Preset) -> Swallow:
    """Draw one swallow of a patient."""
    random = generator(seed, "phantom swallow", patient, swallow)
    pace = uniform(random, (0.9, 1.25))
    level_s = uniform(random, (0.10, 0.18)) * pace
    closed_s = level_s + uniform(random, (0.02, 0.06))
    opening_s = max(uniform(random, (0.28, 0.36)) * pace, closed_s + 0.08)
    peak_s = min(uniform(random, (0.28, 0.42)) * pace, 0.45)
    tail_gone_s = opening_s + uniform(random, (0.38, 0.58))
    release_s = tail_gone_s + uniform(random, (0.03, 0.08))
    has_residue = random.random() < preset.residue_probability
    burden = float(random.exponential(1.0)) if has_residue else 0.0
    return Swallow(
        begin_s=-uniform(random, (0.8, 1.2)),
        end_s=release_s + uniform(random, (0.75, 1.1)),
        transit_s=-uniform(random, (0.35, 0.65)),
        peak_s=peak_s,
        release_s=release_s,
        settled_s=release_s + uniform(random, (0.30, 0.45)),
        larynx_delay_s=uniform(random, (0.0, 0.08)),
        level_s=level_s,
        inverted_s=peak_s + 0.04,
        closed_s=closed_s,
        gate_s=closed_s + 0.02,
        opening_s=opening_s,
        tail_mouth_s=opening_s + uniform(random, (0.0, 0.08)),
        tail_valley_s=opening_s + 0.6 * (tail_gone_s - opening_s),
        tail_gone_s=tail_gone_s,
        hyoid_mm=(uniform(random, (9.0, 15.0)) * size, uniform(random, (9.0, 20.0)) * size),
        larynx_mm=(uniform(random, (5.0, 9.0)) * size, uniform(random, (16.0, 23.0)) * size),
        inversion=1.0 if random.random() < 0.75 else uniform(random, (0.55, 0.85)),
        squeeze=uniform(random, (0.78, 0.93)),
        volume_ml=float(random.choice(preset.volumes_ml)),
        barium_percent=float(random.choice(preset.barium_percent)),
        spill=uniform(random, (0.2, 0.8)) if random.random() < 0.35 else 0.0,
        vallecular_mm2=min(burden * 14.0, 70.0) * float(random.random() < 0.85),
        pyriform_mm2=min(burden * 9.0, 50.0) * float(random.random() < 0.6),
        pulses_per_s=float(random.choice(preset.pulses_per_s)),
    )


def phase_at(swallow: Swallow, time_s: float) -> Phase:
    """Return the phase: pharyngeal from the burst until the tail has left the sphincter, rest once the larynx is down."""
    if time_s < swallow.transit_s:
        return "oral_hold"
    if time_s < 0:
        return "oral_transit"
    if time_s < swallow.tail_gone_s:
        return "pharyngeal"
    return "oesophageal" if time_s < swallow.settled_s else "rest"


def _up_and_back(time_s: float, rise: tuple[float, float], fall: tuple[float, float]) -> float:
    up = smooth_step((time_s - rise[0]) / (rise[1] - rise[0]))
    return up * (1 - smooth_step((time_s - fall[0]) / (fall[1] - fall[0])))


def motion_at(swallow: Swallow, time_s: float) -> Motion:
    """Return the state of everything that moves; hyoid and larynx go up first, forward a little later."""
    s = swallow
    fall = (s.release_s, s.settled_s)
    up = _up_and_back(time_s, (0.0, s.peak_s), (fall[0] - 0.02, fall[1]))
    forward = _up_and_back(time_s, (0.04, s.peak_s + 0.05), (fall[0] + 0.02, fall[1] + 0.05))
    late = s.larynx_delay_s
    larynx_up = _up_and_back(time_s, (late, s.peak_s + late), (fall[0], fall[1] + 0.02))
    larynx_forward = _up_and_back(
        time_s, (late + 0.04, s.peak_s + late + 0.03), (fall[0] + 0.02, fall[1] + 0.05)
    )
    level = smooth_step((time_s - 0.02) / (s.level_s - 0.02))
    leaf = 0.5 * level + 0.5 * smooth_step((time_s - s.level_s) / (s.inverted_s - s.level_s))
    leaf *= (1 - smooth_step((time_s - s.release_s) / 0.34)) * s.inversion
    closure = _up_and_back(time_s, (0.03, s.closed_s), (s.release_s - 0.01, s.release_s + 0.14))
    high = _up_and_back(time_s, (0.02, s.tail_valley_s - 0.05), (s.release_s, s.settled_s))
    low = _up_and_back(time_s, (0.08, s.tail_valley_s + 0.08), (s.release_s + 0.04, s.settled_s + 0.1))
    return Motion(
        time_s=time_s,
        phase=phase_at(s, time_s),
        hyoid_mm=(s.hyoid_mm[0] * forward, s.hyoid_mm[1] * up),
        larynx_mm=(s.larynx_mm[0] * larynx_forward, s.larynx_mm[1] * larynx_up),
        leaf=leaf,
        closure=closure,
        velum=_up_and_back(time_s, (-0.15, 0.08), (s.tail_valley_s, s.tail_gone_s + 0.1)),
        squeeze_high=s.squeeze * high,
        squeeze_low=s.squeeze * low,
        residue=smooth_step((time_s - s.tail_valley_s) / 0.1),
    )


def pulse_times(swallow: Swallow, frames: int) -> np.ndarray:
    """Return the times of `frames` stored frames, evenly over the swallow, each held back to the pulse that showed it."""
    if frames == 1:
        return np.array([0.0])
    elapsed = np.linspace(0.0, swallow.end_s - swallow.begin_s, frames)
    return swallow.begin_s + np.floor(elapsed * swallow.pulses_per_s + 1e-6) / swallow.pulses_per_s
