"""A whole SAM 2 around lab-sam, whose shipped file is an encoder alone: teach the decoder, then put a student in front of it.

    python results/lab_decoder.py teach                          # runs/lab-decoder/lab-sam-whole.safetensors; can be resumed
    agglo distill recipes/phantom.yaml out=runs/stand-in \\
        'teachers=[{name: lab-sam, weights: runs/lab-decoder/lab-sam-whole.safetensors}]'
    python results/lab_decoder.py compare runs/stand-in          # table, results/as-teacher.json, and a picture beside the heads

`teach` trains SAM 2's prompt encoder and mask decoder on the frozen encoder, with boxes and clicks in the procedural scenes that
lab-sam itself has seen: no picture of a swallow. The file is as `transformers` names a whole SAM 2, so it is a teacher's `weights`
and has a decoder for `distill.through_decoder`. `compare` asks, on test frames and with a box around every structure, for the mask
from the teacher's features and for that from the student's in its place, both by the same decoder.
"""

import argparse
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from safetensors.torch import save_file
from torch import Tensor

from agglo.cli.progress import show
from agglo.config.load import load_recipe
from agglo.core.files import write_json
from agglo.data import identity_view, render_image
from agglo.decoders import PromptDecoder
from agglo.decoders.clicks import anywhere, correction
from agglo.distill import load_distilled
from agglo.distill.mask_loss import mask_loss
from agglo.evaluate.metrics import dice
from agglo.lab.amounts import SHIPPED
from agglo.lab.lessons import training_scenes
from agglo.lab.prompts import ScenePrompts, tight_boxes
from agglo.lab.scenes import KINDS
from agglo.recipes.context import Run
from agglo.recipes.environment import environment
from agglo.recipes.teacher_decoder import sam2_decoder
from agglo.teachers import CATALOGUE, build_teacher, preprocess
from agglo.train import Device, Outcome, Place, Plan, Task, Watch, fit
from agglo.train.part import uniforms_of_images
from agglo_runtime.writers import blend_outline

TEACHER, SIZE_PX, STRIDE_PX, DIM = "lab-sam", 256, 16, 256
SCENES, PROMPTS = 1500, 3
OF_TEACHER, OF_STUDENT, TRUE = (255, 225, 25), (70, 200, 255), (60, 235, 120)


class Asked(Task):
    """SAM 2's decoder on the frozen encoder; asked for a thing by its box, by a click in it, and by one more where that erred."""

    def __init__(self) -> None:
        """Draw the decoder's first weights from torch's global generator."""
        super().__init__()
        self.teacher = build_teacher(TEACHER)
        self.decoder = PromptDecoder(embed_dim=DIM, image_size=SIZE_PX, patch_size=STRIDE_PX)

    def forward(self, batch: Mapping[str, Tensor], step: int) -> Outcome:
        """Return the mean mask loss of the three ways of asking."""
        features = self.teacher(preprocess(CATALOGUE[TEACHER], batch["image"]))
        truth = batch["coverage"].flatten(0, 1)
        everywhere = torch.ones_like(truth)
        draws = uniforms_of_images(len(features), 2 * PROMPTS, features.device).view(-1, 2).unbind(dim=1)
        per_px = SIZE_PX / truth.shape[-1]
        points = (anywhere(truth, draws[0]) * per_px)[:, None]
        labels = torch.ones(points.shape[:2], dtype=torch.long)
        answers = {
            "box": self.decoder(features, batch["boxes"]).flatten(0, 1),
            "click": self._clicked(features, points, labels),
        }
        where, label = correction(answers["click"].detach(), truth, everywhere, draws[1])
        more = torch.cat([points, where[:, None] * per_px], 1), torch.cat([labels, label[:, None]], 1)
        answers["two_clicks"] = self._clicked(features, *more)
        losses = {how: mask_loss(logits, truth, everywhere).mean() for how, logits in answers.items()}
        total = torch.stack(list(losses.values())).mean()
        return Outcome(total, {how: loss.detach() for how, loss in losses.items()})

    def _clicked(self, features: Tensor, points: Tensor, labels: Tensor) -> Tensor:
        asked = (each.view(len(features), PROMPTS, *each.shape[1:]) for each in (points, labels))
        return self.decoder.decode_points(features, *asked).flatten(0, 1)

    def whole(self) -> dict[str, Tensor]:
        """Return all weights as `transformers` names those of a whole SAM 2."""
        decoder = self.decoder.state_dict()
        shared = decoder["prompt_encoder.shared_embedding.positional_embedding"]
        return {
            **{f"vision_encoder.{name}": value for name, value in self.teacher.encoder.state_dict().items()},
            **decoder,
            "shared_image_embedding.positional_embedding": shared.clone(),
            "no_memory_embedding": torch.zeros(1, 1, DIM),
        }


