"""Part (f): contact sheets. Those of the phantom alone are kept; those that show real frames go to a private folder only.

Grey levels are written in 64 steps, so that a sheet stays small.
"""

from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from scipy.ndimage import binary_erosion

from agglo.phantom import PRESETS, STRUCTURES, PhantomFrame, Study, render_study, sample_study
from agglo_runtime.geometry import resize
from proof.common import SEED, Job, clip_frame, grey_image, misc_files, patient_frames
from proof.grey import neck_axes

PATIENTS = 12
MOMENTS = 8
MOST_SEARCHED = 150
FOOT = "PHANTOM: synthetic pictures · research use only, not a medical device"
FOOT_REAL = "left: PHANTOM, right: real frames · private, research use only · must not leave this folder"
INK, PAPER = (225, 228, 232), (16, 17, 19)
OUTLINES: Final = {
    "pharynx": (90, 200, 255),
    "bolus": (255, 200, 70),
    "epiglottis": (255, 110, 170),
    "trachea": (120, 225, 130),
    "mandible": (200, 160, 255),
    "C2": (255, 150, 110),
    "C3": (255, 150, 110),
    "C4": (255, 150, 110),
    "C5": (255, 150, 110),
    "C6": (255, 150, 110),
    "C7": (255, 150, 110),
    "C1": (255, 150, 110),
}
LEVELS = 64


class Panel(NamedTuple):
    """One picture of a sheet, `[side, side]` or `[side, side, 3]`, with a word on it."""

    words: str
    picture: np.ndarray


