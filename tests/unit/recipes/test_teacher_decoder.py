"""A student in a SAM 2 teacher's place, in front of that teacher's own decoder: the same file, the same way, masks for a box."""

import re
from pathlib import Path

import numpy as np
import pytest
import torch
import transformers
from safetensors.torch import save_file
from torch import Tensor

from agglo.config.load import load_recipe
from agglo.config.schema import Recipe
from agglo.core.errors import ConfigError, WeightsError
from agglo.distill import (
    DistilTask,
    Drawing,
    Extras,
    HeadPlan,
    Sizes,
    TeacherTarget,
    ThroughDecoder,
    load_distilled,
    make_balancer,
    make_head,
    save_heads,
)
from agglo.features import Moments, make_normaliser
from agglo.recipes.build import check_names
from agglo.recipes.teacher_decoder import check_decoder_on_hand, drawing_of, sam2_decoder
from agglo.students import build_student
from agglo.teachers import Teacher, build_from_entry
from tiny_teachers import MAKERS, tiny_entry

PX, CELLS = 64, 4
BOXES = torch.tensor([[[10.0, 12.0, 50.0, 40.0], [0.0, 0.0, 20.0, 30.0]]])


@pytest.fixture(scope="module")
def sam2() -> transformers.Sam2Model:
    """A whole SAM 2 with a tiny encoder, no weight of which is where another could be mistaken for it."""
    torch.manual_seed(0)
    backbone = transformers.Sam2HieraDetConfig(**MAKERS["sam2"][1])
    vision = transformers.Sam2VisionConfig(
        backbone_config=backbone,
        backbone_channel_list=list(reversed(backbone.embed_dim_per_stage)),
        backbone_feature_sizes=[[16, 16], [8, 8], [4, 4]],
    )
    config = transformers.Sam2Config(
        vision_config=vision,
        prompt_encoder_config=transformers.Sam2PromptEncoderConfig(image_size=PX),
        mask_decoder_config=transformers.Sam2MaskDecoderConfig(dynamic_multimask_via_stability=False),
    )
    model = transformers.Sam2Model(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.02 * torch.randn_like(parameter))
    model.prompt_encoder.shared_embedding.load_state_dict(model.shared_image_embedding.state_dict())
    return model


THREE_LAYERS = r"(output_hypernetworks_mlps\.\d+|iou_prediction_head|pred_obj_score_head)"
AS_META = (  # names of `transformers` -> Meta's, for the decoder
    (rf"^mask_decoder\.{THREE_LAYERS}\.layers\.0\.", r"sam_mask_decoder.\1.layers.1."),
    (rf"^mask_decoder\.{THREE_LAYERS}\.proj_in\.", r"sam_mask_decoder.\1.layers.0."),
    (rf"^mask_decoder\.{THREE_LAYERS}\.proj_out\.", r"sam_mask_decoder.\1.layers.2."),
    (r"^mask_decoder\.upscale_conv1\.", "sam_mask_decoder.output_upscaling.0."),
    (r"^mask_decoder\.upscale_layer_norm\.", "sam_mask_decoder.output_upscaling.1."),
    (r"^mask_decoder\.upscale_conv2\.", "sam_mask_decoder.output_upscaling.3."),
    (r"\.layer_norm_final_attn\.", ".norm_final_attn."),
    (r"^(mask_decoder\.transformer\..*)\.layer_norm(\d)\.", r"\1.norm\2."),
    (r"^(mask_decoder\.transformer\..*)\.o_proj\.", r"\1.out_proj."),
    (r"^(mask_decoder\.transformer\..*)\.mlp\.proj_in\.", r"\1.mlp.layers.0."),
    (r"^(mask_decoder\.transformer\..*)\.mlp\.proj_out\.", r"\1.mlp.layers.1."),
    (r"^mask_decoder\.", "sam_mask_decoder."),
    (r"\.mask_embed\.conv1\.", ".mask_downscaling.0."),
    (r"\.mask_embed\.layer_norm1\.", ".mask_downscaling.1."),
    (r"\.mask_embed\.conv2\.", ".mask_downscaling.3."),
    (r"\.mask_embed\.layer_norm2\.", ".mask_downscaling.4."),
    (r"\.mask_embed\.conv3\.", ".mask_downscaling.6."),
    (r"\.shared_embedding\.positional_embedding$", ".pe_layer.positional_encoding_gaussian_matrix"),
    (r"^prompt_encoder\.", "sam_prompt_encoder."),
    (r"^no_memory_embedding$", "no_mem_embed"),
)


