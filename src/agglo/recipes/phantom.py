"""Phantom datasets on disk: made recording by recording, resumable after a kill at any moment, with a card; and the test sets.

Each recording leaves a part file behind once all its pictures are written. Making the dataset again, with the same settings, goes
on behind the last of them and ends in the same bytes; with other settings it is refused.
"""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from agglo.config.schema import PhantomConfig
from agglo.core.errors import DataError
from agglo.core.files import read_json, write_json, write_text
from agglo.core.progress import Progress, silent
from agglo.data import Dataset, DatasetWriter, FrameInfo, State, open_dataset
from agglo.phantom import GROUPS, STRUCTURES
from agglo.phantom.cohort import LABELS_VERSION, Cohort, held_out_cohort, trainable
from agglo.phantom.presets import preset_hash
from agglo.phantom.workers import Recorded, recorded

__all__ = [
    "card",
    "cohort_of",
    "held_out_cohort",
    "make_cohort",
    "make_phantom",
    "make_test_set",
    "open_test_set",
    "refuse_held_out",
]

PARTS = ".parts"
"""Folder of what a making has finished; gone once the dataset is whole."""

WRITTEN = ("README.md", "frames.csv", "images", "masks")
"""What a making writes besides `dataset.json`: where one of these lies already, and no making was begun, it is somebody else's."""


def cohort_of(config: PhantomConfig) -> Cohort:
    """Return the cohort that a recipe asks for; raises `ConfigError` when it is kept for testing, or the preset is unknown."""
    cohort = Cohort(
        name=f"phantom-{config.preset}",
        patients=config.patients,
        frames=config.frames,
        size_px=config.size_px,
        seed=config.seed,
        preset=config.preset,
        swallows=config.swallows,
        masks=config.masks,
        raters=tuple(kind for kind in dict.fromkeys(config.raters) if kind != config.masks),
    )
    return trainable(cohort)


def make_phantom(
    folder: Path, config: PhantomConfig, *, progress: Progress = silent, workers: int = 2
) -> Path:
    """Write a phantom dataset to train on to `folder`; same settings, same bytes, whatever the number of workers.

    Args:
        folder: of the dataset; what an interrupted making with the same settings has left there is used.
        config: how many, how large, from which seed.
        progress: told after every recording.
        workers: processes that render.

    Raises:
        ConfigError: unknown preset, or one that is kept for testing.
        DataError: the folder holds something else.
    """
    return make_cohort(folder, cohort_of(config), progress=progress, workers=workers)


def make_test_set(folder: Path, name: str, *, progress: Progress = silent, workers: int = 2) -> Path:
    """Write the phantom test set `name` to `folder`: patients and a unit that no training data has; else as `make_phantom`."""
    return make_cohort(folder, held_out_cohort(name), progress=progress, workers=workers)


def open_test_set(folder: Path, name: str, *, progress: Progress = silent, workers: int = 2) -> Dataset:
    """Return the phantom test set `name` for scoring, made in `folder` unless it is whole there.

    Raises:
        DataError: the folder holds another dataset, or that test set as another version drew it.
    """
    cohort = held_out_cohort(name)
    if not (folder / "dataset.json").exists():
        make_test_set(folder, name, progress=progress, workers=workers)
    found = open_dataset(folder)
    identity = found.description.get("identity")
    if identity != cohort.identity:
        raise DataError(
            f"{folder} must hold {cohort.name} ({cohort.identity}), it holds {found.name} ({identity}); delete the folder to make "
            "the test set anew, or choose another."
        )
    return found


def refuse_held_out(dataset: Dataset) -> None:
    """Raise `DataError` when a dataset to train on is a phantom test set."""
    if dataset.description.get("held_out"):
        raise DataError(
            f"a dataset to train on must not be a phantom test set, got {dataset.name} in {dataset.folder}: it is there to be "
            "scored only (`evaluate.also`); make another one with `agglo phantom`."
        )


