"""Drawing the numbers of a swallow: ranges and the order of events.

The order is built in, not sampled: burst, larynx with it or just after, epiglottis tilting, vestibule closed before the bolus is
beside it (unless this swallow's closing is late, which is how contrast gets in during it), sphincter open only while the bolus is
in it, tail gone before the airway opens again. Shares of residue follow the literature on healthy people and, for weak swallows,
on patients.
"""

from dataclasses import dataclass, replace

import numpy as np

from agglo.core.seeds import generator
from agglo.phantom.person import Person, uniform
from agglo.phantom.presets import Preset
from agglo.phantom.swallow import Act, Invasion, Swallow

C2_C4_MM = 36.0
"""Of a man, between anterior-inferior corners; residue is sampled in per cent of its square."""


@dataclass(frozen=True)
class _Load:
    volume_ml: float
    consistency: int
    is_late: bool


def sample_swallow(seed: int, patient: int, swallow: int, person: Person, preset: Preset) -> Swallow:
    """Draw one swallow of a patient."""
    random = generator(seed, "phantom swallow", patient, swallow)
    consistency = int(random.choice(preset.consistencies))
    volume = float(random.choice(preset.volumes_ml))
    sip = uniform(random, preset.sip_ml)
    timing = _timing(random, person)
    load = _Load(volume or sip, consistency, timing == "during")
    act = _act(random, person, load)
    spill = _spill(random, load, preset)
    if timing == "before":
        spill = (max(spill[0], 30.0), max(spill[1], 40.0))
    valleculae, pyriforms = _residue(random, person, act.volume_ml)
    if timing == "after":
        pyriforms = max(pyriforms, 40.0 * person.size**2)
    cleared = _cleared(random, (valleculae + pyriforms) / (C2_C4_MM * person.size) ** 2)
    acts = _with_clearing(random, act, cleared, (valleculae, pyriforms))
    main_end = min(act.settled_s + uniform(random, (0.45, 0.8)), 2.2)
    return Swallow(
        begin_s=-uniform(random, (0.8, 1.2)),
        main_end_s=main_end,
        end_s=acts[-1].onset_s + acts[-1].settled_s + 0.5 if cleared else main_end,
        acts=acts,
        barium_percent=float(random.choice(preset.barium_percent)),
        consistency=consistency,
        spill_mm2=spill,
        vallecular_mm2=valleculae,
        pyriform_mm2=pyriforms,
        cleared=cleared,
        invasion=_invasion(random, person, act, timing),
        pulses_per_s=float(random.choice(preset.pulses_per_s)),
    )


def _act(random: np.random.Generator, person: Person, load: _Load) -> Act:
    """Draw the main act."""
    pace = uniform(random, (0.92, 1.12)) * (1 + 0.05 * load.consistency)
    level_s = uniform(random, (0.12, 0.17)) * min(pace, 1.15)
    closed_s = level_s + uniform(random, (0.02, 0.06))
    late_s = uniform(random, (0.07, 0.14)) if load.is_late else 0.0
    gate_s = closed_s + 0.02
    opening_s = max(uniform(random, (0.26, 0.33)) * pace, gate_s + late_s + 0.05)
    enter_s = min(uniform(random, (-0.05, 0.08)), gate_s - 0.09)
    open_for_s = np.clip(0.39 + 0.005 * load.volume_ml + uniform(random, (0.0, 0.09)), 0.39, 0.56) + 0.04
    tail_gone_s = min(opening_s + float(open_for_s), enter_s + 0.98)
    release_s = tail_gone_s + uniform(random, (0.02, 0.06))
    peak_s = uniform(random, (0.28, 0.40))
    hyoid_mm, larynx_mm = _excursion(random, person)
    return Act(
        onset_s=0.0,
        transit_s=-uniform(random, (0.35, 0.65)),
        enter_s=enter_s,
        peak_s=peak_s,
        release_s=release_s,
        settled_s=min(release_s + uniform(random, (0.28, 0.42)), 1.34),
        larynx_delay_s=uniform(random, (0.0, 0.08)),
        level_s=level_s,
        inverted_s=peak_s + 0.04,
        closed_s=closed_s + (0.02 + late_s if load.is_late else 0.0),
        gate_s=gate_s,
        opening_s=opening_s,
        tail_mouth_s=opening_s + uniform(random, (0.0, 0.06)),
        tail_valley_s=opening_s + 0.6 * (tail_gone_s - opening_s),
        tail_gone_s=tail_gone_s,
        hyoid_mm=hyoid_mm,
        larynx_mm=larynx_mm,
        inversion=person.inversion,
        squeeze=uniform(random, (0.62, 0.90)) if person.is_weak else uniform(random, (0.92, 0.99)),
        opening_mm=_opening(random, load.volume_ml),
        volume_ml=load.volume_ml,
    )


def _opening(random: np.random.Generator, volume_ml: float) -> float:
    low = float(np.interp(volume_ml, [1, 5, 20], [3.0, 4.3, 8.3]))
    high = float(np.interp(volume_ml, [1, 5, 20], [5.5, 7.8, 13.5]))
    return uniform(random, (low, high))


