"""A run folder made of blobs, with everything a real one holds, and switches to leave parts out."""

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from agglo.core.runlog import RunLog
from agglo.core.seeds import generator
from agglo.data.states import State
from agglo.evaluate.cases import Case, write_cases
from agglo.evaluate.scoring import FrameFacts, score_frame
from agglo.evaluate.tables import table
from agglo.report.pictures import FeatureRow, Picture, write_features, write_pictures

VFSS = ("bolus", "pharynx", "trachea", "epiglottis", "mandible", *(f"C{level}" for level in range(1, 8)))
COLOURS = (
    [(255, 225, 25), (0, 200, 255), (60, 235, 120), (255, 70, 70), (240, 120, 240)]
    + [
        (255, 190, 140),
        (255, 160, 100),
        (245, 132, 72),
        (222, 110, 88),
        (196, 98, 122),
        (166, 96, 160),
        (136, 102, 196),
    ]
    + [(200, 200, 200)] * 10
)
TEACHERS = {
    "lab-sam": {
        "family": "sam2",
        "weights_sha256": "d8d5901f6e2caef981",
        "dim": 256,
        "input_px": 512,
        "stride_px": 16,
        "num_parameters": 4_100_000,
    },
    "lab-dino": {
        "family": "dinov2",
        "dim": 256,
        "input_px": 224,
        "stride_px": 14,
        "num_parameters": 5_200_000,
    },
    "lab-clip": {
        "family": "medclip",
        "dim": 384,
        "input_px": 224,
        "stride_px": 32,
        "num_parameters": 3_300_000,
    },
}
LABELS_SEEN = "masks of random scenes; no VFSS mask"


@dataclass(frozen=True)
class FakeRun:
    """What to put into the folder."""

    structures: tuple[str, ...] = VFSS
    teachers: tuple[str, ...] = tuple(TEACHERS)
    num_patients: int = 6
    num_frames: int = 2
    size_px: int = 64
    spacing_mm: tuple[float, float] | None = (0.42, 0.42)
    is_phantom: bool = True
    has_supervised: bool = True
    has_pictures: bool = True
    has_logs: bool = True
    has_facts: bool = True


@pytest.fixture(scope="session")
def built_runs(tmp_path_factory: pytest.TempPathFactory) -> Callable[[FakeRun], Path]:
    """Return a function that builds a run folder once."""
    return cache(lambda fake: build(tmp_path_factory.mktemp("built") / "run", fake))


@pytest.fixture
def make_run(tmp_path: Path, built_runs: Callable[[FakeRun], Path]) -> Callable[..., Path]:
    """Return a function that gives a run folder of the test's own; its arguments are `FakeRun`'s."""
    return lambda **switches: Path(shutil.copytree(built_runs(FakeRun(**switches)), tmp_path / "run"))


def build(folder: Path, fake: FakeRun) -> Path:
    """Fill `folder` and return it."""
    folder.mkdir(parents=True, exist_ok=True)
    frames = [(patient, frame) for patient in range(fake.num_patients) for frame in range(fake.num_frames)]
    scenes = {f"p{patient:03d}_f{frame:03d}": make_scene(fake, patient, frame) for patient, frame in frames}
    cases = score_arm(folder / "evaluate", fake, scenes, noise_px=2.0, teachers=fake.teachers)
    if fake.has_supervised:
        score_arm(folder / "evaluate" / "supervised", fake, scenes, noise_px=2.6, teachers=())
    if fake.has_pictures:
        write_frames(folder / "evaluate", fake, scenes, cases)
    if fake.has_logs:
        write_logs(folder, fake)
    if fake.has_facts:
        write_facts(folder, fake)
    return folder