def make_cohort(folder: Path, cohort: Cohort, *, progress: Progress = silent, workers: int = 2) -> Path:
    """Write a cohort to `folder`, or go on with it; where it is whole it is left as it is. See `make_phantom`."""
    if _is_whole(folder, cohort):
        shutil.rmtree(folder / PARTS, ignore_errors=True)
        return folder
    _begin(folder, cohort)
    recordings = cohort.recordings
    missing = [who for who in recordings if not _part_file(folder, *who).exists()]
    done = len(recordings) - len(missing)
    if done:
        progress(done, len(recordings), "recordings found")
    for who, frames in zip(missing, recorded(cohort, missing, workers=workers), strict=True):
        writer = _writer(folder, cohort)
        for number, frame in enumerate(frames):
            _add(writer, cohort, (*who, number), frame)
        write_json(_part_file(folder, *who), writer.part())
        done += 1
        progress(done, len(recordings), "recordings")
    whole = _writer(folder, cohort)
    for part in _parts(folder, cohort):
        whole.adopt(part)
    write_text(folder / "README.md", card(cohort))
    whole.finish()
    shutil.rmtree(folder / PARTS)
    return folder


def _is_whole(folder: Path, cohort: Cohort) -> bool:
    """Return whether all of the cohort is in `folder`; raises `DataError` when another dataset is."""
    if not (folder / "dataset.json").exists():
        return False
    found = read_json(folder / "dataset.json").get("description", {}).get("identity")
    if found != cohort.identity:
        raise DataError(
            f"{folder} must be a new folder for {cohort.name}, but holds a dataset, which would be lost (its identity is {found}, "
            f"wanted is {cohort.identity}); choose another, or delete it."
        )
    return True


def _begin(folder: Path, cohort: Cohort) -> None:
    """See that nothing else is, or was being, made in `folder`, and that no file of somebody else's would be overwritten."""
    if folder.exists() and not folder.is_dir():
        raise DataError(f"{folder} must be a folder for {cohort.name}, but is a file; choose another name.")
    notes = folder / PARTS / "cohort.json"
    begun = read_json(notes)["identity"] if notes.exists() else None
    if begun not in (None, cohort.identity):
        raise DataError(
            f"{folder} must go on as it was begun, with the settings {begun}, got {cohort.identity}; give the same settings, "
            "choose another folder, or delete it."
        )
    if begun is None:
        others = [name for name in WRITTEN if (folder / name).exists()]
        if others:
            raise DataError(
                f"{folder} must be a new folder for {cohort.name}, but holds {', '.join(others)}, which would be overwritten; "
                "choose another."
            )
        write_json(notes, {"identity": cohort.identity})


def _part_file(folder: Path, patient: int, swallow: int) -> Path:
    return folder / PARTS / f"p{patient:04d}-s{swallow}.json"


def _parts(folder: Path, cohort: Cohort) -> Iterator[dict[str, Any]]:
    for who in cohort.recordings:
        yield read_json(_part_file(folder, *who))


def _writer(folder: Path, cohort: Cohort) -> DatasetWriter:
    return DatasetWriter(
        folder, name=cohort.name, structures=STRUCTURES, groups=GROUPS, description=cohort.description
    )


def _add(writer: DatasetWriter, cohort: Cohort, place: tuple[int, int, int], frame: Recorded) -> None:
    patient, swallow, number = place
    truth = frame.truth
    name = f"p{patient:04d}-s{swallow}-f{number:03d}"
    info = FrameInfo(
        id=name,
        patient=f"p{patient:04d}",
        video=f"v{swallow}",
        index=frame.index,
        swallow=f"s{swallow}",
        spacing_mm=truth.spacing_mm,
        spacing_source="phantom",
        fps=truth.fps,
        fps_source="phantom",
        visible=truth.visible_fraction,
        facts=_facts(frame),
    )
    labels = frame.labels[cohort.masks]
    writer.add(info, frame.image, labels.masks(), _states(labels.states))
    for rater in cohort.raters:
        opinion = frame.labels[rater]
        writer.add_rater(name, rater, opinion.masks(), _states(opinion.states))


