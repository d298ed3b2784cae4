"""Part (e): what a model trained on phantoms alone makes of real frames: Dice of the pharynx on the real clip.

The clip's own label means something else than the phantom's: the lumen filled with air, which shrinks around the bolus, where the
phantom's pharynx runs through it (`docs/labels.md`). So frames are parted by whether contrast is in the pharynx, and the prediction
is scored twice: as it is, and without the predicted bolus. The clip shows bone dark, as the phantom does: nothing is inverted.
One subject: no interval, no generalisation.
"""

from pathlib import Path
from typing import Any, Final

import numpy as np
from PIL import Image, ImageDraw
from scipy.ndimage import binary_erosion

import agglo
from agglo.core.files import read_json
from agglo.evaluate.metrics import dice
from proof.common import Job, clip_frame, clip_labels

LABELLED = range(123)
PARTS: Final = {"before contrast": range(57), "contrast in view": range(57, 78), "after": range(78, 123)}
READINGS: Final = ("pharynx", "pharynx without bolus")
SHOWN = (10, 40, 58, 62, 66, 70, 74, 82, 100, 118)
COLOURS: Final = {"label": (255, 190, 60), "pharynx": (80, 200, 255), "bolus": (255, 90, 160)}
FOR_COMPARISON: Final = {"easy": "real-vfss-clip-easy.json", "swallow": "real-vfss-clip-swallow.json"}


def readings(masks: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return the two readings of a prediction that has a pharynx and perhaps a bolus."""
    pharynx = masks["pharynx"]
    return {
        "pharynx": pharynx,
        "pharynx without bolus": pharynx & ~masks.get("bolus", np.zeros_like(pharynx)),
    }


def outlined(image: np.ndarray, masks: dict[str, np.ndarray]) -> np.ndarray:
    """Return a picture in colour with the outline of each mask."""
    picture = np.repeat(image[..., None], 3, axis=2)
    for name, mask in masks.items():
        picture[mask & ~binary_erosion(mask, iterations=2)] = COLOURS[name]
    return picture


def overlay_sheet(panels: list[tuple[str, np.ndarray]], columns: int) -> Image.Image:
    """Lay out pictures with a word under each."""
    side = panels[0][1].shape[0]
    rows = -(-len(panels) // columns)
    sheet = Image.new("RGB", (columns * side, rows * (side + 18)))
    draw = ImageDraw.Draw(sheet)
    for place, (words, picture) in enumerate(panels):
        left, top = place % columns * side, place // columns * (side + 18)
        sheet.paste(Image.fromarray(picture), (left, top))
        draw.text((left + 4, top + side + 2), words, fill=(220, 220, 220))
    return sheet


def compared(results: Path) -> dict[str, float]:
    """Return the Dice that models trained on this very clip reached, from the project's own results."""
    found = {name: results / file for name, file in FOR_COMPARISON.items()}
    return {
        name: read_json(path)["distilled"]["mean"]["dice"] for name, path in found.items() if path.exists()
    }


def measure(job: Job) -> dict[str, Any]:
    """Return the figures of this part; only a reason without a model or real frames. Overlays go to the private folder."""
    if job.model is None or job.real is None:
        missing = (
            "no model was given (--model)" if job.model is None else "no real frames were given (--real)"
        )
        return {"skipped": missing}
    model = agglo.load(job.model)
    if "pharynx" not in model.structures:
        return {"skipped": f"the model has no structure called pharynx, only {', '.join(model.structures)}"}
    if not any(note.startswith("PHANTOM") for note in model.config.notes):
        return {"skipped": "the model does not say that it was made from phantoms"}
    scores: dict[str, list[float]] = {name: [] for name in READINGS}
    panels = []
    for index in list(LABELLED)[:: max(1, round(1 / job.effort))]:
        image, label = clip_frame(job.real, index), clip_labels(job.real, index) == 1
        masks = model.predict(image)
        for name, mask in readings(masks).items():
            scores[name].append(dice(mask, label))
        if index in SHOWN:
            shown = {"label": label, "pharynx": masks["pharynx"]} | {
                k: masks[k] for k in ("bolus",) if k in masks
            }
            panels.append(
                (
                    f"frame {index}: Dice {scores['pharynx'][-1]:.2f}",
                    outlined(image, shown)[110:710:2, 190:790:2],
                )
            )
    if job.private is not None and panels:
        job.private.mkdir(parents=True, exist_ok=True)
        overlay_sheet(panels, 5).save(job.private / "transfer-overlays.png")
    frames = list(LABELLED)[:: max(1, round(1 / job.effort))]
    config = model.config
    return {
        "model": {
            "name": config.name,
            "input_px": config.input_px,
            "student": config.student["name"],
            "made_from": config.provenance,
        },
        "frames": frames,
        "dice": {name: [round(value, 4) for value in values] for name, values in scores.items()},
        "rows": {
            part: {
                name: _row([scores[name][at] for at, index in enumerate(frames) if index in span])
                for name in READINGS
            }
            for part, span in {"all labelled frames": LABELLED, **PARTS}.items()
        },
        "trained_on_the_clip": compared(Path(__file__).parents[3] / "results"),
    }


def _row(values: list[float]) -> dict[str, Any]:
    if not values:
        return {"mean": None, "median": None, "least": None, "n": 0}
    return {
        "mean": float(np.mean(values)),
        "median": float(np.median(values)),
        "least": float(np.min(values)),
        "n": len(values),
    }
