"""Features seen through a teacher's decoder: equal ones cost nothing, clicks fall where masks disagree."""

import pytest
import torch
from torch import Tensor, nn

from agglo.decoders import PromptDecoder
from agglo.distill.mask_loss import mask_loss
from agglo.distill.through_decoder import ThroughDecoder
from agglo.train.part import Part, under_way

PX, CELLS = 64, 4


class Clicked(nn.Module):
    """The first channel of the features is the mask, whatever is clicked at; what was clicked is kept."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[Tensor, Tensor]] = []

    def decode_points(self, features: Tensor, points: Tensor, labels: Tensor) -> Tensor:
        self.seen.append((points, labels))
        return features[:, :1].expand(-1, points.shape[1], -1, -1)


def sam2_decoder() -> PromptDecoder:
    torch.manual_seed(3)
    return PromptDecoder(embed_dim=32, image_size=PX, patch_size=PX // CELLS, mlp_dim=32)


def half(left: float, right: float) -> Tensor:
    """Features whose mask has one logit in the left half and another in the right."""
    maps = torch.full((2, 3, 8, 8), left)
    maps[..., 4:] = right
    return maps


@pytest.mark.parametrize("clicks", [1, 3])
def test_equal_features_cost_nothing_and_others_do(clicks: int) -> None:
    term = ThroughDecoder(sam2_decoder(), input_px=PX, prompts=3, clicks=clicks)
    own, inside = torch.randn(2, 32, CELLS, CELLS), torch.ones(2, 8, 8)
    assert term(own, own, inside).shape == (2,)
    torch.testing.assert_close(term(own, own, inside), torch.zeros(2), atol=2e-2, rtol=0)
    assert (term(own + torch.randn_like(own), own, inside) > term(own, own, inside)).all()


def test_the_features_learn_and_the_decoder_does_not() -> None:
    torch.manual_seed(0)
    decoder = sam2_decoder()
    term = ThroughDecoder(decoder, input_px=PX).train()
    own, inside = 3 * torch.randn(2, 32, CELLS, CELLS), torch.ones(2, 8, 8)
    student = torch.zeros_like(own, requires_grad=True)
    optimizer = torch.optim.Adam([student], lr=0.1)
    losses = []
    for _ in range(40):
        loss = term(student, own, inside).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert sum(losses[-5:]) < 0.5 * sum(losses[:5])
    assert all(parameter.grad is None for parameter in decoder.parameters())
    assert not decoder.training


def test_the_first_click_is_in_the_picture_and_the_next_where_masks_disagree() -> None:
    decoder = Clicked()
    term = ThroughDecoder(decoder, input_px=PX, prompts=16, clicks=2)
    inside = torch.ones(2, 8, 8)
    inside[:, 4:] = 0
    student, teacher = (
        half(5.0, 5.0),
        half(5.0, -5.0),
    )  # they disagree on the right, where the teacher sees nothing
    term(student, teacher, inside)
    (first, ones), (points, labels) = decoder.seen[0], decoder.seen[-1]
    assert first.shape == (2, 16, 1, 2)
    assert (first[..., 1] < PX / 2).all(), "no click on padding"
    assert (ones == 1).all()
    assert torch.equal(points[:, :, :1], first)
    assert (points[:, :, 1, 0] > PX / 2).all()
    assert (points[:, :, 1, 1] < PX / 2).all()
    assert (labels[:, :, 1] == 0).all()
    decoder.seen.clear()
    term(teacher, student, inside)
    assert (decoder.seen[-1][1][:, :, 1] == 1).all(), "the teacher sees it there"


def test_padding_counts_nothing() -> None:
    inside = torch.ones(2, 8, 8)
    inside[:, :, 4:] = 0
    term = ThroughDecoder(Clicked(), input_px=PX)
    torch.testing.assert_close(
        term(half(9.0, 9.0), half(9.0, -9.0), inside), torch.zeros(2), atol=0.2, rtol=0
    )
    assert (term(half(9.0, 9.0), half(9.0, -9.0), torch.ones(2, 8, 8)) > 1).all()


def test_a_mask_that_is_as_unsure_as_the_teachers_is_right() -> None:
    unsure = torch.tensor([0.4, -0.2, 1.3, -3.0]).reshape(1, 2, 2)
    shown = torch.ones(1, 2, 2)
    assert float(mask_loss(unsure, unsure.sigmoid(), shown)) == pytest.approx(0, abs=1e-6)
    assert float(mask_loss(3 * unsure, unsure.sigmoid(), shown)) > 0.01


def test_clicks_are_an_images_own_however_a_batch_is_cut() -> None:
    own, inside = torch.zeros(2, 3, 8, 8), torch.ones(2, 8, 8)
    seen = []
    for places in [(0, 1), (1,)]:
        decoder = Clicked()
        with under_way(Part(places, batch_size=2, number=0, num_samples=2, seed=7)):
            ThroughDecoder(decoder, input_px=PX)(own[list(places)], own[list(places)], inside[list(places)])
        seen.append(decoder.seen[-1][0][-1])
    assert torch.equal(*seen)