def small(image: np.ndarray, side: int) -> np.ndarray:
    """Return a square grey picture at `side` px in steps of 4 grey levels; others are padded to a square first."""
    rows, cols = image.shape
    longer = max(rows, cols)
    square = np.zeros((longer, longer), np.float32)
    top, left = (longer - rows) // 2, (longer - cols) // 2
    square[top : top + rows, left : left + cols] = image
    step = 256 // LEVELS
    return (np.clip(resize(square, side, side), 0, 255) // step * step).astype(np.uint8)


def throat_box(frame: PhantomFrame) -> tuple[slice, slice]:
    """Return the square around throat and cervical spine, 4.6 times C2-C4 wide, moved into the picture where it sticks out."""
    corner, front, up = neck_axes(frame)
    centre = corner + 0.6 * front + 0.35 * up
    whole = frame.image.shape[0]
    side = min(whole, round(4.6 * float(np.hypot(*up))))
    left, top = (int(np.clip(round(at - side / 2), 0, whole - side)) for at in centre)
    return slice(top, top + side), slice(left, left + side)


def outlined(frame: PhantomFrame, box: tuple[slice, slice], side: int) -> np.ndarray:
    """Return a part of a frame with thin outlines of its masks."""
    picture = np.repeat(small(frame.image[box], side)[..., None], 3, axis=2)
    for name, colour in OUTLINES.items():
        mask = frame.masks[STRUCTURES.index(name)][box]
        shrunk = resize(mask.astype(np.float32), side, side) >= 0.5
        picture[shrunk & ~binary_erosion(shrunk)] = colour
    return picture


def sheet(rows: Sequence[Sequence[Panel]], foot: str) -> Image.Image:
    """Lay panels out in rows, with a word in each upper left corner and a line at the foot."""
    side, gap = rows[0][0].picture.shape[0], 3
    width = max(len(row) for row in rows) * (side + gap) - gap
    page = Image.new("RGB", (width, len(rows) * (side + gap) + 20), PAPER)
    draw, font = ImageDraw.Draw(page), ImageFont.load_default(11)
    for down, row in enumerate(rows):
        for across, panel in enumerate(row):
            corner = (across * (side + gap), down * (side + gap))
            page.paste(Image.fromarray(panel.picture).convert("RGB"), corner)
            draw.text(
                (corner[0] + 5, corner[1] + 3),
                panel.words,
                fill=INK,
                font=font,
                stroke_width=2,
                stroke_fill=(0, 0, 0),
            )
    draw.text((5, page.height - 17), foot, fill=INK, font=font)
    return page


def palette() -> Image.Image:
    """Return a picture whose palette has the 64 grey levels and the colours of outlines and letters, each exactly."""
    greys = [(level, level, level) for level in range(0, 256, 256 // LEVELS)]
    colours = [*greys, *dict.fromkeys(OUTLINES.values()), PAPER, INK]
    made = Image.new("P", (1, 1))
    made.putpalette([part for colour in colours + [(0, 0, 0)] * (256 - len(colours)) for part in colour])
    return made


def save_small(page: Image.Image, path: Path) -> int:
    """Write a page with few colours; return its size in bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    page.quantize(palette=palette(), dither=Image.Dither.NONE).save(path, optimize=True)
    return path.stat().st_size


def in_rows(panels: Sequence[Panel], columns: int) -> list[list[Panel]]:
    """Break a line of panels into rows."""
    return [list(panels[start : start + columns]) for start in range(0, len(panels), columns)]


def one_frame(job: Job, number: int) -> PhantomFrame:
    """Return a frame of a patient, at another moment of the swallow for each."""
    return list(islice(patient_frames(job, number, frames=16), 4 + number % 7))[-1]


def patients_sheet(job: Job, side: int = 216) -> list[list[Panel]]:
    """Return one frame of each of twelve patients, at different moments of the swallow."""
    frames = [one_frame(job, number) for number in range(PATIENTS)]
    words = [f"{at}  {frame.truth.phase.replace('_', ' ')}" for at, frame in enumerate(frames, start=1)]
    return in_rows(
        [Panel(word, small(frame.image, side)) for word, frame in zip(words, frames, strict=True)], 4
    )


def swallow_sheet(job: Job, side: int = 216) -> list[list[Panel]]:
    """Return one swallow in order of time, as it is and with the outlines of its masks."""
    frames = chosen_swallow(job)
    plain, drawn = [], []
    for frame in frames:
        box = throat_box(frame)
        words = f"{frame.truth.time_s:+.2f} s  {frame.truth.phase.replace('_', ' ')}"
        plain.append(Panel(words, small(frame.image[box], side)))
        drawn.append(Panel("", outlined(frame, box, side)))
    half = MOMENTS // 2
    return [plain[:half], drawn[:half], plain[half:], drawn[half:]]


def chosen_swallow(job: Job) -> list[PhantomFrame]:
    """Return eight frames, from before the burst to rest, of the first patient with dense pulses, a large bolus and no devices."""
    for patient in range(100):
        study = sample_study(SEED, patient, job.preset)
        if study.swallow.pulses_per_s < 30 or study.swallow.volume_ml < 10 or things_of(study):
            continue
        frames = {f.truth.time_s: f for f in patient_frames(job, patient, frames=80)}
        times = np.asarray(sorted(frames))
        if times[0] > -0.1 or times[-1] < 1.3 or len(times) < 40:
            continue
        wanted = np.linspace(-0.1, 1.3, MOMENTS)
        return [frames[float(times[np.abs(times - moment).argmin()])] for moment in wanted]
    raise LookupError(
        "none of a hundred patients has a whole swallow with dense pulses and 10 ml; widen `chosen_swallow`"
    )


def things_of(study: Study) -> tuple[str, ...]:
    """Return what lies in the picture besides the patient."""
    return (*study.unit.devices, *study.unit.utensils)


def distractor_panels(preset: str, side: int) -> list[Panel]:
    """Return an early frame of as few patients as show every kind of thing that may lie in the picture."""
    panels: list[Panel] = []
    unseen = {name for name, _ in (*PRESETS[preset].devices, *PRESETS[preset].utensils)}
    for patient in range(MOST_SEARCHED):
        study = sample_study(SEED, patient, preset)
        new = [name for name in things_of(study) if name in unseen]
        if len(new) < min(2, len(unseen)):
            continue
        early = list(islice(render_study(study, frames=16, size_px=512), 3))[-1]
        panels.append(Panel(", ".join(new), small(early.image, side)))
        unseen -= set(new)
        if not unseen:
            break
    return panels


def unusable_panels(preset: str, side: int) -> list[Panel]:
    """Return one frame of each kind that is no lateral view of its time."""
    found: dict[str, Panel] = {}
    wanted = {name for name, _ in PRESETS[preset].unusable}
    for patient in range(MOST_SEARCHED):
        study = sample_study(SEED, patient, preset)
        if not {stretch.kind for stretch in study.unusable} & (wanted - found.keys()):
            continue
        for frame in render_study(study, frames=16, size_px=512, with_unusable=True):
            if frame.shows in wanted - found.keys():
                found[frame.shows] = Panel(frame.shows.replace("_", " "), small(frame.image, side))
        if found.keys() == wanted:
            break
    return list(found.values())


def odd_sheet(side: int = 216) -> list[list[Panel]]:
    """Return things that lie in the picture, then frames that are of no use; from the harder preset, which has more of both."""
    return in_rows(distractor_panels("hard", side), 4) + in_rows(unusable_panels("hard", side), 4)


def private_sheet(job: Job, side: int = 300) -> list[list[Panel]]:
    """Return rows of two phantom and two real frames."""
    assert job.real is not None
    real = [
        Panel(f"real, clip {index}", small(clip_frame(job.real, index)[80:720, 160:800], side))
        for index in (135, 64, 150, 220)
    ]
    files = misc_files(job.real)
    real += [Panel("real, other", small(grey_image(files[at]), side)) for at in (5, 60, 100, 130)]
    phantom = [Panel(f"phantom {at + 1}", small(one_frame(job, at).image, side)) for at in range(len(real))]
    return [[phantom[2 * row], phantom[2 * row + 1], real[row], real[row + 4]] for row in range(4)]


def measure(job: Job) -> dict[str, Any]:
    """Draw the sheets; return what was drawn, with sizes in bytes."""
    sizes = {
        "patients": save_small(sheet(patients_sheet(job), FOOT), job.out / "patients.png"),
        "swallow": save_small(sheet(swallow_sheet(job), FOOT), job.out / "swallow.png"),
    }
    if "hard" in PRESETS:
        sizes["odd"] = save_small(sheet(odd_sheet(), FOOT), job.out / "odd.png")
    if job.real is not None and job.private is not None:
        job.private.mkdir(parents=True, exist_ok=True)
        sheet(private_sheet(job), FOOT_REAL).save(job.private / "beside-real.png")
    return {"bytes": sizes, "presets": sorted(PRESETS)}