def make_scene(fake: FakeRun, patient: int, frame: int) -> tuple[np.ndarray, np.ndarray]:
    """Return a grey image and the masks in it: a column of boxes with soft corners."""
    random = generator("fake", patient, frame)
    rows, cols = np.mgrid[: fake.size_px, : fake.size_px] / fake.size_px
    masks = []
    for index in range(len(fake.structures)):
        centre = (
            0.1 + 0.8 * (index + 0.5) / len(fake.structures),
            0.35 + 0.3 * (index % 2) + random.normal() * 0.02,
        )
        radius = (0.035 + 0.02 * random.random(), 0.09 + 0.05 * random.random())
        masks.append(((rows - centre[0]) / radius[0]) ** 4 + ((cols - centre[1]) / radius[1]) ** 4 < 1)
    stack = np.array(masks, dtype=bool).reshape(len(fake.structures), fake.size_px, fake.size_px)
    image = (
        120 + 60 * np.cos(3 * cols + 2 * rows) - 45 * stack.any(axis=0) + random.normal(size=rows.shape) * 4
    )
    return np.clip(gaussian_filter(image, fake.size_px / 250), 0, 255).astype(np.uint8), stack


def predict(reference: np.ndarray, name: str, noise_px: float) -> np.ndarray:
    """Return the masks after a random shift and a wavy error; now and then one is missed."""
    random = generator("fake prediction", name)
    predicted = []
    for mask in reference:
        soft = (
            gaussian_filter(mask.astype(float), noise_px)
            + 0.09 * gaussian_filter(random.normal(size=mask.shape), 4) * 8
        )
        moved = np.roll(soft > 0.5, random.integers(-2, 3, size=2), axis=(0, 1))
        predicted.append(moved if random.random() > 0.04 else np.zeros_like(mask))
    return np.array(predicted, dtype=bool).reshape(reference.shape)


def score_arm(
    folder: Path, fake: FakeRun, scenes: dict, *, noise_px: float, teachers: tuple[str, ...]
) -> list[Case]:
    """Score one arm and write its table and cases."""
    cases: list[Case] = []
    for name, (_, reference) in scenes.items():
        masks = reference.copy()
        masks[:1] &= not name.endswith("0")  # the first structure is absent in every tenth frame
        states = [State.PRESENT if mask.any() else State.ABSENT for mask in masks]
        patient = name.split("_")[0]
        facts = FrameFacts(name, patient, "s0", spacing_mm=fake.spacing_mm, spacing_source="header")
        predicted = predict(reference, f"{name} {noise_px}", noise_px * fake.size_px / 200)
        cases += score_frame(predicted, masks, states, facts=facts, structures=fake.structures)
    folder.mkdir(parents=True, exist_ok=True)
    groups = {"moving": fake.structures[:4], "static": fake.structures[4:]}
    found = table(cases, split="test", groups=groups, teachers=teachers, is_phantom=fake.is_phantom)
    (folder / "table.json").write_text(json.dumps(found))
    write_cases(folder / "cases.csv", cases)
    return cases