def teach(folder: Path, steps: int) -> None:
    """Train the decoder in `folder` and write the whole file there."""
    plan = Plan(
        steps=steps,
        batch_size=8,
        learning_rate=1e-3,
        final_learning_rate=2e-5,
        warmup_steps=30,
        ema_decay=0.99,
        checkpoint_every_s=30,
    )
    torch.manual_seed(plan.seed)
    task = Asked()
    scenes = training_scenes(replace(SHIPPED[TEACHER], scenes=SCENES), folder / "material", show("scenes"))
    source = ScenePrompts(scenes, seed=plan.seed, num_kinds=len(KINDS), num_prompts=PROMPTS)
    cpu = Device(accelerator="cpu", precision="32-true")
    fit(
        task,
        source,
        plan,
        Place(folder / "decoder", {"scenes": SCENES}, cpu),
        Watch(progress=show("decoder")),
    )
    path = folder / f"{TEACHER}-whole.safetensors"
    save_file({name: value.contiguous() for name, value in task.whole().items()}, path)
    sys.stdout.write(f"{path}\n")


@torch.no_grad()
def compare(folder: Path, distilled: Path, frames: int) -> dict[str, object]:
    """Ask for masks of test frames of the run in `folder`, from both kinds of features; return what came out and draw some."""
    run = Run(load_recipe(folder / "recipe.yaml", [f"out={folder}"]))
    (config,) = (teacher for teacher in run.recipe.teachers if teacher.name == TEACHER)
    assert config.weights is not None
    teacher, decoder = (
        build_teacher(TEACHER, weights=config.weights),
        sam2_decoder(config.weights, input_px=SIZE_PX),
    )
    stand_in = load_distilled(distilled).as_teacher(config.key)
    test = run.split["test"]
    chosen = [test[round(place)] for place in np.linspace(0, len(test) - 1, min(frames, len(test)))]
    found: dict[str, list[dict[str, float]]] = {name: [] for name in run.dataset.structures}
    panels: list[np.ndarray] = []
    progress = show("comparing")
    for count, index in enumerate(chosen):
        masks = _whole_masks(run, index)
        present = [k for k in range(len(masks)) if masks[k].any()]
        if not present:
            continue  # nothing to ask for
        grey = {px: _grey(run, index, px) for px in (SIZE_PX, run.recipe.student.input_px)}
        boxes = torch.from_numpy(tight_boxes(masks[present]))[None]
        features = {
            "teacher": teacher(preprocess(CATALOGUE[TEACHER], grey[SIZE_PX])),
            "student": stand_in(stand_in.preprocess(grey[run.recipe.student.input_px])),
        }
        drawn = {who: _full(decoder(each, boxes)[0]) for who, each in features.items()}
        for place, k in enumerate(present):
            one, other = drawn["teacher"][place], drawn["student"][place]
            found[run.dataset.structures[k]].append(
                {
                    "student_teacher": dice(other, one) if one.any() or other.any() else 1.0,
                    "teacher_truth": dice(one, masks[k]),
                    "student_truth": dice(other, masks[k]),
                }
            )
        if count % max(1, len(chosen) // 6) == 0 and len(panels) < 6:
            panels.append(_panel(grey[SIZE_PX][0].numpy(), masks[present], drawn))
        progress(count + 1, len(chosen), "frames")
    rows = {
        name: {key: float(np.mean([case[key] for case in cases])) for key in cases[0]} | {"cases": len(cases)}
        for name, cases in found.items()
        if cases
    }
    keys = ("student_teacher", "teacher_truth", "student_truth")
    mean = {key: float(np.mean([row[key] for row in rows.values()])) for key in keys}
    Image.fromarray(np.vstack(panels)).save(distilled / "as-teacher.png")
    sys.stdout.write(f"{distilled}\n")
    for name, row in [*rows.items(), ("mean", mean)]:
        sys.stdout.write(f"{name:12s} " + "  ".join(f"{key} {row[key]:.3f}" for key in keys) + "\n")
    return {"frames": len(chosen), "mean": mean, "structures": rows}


def _grey(run: Run, index: int, px: int) -> Tensor:
    image = run.dataset.image(index)
    return torch.as_tensor(np.asarray(render_image(image, identity_view(*image.shape), px)))[None].float()


def _whole_masks(run: Run, index: int) -> np.ndarray:
    masks = run.dataset.masks(index)
    if masks.shape[1:] != (SIZE_PX, SIZE_PX):
        raise SystemExit(
            f"frames must be {SIZE_PX} x {SIZE_PX} px, as lab-sam sees them, got {masks.shape[1:]}"
        )
    return masks


def _full(logits: Tensor) -> np.ndarray:
    size = (SIZE_PX, SIZE_PX)
    return (F.interpolate(logits[None], size=size, mode="bilinear")[0] > 0).numpy()


def _panel(grey: np.ndarray, masks: np.ndarray, drawn: Mapping[str, np.ndarray]) -> np.ndarray:
    """Return the frame three times: true outlines, those from the teacher's features, those from the student's."""
    columns = []
    for outlines, colour in ((masks, TRUE), (drawn["teacher"], OF_TEACHER), (drawn["student"], OF_STUDENT)):
        picture = Image.fromarray(np.rint(grey * 255).astype(np.uint8)).resize((2 * SIZE_PX, 2 * SIZE_PX))
        colours = np.array(picture.convert("RGB"), np.float32)
        for mask in outlines:
            blend_outline(colours, mask, colour, 2)
        columns.append(np.rint(colours).astype(np.uint8))
    return np.hstack(columns)


def main() -> None:
    """Do what the command line asks for."""
    parser = argparse.ArgumentParser(description="A whole SAM 2 around lab-sam, and a student in its place.")
    verbs = parser.add_subparsers(dest="verb", required=True)
    teaching = verbs.add_parser("teach", help="train the decoder")
    teaching.add_argument("--work", type=Path, default=Path("runs/lab-decoder"))
    teaching.add_argument("--steps", type=int, default=800)
    comparing = verbs.add_parser(
        "compare", help="the student's features against the teacher's, by the decoder"
    )
    comparing.add_argument("run", type=Path, help="folder of a run that distilled from the whole file")
    comparing.add_argument(
        "--distilled", type=Path, nargs="+", help="folders of students and heads; by default RUN/distill"
    )
    comparing.add_argument("--out", type=Path, default=Path("results/as-teacher.json"))
    comparing.add_argument("--frames", type=int, default=60)
    options = parser.parse_args()
    if options.verb == "teach":
        teach(options.work, options.steps)
    else:
        found = {
            folder.name: compare(options.run, folder, options.frames)
            for folder in options.distilled or [options.run / "distill"]
        }
        what = "PHANTOM; Dice of masks for tight boxes by one decoder, from lab-sam's features and from the student's"
        write_json(options.out, {"what": what, "students": found, "environment": environment()})


if __name__ == "__main__":
    main()
