"""The prompt decoder's objective: clicks where a mask is wrong, what counts, and that it joins the loss of masks."""

from pathlib import Path

import numpy as np
import pytest
import torch

from agglo.align import AlignTask, EncoderTuning, MaskSource
from agglo.align.prompted import correction, prompted_loss, true_quality
from agglo.core.shapes import StudentFeatures
from agglo.data import DatasetWriter, FrameInfo, State, ViewRecipe, open_dataset
from agglo.decoders import PromptDecoder, StructureDecoder
from contracts.narrow import narrow

YES, NO = 5.0, -5.0
CLICKS = {  # name: (logits, truth, inside, draw, click in cells, label), on a 2 x 3 picture
    "a miss": ([NO, NO, NO, NO, NO, NO], [0, 0, 0, 0, 1, 0], [1] * 6, 0.5, (1.5, 1.5), 1),
    "too much": ([NO, NO, YES, NO, NO, NO], [0] * 6, [1] * 6, 0.9, (2.5, 0.5), 0),
    "the first of two": ([YES, NO, YES, NO, NO, NO], [0] * 6, [1] * 6, 0.0, (0.5, 0.5), 0),
    "the last of two": ([YES, NO, YES, NO, NO, NO], [0] * 6, [1] * 6, 0.99, (2.5, 0.5), 0),
    "padding is never wrong": ([YES, NO, YES, NO, NO, NO], [0] * 6, [0, 1, 1, 1, 1, 1], 0.0, (2.5, 0.5), 0),
    "nothing is wrong, inside": ([NO, NO, NO, NO, NO, YES], [0, 0, 0, 0, 0, 1], [1] * 6, 0.99, (2.5, 1.5), 1),
    "nothing is wrong, outside": ([NO, NO, NO, NO, NO, YES], [0, 0, 0, 0, 0, 1], [1] * 6, 0.0, (0.5, 0.5), 0),
}


@pytest.mark.parametrize(("logits", "truth", "inside", "draw", "click", "label"), CLICKS.values(), ids=CLICKS)
def test_a_click_is_where_the_mask_is_wrong(
    logits: list[float],
    truth: list[int],
    inside: list[int],
    draw: float,
    click: tuple[float, float],
    label: int,
) -> None:
    maps = (torch.tensor(each, dtype=torch.float32).reshape(1, 2, 3) for each in (logits, truth, inside))
    found, said = correction(*maps, torch.tensor([draw]))
    assert found.tolist() == [list(click)]
    assert said.tolist() == [label]


QUALITIES = {  # name: (logits, truth, inside, intersection over union)
    "right": ([YES, NO], [1, 0], [1, 1], 1.0),
    "half": ([YES, YES], [1, 0], [1, 1], 0.5),
    "both empty": ([NO, NO], [0, 0], [1, 1], 1.0),
    "a miss": ([NO, NO], [1, 0], [1, 1], 0.0),
    "wrong in padding only": ([YES, YES], [1, 0], [1, 0], 1.0),
}


@pytest.mark.parametrize(("logits", "truth", "inside", "expected"), QUALITIES.values(), ids=QUALITIES)
def test_true_quality(logits: list[float], truth: list[int], inside: list[int], expected: float) -> None:
    maps = (torch.tensor(each, dtype=torch.float32).reshape(1, 1, 2) for each in (logits, truth, inside))
    assert float(true_quality(*maps)) == expected


@pytest.fixture
def decoder() -> PromptDecoder:
    torch.manual_seed(0)
    return PromptDecoder(embed_dim=16, image_size=64, patch_size=8, mlp_dim=32, high_res_dims=(6, 4))


def features() -> StudentFeatures:
    random = torch.Generator().manual_seed(0)
    shapes = ((2, 16, 8, 8), (2, 6, 8, 8), (2, 4, 16, 16))
    return StudentFeatures(*(torch.randn(shape, generator=random) for shape in shapes))


def batch() -> dict[str, object]:
    coverage = torch.zeros(2, 3, 32, 32)
    coverage[:, 1, 4:12, 8:20] = 1
    return {
        "coverage": coverage,
        "inside": torch.ones(2, 32, 32),
        "prompts": {
            "box": torch.tensor([[16.0, 8.0, 40.0, 24.0]] * 2),
            "points": torch.full((2, 3, 2), 20.0),
            "chosen": torch.ones(2, 2, dtype=torch.int64),
            "is_object": torch.ones(2, 2, dtype=torch.bool),
            "is_usable": torch.ones(2, 2, dtype=torch.bool),
            "draws": torch.full((2, 2), 0.3),
        },
    }