def write_frames(folder: Path, fake: FakeRun, scenes: dict, cases: list[Case]) -> None:
    """Write `pictures.npz` and `features.npz`."""
    pictures = []
    means = {
        name: np.mean([case.dice for case in cases if case.frame == name and case.is_scored] or [0])
        for name in scenes
    }
    order = sorted(scenes, key=lambda name: -means[name])
    for rank, name in (("best", order[0]), ("median", order[len(order) // 2]), ("worst", order[-1])):
        image, reference = scenes[name]
        dice = {case.structure: case.dice for case in cases if case.frame == name}
        predicted = predict(reference, f"{name} 2.0", 2.0 * fake.size_px / 200)
        pictures.append(Picture(rank, name, image, predicted, reference, dice))
    write_pictures(
        folder / "pictures.npz", pictures, structures=fake.structures, colours=COLOURS[: len(fake.structures)]
    )
    grids = {"student": (32, 24), **{name: (16 + 8 * index, 14) for index, name in enumerate(fake.teachers)}}
    rows = []
    for name in list(scenes)[:3]:
        image, masks = scenes[name]
        maps = {each: make_map(masks, each, dim, cells) for each, (dim, cells) in grids.items()}
        rows.append(FeatureRow(name, image, maps))
    write_features(folder / "features.npz", rows)


def make_map(masks: np.ndarray, name: str, dim: int, cells: int) -> np.ndarray:
    """Return a map in which structures, position and noise are mixed at random."""
    random = generator("fake map", name)
    steps = np.linspace(0, masks.shape[-1] - 1, cells).astype(int)
    cover = gaussian_filter(masks.astype(np.float32), (0, 3, 3))[:, steps][:, :, steps]
    place = np.stack(np.meshgrid(*[np.linspace(-1, 1, cells)] * 2))
    sources = np.concatenate([cover, place, random.normal(size=(4, cells, cells)) * 0.15])
    return np.einsum("ds,shw->dhw", random.normal(size=(dim, len(sources))), sources).astype(np.float32)


def write_logs(folder: Path, fake: FakeRun, steps: int = 400) -> None:
    """Write the logs of the three trainings."""
    random = generator("fake logs")
    distill = RunLog(folder / "distill" / "log.jsonl")
    for step in range(10, steps + 1, 10):
        teachers = {
            name: {
                "loss": (0.9 - 0.15 * index) * float(np.exp(-step / 160)) + 0.12 + 0.02 * random.random(),
                "cosine": 0.9 - 0.06 * index - 0.8 * float(np.exp(-step / 120)) + 0.01 * random.normal(),
                "weight": 1 / len(fake.teachers) + 0.04 * (index - 1) * (1 - float(np.exp(-step / 200))),
            }
            for index, name in enumerate(fake.teachers)
        }
        embedding = {"effective_rank": 20 + step / 20, "variance": 0.4 + 0.1 * random.random()}
        common = {"loss": 0.5, "lr": 1e-3, "grad_norm": 1.0, "wall_s": step * 0.6}
        distill.write(step=step, **common, teachers=teachers, embedding=embedding)
    for arm, wall_s, ceiling in (("align", 0.5, 0.86), ("supervised", 1.34, 0.84)):
        log = RunLog(folder / arm / "log.jsonl")
        for step in range(10, steps + 1, 10):
            loss = 1.4 * float(np.exp(-step / 120)) + 0.25 + 0.03 * random.random()
            log.write(
                step=step,
                loss=loss,
                dice_loss=loss / 2,
                bce=loss / 2,
                lr=1e-3,
                grad_norm=1.0,
                wall_s=step * wall_s,
            )
            if step % 80 == 0:
                dice = ceiling * (1 - float(np.exp(-step / 110))) + 0.01 * random.normal()
                log.write(step=step, val={"dice": dice, "structures": dict.fromkeys(fake.structures, dice)})


def write_facts(folder: Path, fake: FakeRun) -> None:
    """Write recipe, environment, teachers and what each stage says of itself."""
    (folder / "recipe.yaml").write_text(
        "name: fake <run>\nseed: 7\nstudent: {name: repvit, input_px: 512}\nteachers:\n"
        + "".join(f"- name: {x}\n" for x in fake.teachers)
    )
    environment = {
        "agglo": "0.1.0",
        "python": "3.11.2",
        "torch": "2.15.0",
        "machine": {"cores": 2, "accelerator": "cpu"},
    }
    (folder / "environment.json").write_text(json.dumps(environment))
    shared = {
        "licence": "Apache-2.0",
        "source": "Agglo, trained on synthetic images only",
        "labels_seen": LABELS_SEEN,
    }
    teachers = [{"name": name, **TEACHERS[name], **shared} for name in fake.teachers]
    (folder / "evaluate" / "teachers.json").write_text(json.dumps(teachers))
    stages = {
        "features": {"frames": 480, "patients": 20, "labels": "none", "wall_s": 96.0},
        "distill": {
            "frames": 480,
            "patients": 20,
            "labels": "none",
            "steps": 400,
            "wall_s": 240.0,
            "student_parameters": 5_480_160,
            "expected_loss": {"zero": 0.942, "typical": [0.051, 0.287], "text": "a perfect prediction has 0"},
        },
        "align": {
            "frames": 288,
            "patients": 18,
            "labels": "masks of train",
            "steps": 400,
            "wall_s": 200.0,
            "decoder_parameters": 3_536_364,
            "ceiling_dice": dict.fromkeys(fake.structures, 0.953),
        },
        "supervised": {
            "frames": 288,
            "patients": 18,
            "labels": "masks of train",
            "steps": 400,
            "wall_s": 536.0,
        },
    }
    for name, stage in stages.items():
        (folder / name).mkdir(exist_ok=True)
        content = {"stage": name, "is_done": True, "facts": stage, "settings": {}}
        (folder / name / "stage.json").write_text(json.dumps(content))
