"""What trainings would leave, small and untrained, for tests that only need something that loads."""

from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file

from agglo.decoders import PromptDecoder, StructureDecoder
from agglo.distill import DistilTask, HeadPlan, Sizes, TeacherTarget, make_balancer, make_head, save_heads
from agglo.features import Moments, make_normaliser
from agglo.predict import Model, ModelConfig, save_model
from agglo.students import build_student


def write_small_model(folder: Path) -> Path:
    """Write the folder of a small model with random weights, the same ones each time; return the folder."""
    torch.manual_seed(0)
    student = build_student("repvit", embed_dim=16)
    options = {"num_structures": 2, "embed_dim": 16, "mlp_dim": 16}
    prompts = {"embed_dim": 16, "image_size": 64, "patch_size": 8, "mlp_dim": 16}
    config = ModelConfig(
        name="untrained",
        student={"name": "repvit", "neck": "fusing", "embed_dim": 16},
        decoder=options,
        structures=("bolus", "pharynx"),
        input_px=64,
        mean=student.entry.mean,
        std=student.entry.std,
        prompts=prompts,
    )
    return save_model(folder, Model(student, StructureDecoder(**options), config, PromptDecoder(**prompts)))


def write_small_distilled(folder: Path) -> Path:
    """Write what a distillation from lab-sam would leave, with random weights; return the folder."""
    torch.manual_seed(0)
    folder.mkdir(parents=True)
    student = build_student("repvit", embed_dim=16)
    head = make_head("mlp", student_dim=16, teacher_dim=256, hidden_dim=16)
    normaliser = make_normaliser("global", Moments.of(np.eye(256, dtype=np.float32)))
    task = DistilTask(
        student,
        {"lab-sam": TeacherTarget(normaliser, head)},
        make_balancer("uniform", Sizes(16, (256,))),
    )
    plans = {"lab-sam": HeadPlan("mlp", 256, 16, (16, 16))}
    save_heads(task, plans, folder / "heads.safetensors", input_px=64)
    save_file(
        {name: value.contiguous() for name, value in student.state_dict().items()},
        folder / "student.safetensors",
    )
    return folder