def _excursion(
    random: np.random.Generator, person: Person
) -> tuple[tuple[float, float], tuple[float, float]]:
    """Return how far hyoid and larynx go, `(forward, up)`; a weak swallow's keep to the lower part of the range."""
    if person.is_weak:
        hyoid = (uniform(random, (8.5, 12.5)), uniform(random, (8.0, 16.0)))
        larynx = (uniform(random, (4.5, 6.5)), uniform(random, (15.5, 19.5)))
    else:
        hyoid = (uniform(random, (9.5, 16.5)), uniform(random, (11.0, 23.0)))
        larynx = (uniform(random, (5.0, 8.2)), uniform(random, (17.0, 23.5)))
    size = person.size
    forward, up = max(larynx[0] * size, 4.4), max(larynx[1] * size, 15.3)
    return (max(hyoid[0] * size, 8.3), max(hyoid[1] * size, 6.5)), (forward, up)


def _spill(random: np.random.Generator, load: _Load, preset: Preset) -> tuple[float, float]:
    """Return lateral areas pooled in valleculae and pyriforms before the burst."""
    valleculae = uniform(random, (8.0, 40.0)) if random.random() < 0.35 else 0.0
    draw, area_mm2 = random.random(), uniform(random, (15.0, 45.0))
    is_early = load.consistency == 0 and draw < preset.thin_spill_probability
    share = min(load.volume_ml / 8.0, 1.0)
    return (max(valleculae, 20.0 if is_early else 0.0) * share, area_mm2 * share if is_early else 0.0)


def _residue(random: np.random.Generator, person: Person, volume_ml: float) -> tuple[float, float]:
    """Return lateral areas of residue in valleculae and pyriforms, mm2."""
    unit = (C2_C4_MM * person.size) ** 2 / 100
    total, share = np.exp(uniform(random, (0.0, np.log(10.0)))), uniform(random, (0.35, 0.8))
    healthy = [
        float(random.exponential(mean)) if random.random() < chance else 0.0
        for chance, mean in ((0.35, 1.09), (0.10, 1.8))
    ]
    percent = (
        (total * share, total * (1 - share))
        if person.is_weak
        else (min(healthy[0], 3.5), min(healthy[1], 3.5))
    )
    most = 0.2 * volume_ml * 1000 / 18.0
    shrink = min(1.0, most / max(sum(percent) * unit, 1e-6))
    return float(percent[0] * unit * shrink), float(percent[1] * unit * shrink)


def _cleared(random: np.random.Generator, share: float) -> tuple[float, ...]:
    """Return what each clearing act takes: one to three of them where more than 1 % of (C2-C4)^2 is left, else none."""
    chance, number = random.random(), int(random.integers(1, 4))
    shares = tuple(uniform(random, (0.4, 0.75)) for _ in range(3))
    return shares[:number] if share > 0.01 and chance < 0.75 else ()


def _with_clearing(
    random: np.random.Generator, act: Act, cleared: tuple[float, ...], residue_mm2: tuple[float, float]
) -> tuple[Act, ...]:
    acts, left = [act], 1.0
    load_ml = (20.0 * residue_mm2[0] + 14.0 * residue_mm2[1]) / 1000
    for share in cleared:
        last, effort = acts[-1], uniform(random, (0.82, 0.97))
        acts.append(
            replace(
                act,
                onset_s=last.onset_s + last.settled_s + uniform(random, (0.9, 1.4)),
                hyoid_mm=(act.hyoid_mm[0] * effort, act.hyoid_mm[1] * effort),
                larynx_mm=(act.larynx_mm[0] * effort, act.larynx_mm[1] * effort),
                closed_s=min(act.closed_s, act.gate_s - 0.02),
                opening_mm=min(act.opening_mm, 4.0),
                volume_ml=load_ml * left * share,
            )
        )
        left *= 1 - share
    return tuple(acts)


def _timing(random: np.random.Generator, person: Person) -> str:
    draw = random.random()
    if person.airway == "none":
        return ""
    return "before" if draw < 0.2 else "during" if draw < 0.7 else "after"


def _invasion(random: np.random.Generator, person: Person, act: Act, timing: str) -> Invasion | None:
    is_deep = person.airway == "aspiration"
    depth = uniform(random, (1.25, 2.2)) if is_deep else uniform(random, (0.45, 0.92))
    streak, speed = uniform(random, (1.4, 4.5)), uniform(random, (70.0, 160.0))
    is_anterior, wait_s = bool(random.random() < 0.6), uniform(random, (0.25, 0.5))
    early = uniform(random, (0.2, 0.4))
    if timing == "before":
        enter_s = -early
    elif timing == "during":
        enter_s = act.gate_s + 0.02
    elif timing == "after":
        enter_s = act.release_s + 0.25
    else:
        return None
    return Invasion(
        depth_word="aspiration" if is_deep else "penetration",
        timing=timing,  # type: ignore[arg-type]
        enter_s=enter_s,
        speed_mm_s=speed,
        depth=depth,
        streak_mm=streak,
        is_anterior=is_anterior,
        cough_s=enter_s + wait_s + 0.5 if is_deep and not person.is_silent else None,
    )