def as_meta(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return the state as Meta names it, points as four embeddings; the encoder's own names are read by either layout."""
    found = {}
    for key, value in state.items():
        name = key
        for pattern, replacement in AS_META:
            name = re.sub(pattern, replacement, name)
        if key == "prompt_encoder.point_embed.weight":
            found |= {
                f"sam_prompt_encoder.point_embeddings.{kind}.weight": row[None].clone()
                for kind, row in enumerate(value)
            }
        elif key != "shared_image_embedding.positional_embedding":
            found[name] = value
    return found


LAYOUTS = {
    "transformers": dict,
    "meta": as_meta,
    "fine-tuned": lambda state: {f"sam2_model.{key}": value for key, value in as_meta(state).items()},
}


def written(folder: Path, state: dict[str, Tensor]) -> Path:
    path = folder / "sam2.safetensors"
    save_file({name: value.contiguous() for name, value in state.items()}, path)
    return path


def own_masks(model: transformers.Sam2Model, images: Tensor) -> Tensor:
    """Return SAM 2's own masks, its finer maps left out."""
    embedding = model.get_image_embeddings(images)[-1]
    batch = len(images)
    maps = [
        torch.zeros(batch, 32, 4 * CELLS, 4 * CELLS),
        torch.zeros(batch, 64, 2 * CELLS, 2 * CELLS),
        embedding,
    ]
    return model(image_embeddings=maps, input_boxes=BOXES, multimask_output=False).pred_masks[:, :, 0]


def teacher_of(path: Path) -> Teacher:
    return build_from_entry(tiny_entry("sam2"), weights=path, input_px=PX)


@torch.no_grad()
@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_teachers_own_features_give_the_teachers_own_masks(sam2, tmp_path: Path, layout: str) -> None:
    path = written(tmp_path, LAYOUTS[layout](sam2.state_dict()))
    images = torch.randn(1, 3, PX, PX, generator=torch.Generator().manual_seed(1))
    features = teacher_of(path).feature_map(images)
    found = sam2_decoder(path, input_px=PX)(features, BOXES)
    torch.testing.assert_close(found, own_masks(sam2, images), rtol=1e-4, atol=1e-4)
    with_constant = features + sam2.no_memory_embedding.reshape(1, -1, 1, 1)
    again = sam2_decoder(path, input_px=PX, map_name="fpn-no-mem")(with_constant, BOXES)
    torch.testing.assert_close(again, found, rtol=1e-4, atol=1e-4)


@torch.no_grad()
def test_a_student_in_its_place_is_decoded_the_same_way(sam2, tmp_path: Path) -> None:
    """An untrained student gives some masks; one whose head gives the teacher's mean gives those of the mean."""
    path = written(tmp_path, sam2.state_dict())
    images = torch.randn(1, 3, PX, PX, generator=torch.Generator().manual_seed(1))
    features = teacher_of(path).feature_map(images)
    normaliser = make_normaliser("phi-s", Moments.of(np.ascontiguousarray(features.flatten(2)[0].T)))
    torch.manual_seed(0)
    student, head = (
        build_student("repvit", embed_dim=16),
        make_head("linear", student_dim=16, teacher_dim=256, hidden_dim=8),
    )
    task = DistilTask(
        student, {"sam": TeacherTarget(normaliser, head)}, make_balancer("uniform", Sizes(16, (256,)))
    )
    masks = {}
    for name in ("untrained", "mean"):
        if name == "mean":
            head.requires_grad_(False)
            for parameter in head.parameters():
                parameter.zero_()
        save_heads(
            task,
            {"sam": HeadPlan("linear", 256, 8, (CELLS, CELLS))},
            tmp_path / "heads.safetensors",
            input_px=PX,
        )
        save_file(
            {key: value.contiguous() for key, value in student.state_dict().items()},
            tmp_path / "student.safetensors",
        )
        stand_in = load_distilled(tmp_path).as_teacher("sam")
        grey = torch.rand(1, PX, PX, generator=torch.Generator().manual_seed(2))
        masks[name] = sam2_decoder(path, input_px=PX)(stand_in(stand_in.preprocess(grey)), BOXES)
    assert masks["untrained"].shape == (1, 2, 4 * CELLS, 4 * CELLS)
    assert torch.isfinite(masks["untrained"]).all()
    mean = features.mean(dim=(2, 3), keepdim=True).expand_as(features)
    expected = sam2_decoder(path, input_px=PX)(mean, BOXES)
    torch.testing.assert_close(masks["mean"], expected, rtol=1e-3, atol=1e-3)
    assert (masks["untrained"] - expected).abs().max() > 1e-4, "what the student sees reaches the masks"


def test_files_without_a_whole_decoder_are_refused(sam2, tmp_path: Path) -> None:
    state = sam2.state_dict()
    encoder = {name: value for name, value in state.items() if name.startswith("vision_encoder")}
    with pytest.raises(WeightsError, match=r"whole SAM 2 .* holds no decoder; give the published file"):
        sam2_decoder(written(tmp_path, encoder), input_px=PX)
    del state["mask_decoder.iou_token.weight"]
    with pytest.raises(WeightsError, match=r"mask_decoder\.iou_token\.weight"):
        sam2_decoder(written(tmp_path, state), input_px=PX)


WRONG_DRAWINGS = {
    "another teacher": (
        "teacher: rad-dino",
        "",
        r"must be one of the recipe's \['lab-dino', 'lab-sam'\], got 'rad-dino'",
    ),
    "no SAM 2": ("teacher: lab-dino", "", "must be a SAM 2, .* but lab-dino is of family dinov2"),
    "a space that is forgotten": (
        "teacher: lab-sam",
        "distill.normalise=l2",
        "which `distill.normalise: l2` forgets",
    ),
}


@pytest.mark.parametrize(("drawing", "more", "message"), WRONG_DRAWINGS.values(), ids=WRONG_DRAWINGS)
def test_masks_through_a_decoder_that_cannot_be_are_refused_at_once(
    drawing: str, more: str, message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        check_names(recipe_drawing(drawing, *filter(None, [more])))


def test_a_file_without_a_decoder_is_refused() -> None:
    with pytest.raises(WeightsError, match="holds no decoder"):
        drawing_of(recipe_drawing("teacher: lab-sam"))


def recipe_drawing(drawing: str, *more: str) -> Recipe:
    changes = [
        "teachers=[{name: lab-sam}, {name: lab-dino}]",
        f"distill.through_decoder={{{drawing}}}",
        *more,
    ]
    return load_recipe(Path(__file__).parents[3] / "recipes" / "phantom-quick.yaml", changes)


def test_masks_are_learned_through_the_teachers_own_decoder(
    sam2: transformers.Sam2Model, tmp_path: Path
) -> None:
    decoder = sam2_decoder(written(tmp_path, sam2.state_dict()), input_px=PX)
    torch.manual_seed(0)
    student = build_student("repvit", embed_dim=32)
    target = TeacherTarget(
        make_normaliser(
            "phi-s", Moments.of(np.random.default_rng(0).standard_normal((2000, 256), np.float32))
        ),
        make_head("mlp", student_dim=32, teacher_dim=256, hidden_dim=16),
    )
    drawing = Drawing("sam2", ThroughDecoder(decoder, input_px=PX), 0.5)
    balancer = make_balancer("uniform", Sizes(32, (256,)))
    task = DistilTask(student, {"sam2": target}, balancer, extras=Extras(drawing=drawing))
    batch = {
        "grey": torch.rand(2, PX, PX),
        "inside": torch.ones(2, 8, 8),
        "features": {"sam2": torch.randn(2, 256, CELLS, CELLS).half()},
    }
    outcome = task(batch, 0)
    drawn, features = outcome.scalars["teachers/sam2/drawn"], outcome.scalars["teachers/sam2/loss"]
    torch.testing.assert_close(outcome.total.detach(), features + 0.5 * drawn)
    without = DistilTask(student, {"sam2": target}, balancer)(batch, 0)
    first = next(student.parameters())
    gradients = [torch.autograd.grad(each.total, [first])[0] for each in (outcome, without)]
    assert not torch.allclose(*gradients), "masks teach the student something that features do not"
    assert all(parameter.grad is None for parameter in decoder.parameters())


def test_a_file_that_extraction_is_to_fetch_is_not_asked_for_before(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    recipe = recipe_drawing("teacher: sam2.1-t", "teachers=[{name: sam2.1-t}, {name: lab-dino}]")
    check_decoder_on_hand(recipe)
    with pytest.raises(WeightsError, match=r"teacher sam2\.1-t needs its weights .*HF_HUB_OFFLINE=0"):
        drawing_of(recipe)
    (tmp_path / "whole.pt").write_bytes(b"no SAM 2")
    given = f"teachers=[{{name: sam2.1-t, weights: {tmp_path / 'whole.pt'}}}]"
    with pytest.raises(WeightsError):
        check_decoder_on_hand(recipe_drawing("teacher: sam2.1-t", given))