def loss_of(decoder: PromptDecoder, given: dict[str, object], step: int = 0) -> float:
    with torch.no_grad():
        outcome = prompted_loss(decoder, features(), given, step=step, dice_weight=1.0)  # type: ignore[arg-type]
    return float(outcome.total)


def test_what_is_not_usable_has_no_influence(decoder: PromptDecoder) -> None:
    given = batch()
    prompts: dict[str, torch.Tensor] = given["prompts"]  # type: ignore[assignment]
    prompts["is_usable"][1] = False
    before = loss_of(decoder, given)
    prompts["box"][1], prompts["points"][1], prompts["is_object"][1] = 3.0, 50.0, False
    assert loss_of(decoder, given) == pytest.approx(before, rel=1e-6)
    prompts["box"][0, 2] = 60.0
    assert loss_of(decoder, given) != pytest.approx(before, rel=1e-6)


def test_where_nothing_is_the_dice_loss_is_silent(decoder: PromptDecoder) -> None:
    given = batch()
    prompts: dict[str, torch.Tensor] = given["prompts"]  # type: ignore[assignment]
    prompts["is_object"][:] = False
    outcome = prompted_loss(decoder, features(), given, step=0, dice_weight=1.0)  # type: ignore[arg-type]
    assert float(outcome.scalars["dice_loss"]) == 0.0
    assert float(outcome.scalars["presence"]) > 0.0


def test_the_number_of_points_follows_from_the_step(decoder: PromptDecoder) -> None:
    first, third = batch(), batch()
    third["prompts"]["points"][:, 2] = 50.0  # type: ignore[index]
    same = [loss_of(decoder, first, step) == loss_of(decoder, third, step) for step in (0, 1, 2, 3)]
    assert same == [True, True, False, True]


def test_a_batch_without_a_prompt_has_loss_zero(decoder: PromptDecoder) -> None:
    given = batch()
    given["prompts"]["is_usable"][:] = False  # type: ignore[index]
    assert loss_of(decoder, given) == 0.0


SIZE = 64


def discs(count: int) -> np.ndarray:
    """Return masks of a disc on the left and one on the right, for each of some pictures."""
    rows, cols = np.mgrid[:SIZE, :SIZE]
    centres = [[(20 + 6 * place, left + 3 * place) for left in (14, 42)] for place in range(count)]
    return np.array([[(rows - row) ** 2 + (cols - col) ** 2 < 81 for row, col in pair] for pair in centres])


def test_prompts_join_the_loss_of_masks(tmp_path: Path) -> None:
    writer = DatasetWriter(tmp_path, name="discs", structures=["left", "right"], description={})
    for index, masks in enumerate(discs(2)):
        info = FrameInfo(id=f"f{index}", patient="p", video="v", index=index)
        writer.add(info, (80 + 80 * masks.any(axis=0)).astype(np.uint8), masks, [State.PRESENT] * 2)
    writer.finish()
    recipe = ViewRecipe(flip_probability=0.0)
    source = MaskSource(open_dataset(tmp_path), [0, 1], recipe, size_px=SIZE, seed=0, has_prompts=True)
    samples = torch.utils.data.default_collate([source.sample(index, 0) for index in (0, 1)])
    again = torch.utils.data.default_collate([source.sample(index, 0) for index in (0, 1)])
    assert all(torch.equal(samples["prompts"][name], again["prompts"][name]) for name in again["prompts"])
    student = narrow("repvit")
    dims = (student.stride8_dim, student.stride4_dim)
    prompts = PromptDecoder(embed_dim=16, image_size=SIZE, patch_size=8, mlp_dim=32, high_res_dims=dims)
    decoder = StructureDecoder(num_structures=2, embed_dim=16, mlp_dim=32)
    task = AlignTask(student, decoder, encoder=EncoderTuning(tuned_from=0), prompts=prompts).eval()
    outcome = task(samples, 0)
    plain = AlignTask(student, decoder, encoder=EncoderTuning(tuned_from=0)).eval()(samples, 0)
    own = {name for name in outcome.scalars if name.startswith("prompts/")}
    assert own == {f"prompts/{name}" for name in ("bce", "dice_loss", "presence", "quality")}
    added = sum(float(outcome.scalars[name]) for name in own)
    assert float(outcome.total.detach()) == pytest.approx(float(plain.total.detach()) + added, rel=1e-4)
    outcome.total.backward()
    trained = [name for name, each in task.named_parameters() if each.requires_grad and each.grad is None]
    assert trained == []
