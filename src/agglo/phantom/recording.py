"""What a recorder stores of a swallow: frames at its own rate, each showing the last X-ray pulse.

Where pulses are fewer than frames, frames are duplicated. A stretch may be unusable: the beam is off, the last image is held, the
view is from the front, or the field has moved to the oesophagus.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from agglo.core.seeds import generator
from agglo.phantom.presets import Preset
from agglo.phantom.swallow import Swallow, even_times

LATERAL: Final = "lateral"
KINDS: Final = (LATERAL, "beam_off", "last_image_held", "ap_view", "oesophagus_view")
"""What a frame can show; all but the first are unusable for measuring a swallow."""

FIRST: Final = ("beam_off",)
"""Kinds that open a recording; the others end it, and the first of them drawn does."""


@dataclass(frozen=True)
class Stretch:
    """A part of a recording, as shares of its frames, that shows something unusable."""

    kind: str
    begin: float
    end: float


@dataclass(frozen=True)
class Shot:
    """One stored frame: its number in the recording, the time of the pulse it shows, and what it shows."""

    index: int
    time_s: float
    shows: str


def sample_unusable(seed: int, patient: int, swallow: int, preset: Preset) -> tuple[Stretch, ...]:
    """Draw the unusable stretches of a recording: at most one at its beginning and one at its end."""
    random = generator(seed, "phantom unusable", patient, swallow)
    found: dict[bool, Stretch] = {}
    for kind, chance in preset.unusable:
        is_there, length = random.random() < chance, float(random.uniform(0.06, 0.16))
        opens = kind in FIRST
        if is_there and opens not in found:
            found[opens] = Stretch(kind, 0.0, length) if opens else Stretch(kind, 1 - length, 1.0)
    return tuple(found.values())


def shots_of(
    swallow: Swallow, fps: float, frames: int, unusable: tuple[Stretch, ...] = ()
) -> tuple[Shot, ...]:
    """Return `frames` stored frames in order, spread over the swallow; a single one shows the burst's onset.

    Of more frames than the recording holds, the rest follow after its end. A held image keeps the time of its pulse.
    """
    elapsed = np.array([-swallow.begin_s]) if frames == 1 else even_times(swallow, frames)
    shots: list[Shot] = []
    held_s: float | None = None
    for number, elapsed_s in enumerate(elapsed.tolist()):
        earliest = shots[-1].index + 1 if shots else 0
        index = max(int(elapsed_s * fps + 1e-6), earliest)
        time_s = pulse_time(swallow, index / fps)
        share = number / max(frames - 1, 1)
        kinds = [part.kind for part in unusable if frames > 1 and part.begin <= share <= part.end]
        shows = kinds[0] if kinds else LATERAL
        if shows == "last_image_held":
            held_s = time_s if held_s is None else held_s
            time_s = held_s
        shots.append(Shot(index, time_s, shows))
    return tuple(shots)


def pulse_time(swallow: Swallow, elapsed_s: float) -> float:
    """Return the time of the last pulse at `elapsed_s` seconds of a recording, after the burst's onset."""
    pulse = int(elapsed_s * swallow.pulses_per_s + 1e-6)
    return swallow.begin_s + pulse / swallow.pulses_per_s