def _states(words: tuple[str, ...]) -> list[State]:
    return [State[word.upper()] for word in words]


def _facts(frame: Recorded) -> dict[str, str]:
    """Return the columns of the frame table that only a phantom can fill."""
    truth = frame.truth
    places = {name: f"{col:.1f} {row:.1f}" for name, (col, row) in truth.landmarks.items()}
    ratios = zip(STRUCTURES, frame.contrast_to_noise, strict=True)
    return {
        "shows": frame.shows,
        "view": {"ap_view": "ap", "beam_off": ""}.get(frame.shows, "lateral"),
        "time_s": f"{truth.time_s:.4f}",
        "phase": str(truth.phase),
        "facing": truth.facing,
        "caption": truth.caption,
        "is_airway_closed": str(int(truth.is_airway_closed)),
        "ues_opening_mm": f"{truth.ues_opening_mm:.2f}",
        "volume_ml": f"{truth.volume_ml:.2f}",
        "residue_ml": f"{truth.residue_ml:.3f}",
        "airway": truth.airway,
        "swallow_airway": truth.swallow_airway,
        "airway_timing": truth.airway_timing,
        "is_silent": str(int(truth.is_silent)),
        "consistency": truth.consistency,
        "act": str(truth.act),
        "field_diagonal_px": f"{truth.field_diagonal_px:.1f}",
        **frame.facts,
        **{f"landmark:{name}": place for name, place in places.items()},
        **{f"cnr:{name}": f"{ratio:.2f}" for name, ratio in ratios},
    }


def card(cohort: Cohort) -> str:
    """Return the README of a phantom dataset."""
    recordings, frames = len(cohort.recordings), len(cohort.recordings) * cohort.frames
    kind = {
        "exact": "the true outlines, also where nothing can be seen of them",
        "visible": "the part of each structure that contrast would let one see",
        "annotator": "as a person might draw them: edges smoothly off by one to two pixels, a hardly visible C7 left out",
    }[cohort.masks]
    raters = f" Beside them, as raters: {', '.join(cohort.raters)}." if cohort.raters else ""
    purpose = (
        "This is a **test set**: it is scored, and nothing is ever trained on it. To make it: "
        f"`agglo phantom OUT --test {cohort.held_out}`."
        if cohort.held_out
        else "It may be trained on."
    )
    return f"""# PHANTOM: {cohort.name}

Synthetic lateral videofluoroscopic swallowing studies with exact labels, drawn by Agglo. No patient is in it. **Research use
only; not a medical device.** Figures measured on it say how methods compare on synthetic patients and nothing about people: the
word PHANTOM belongs in the title of every table and figure made from it.

{purpose}

| | |
|---|---|
| patients, recordings, frames | {cohort.patients}, {recordings}, {frames} |
| size | {cohort.size_px} x {cohort.size_px} pixels, 8 bits |
| seed | {cohort.seed} |
| preset | `{cohort.preset}`, hash `{preset_hash(cohort.preset)}` |
| identity (all settings) | `{cohort.identity}` |
| meaning of the labels | version {LABELS_VERSION} (`docs/labels.md` of Agglo) |

Structures: {", ".join(STRUCTURES)}. The bolus lies inside the pharynx's label. Masks are {kind}.{raters}

`frames.csv` has, for each frame, label states, the visible share (`visible:`) and contrast-to-noise ratio (`cnr:`) of each
structure, landmarks in pixels, the swallow's truth, and what a DICOM header would say of the unit. `shows` is `lateral`, or names
a frame that is no lateral view of its time: `beam_off`, `last_image_held` (the picture, and its labels, of an earlier pulse),
`ap_view`, `oesophagus_view`; what cannot be told in these is `not_assessable`, what is not in the picture `absent`. In all
of these but `last_image_held`, the swallow's truth (`phase`, `airway` and the like) is what happens in the neck at that time and
not in the picture, and `cnr:` is 0. Where the unit gives fewer pulses than the recording has frames, frames are duplicated. The
codec is JPEG, frame by frame.
"""
