"""SAM2's decoder on a plain embedding: boxes, points and earlier masks in, one mask each out."""

import pytest
import torch

from agglo.core.errors import ConfigError, FeatureMismatch
from agglo.core.shapes import StudentFeatures
from agglo.decoders import PromptDecoder
from agglo.decoders.prompts import BOTTOM_RIGHT, INSIDE, OUTSIDE, TOP_LEFT


@pytest.fixture
def decoder():
    torch.manual_seed(0)
    return PromptDecoder(embed_dim=32, image_size=128, patch_size=16, mlp_dim=64)


@pytest.fixture
def embedding():
    return torch.randn(2, 32, 8, 8, generator=torch.Generator().manual_seed(1))


BOXES = torch.tensor([[[10.0, 20.0, 60.0, 90.0], [64.0, 0.0, 127.0, 64.0]], [[0.0, 0.0, 127.0, 127.0]] * 2])


def test_one_mask_per_box(decoder, embedding):
    logits = decoder(embedding, BOXES)
    assert logits.shape == (2, 2, 32, 32)
    assert logits.isfinite().all()


def test_boxes_do_not_see_each_other(decoder, embedding):
    together = decoder(embedding, BOXES)
    torch.testing.assert_close(decoder(embedding, BOXES[:, 1:]), together[:, 1:], rtol=1e-4, atol=1e-5)
    assert (together[:, 0] - together[:, 1]).abs()[0].max() > 1e-3


def test_points_and_their_labels_matter(decoder, embedding):
    points = torch.tensor([[[[30.0, 40.0], [90.0, 90.0]]]]).expand(2, 1, 2, 2)
    inside = decoder.decode_points(embedding, points, torch.ones(2, 1, 2, dtype=torch.int64))
    mixed = decoder.decode_points(embedding, points, torch.tensor([[[1, 0]]] * 2))
    assert inside.shape == (2, 1, 32, 32)
    assert (inside - mixed).abs().max() > 1e-3


def test_training_and_eval_agree(decoder, embedding):
    """SAM2 swaps masks by their stability in eval mode unless that is switched off."""
    torch.testing.assert_close(
        decoder.train()(embedding, BOXES), decoder.eval()(embedding, BOXES), rtol=0, atol=0
    )


def test_gradients_reach_the_embedding(decoder, embedding):
    embedding.requires_grad_()
    decoder(embedding, BOXES).sum().backward()
    assert embedding.grad.abs().sum() > 0


def test_an_embedding_of_another_grid_is_refused(decoder):
    with pytest.raises(
        FeatureMismatch, match=r"for 128 px images needs an embedding of 8 x 8 cells, got 8 x 9"
    ):
        decoder(torch.zeros(2, 32, 8, 9), BOXES)


def test_sizes_that_do_not_divide_are_refused():
    with pytest.raises(
        ConfigError, match="patch_size must divide image_size and 16 must divide embed_dim, got 16, 100"
    ):
        PromptDecoder(image_size=100)


def features(embedding):
    random = torch.Generator().manual_seed(2)
    batch = len(embedding)
    return StudentFeatures(
        embedding,
        torch.randn(batch, 6, 8, 8, generator=random),
        torch.randn(batch, 4, 16, 16, generator=random),
    )


def test_an_answer_to_a_box_is_sam2s(decoder, embedding):
    corners = BOXES[:, 0].reshape(2, 2, 2) + 0.5  # SAM2 counts from the middle of a pixel
    labels = torch.tensor([[TOP_LEFT, BOTTOM_RIGHT]] * 2)
    answer = decoder.answer(features(embedding), corners, labels)
    torch.testing.assert_close(answer.masks, decoder(embedding, BOXES[:, :1])[:, 0], rtol=1e-4, atol=1e-5)
    assert answer.quality.shape == answer.presence.shape == (2,)
    assert ((answer.quality >= 0) & (answer.quality <= 1)).all()


def test_an_answer_to_points_is_sam2s(decoder, embedding):
    points = torch.tensor([[[30.0, 40.0], [90.0, 90.0]]] * 2)
    labels = torch.tensor([[INSIDE, OUTSIDE]] * 2)
    expected = decoder.decode_points(embedding, points[:, None], labels[:, None])[:, 0]
    found = decoder.answer(features(embedding), points + 0.5, labels).masks
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("high_res_dims", [None, (6, 4)])
def test_many_prompts_on_one_image_are_answered_as_each_alone(embedding, high_res_dims):
    torch.manual_seed(0)
    decoder = PromptDecoder(
        embed_dim=32, image_size=128, patch_size=16, mlp_dim=64, high_res_dims=high_res_dims
    )
    given = features(embedding[:1])
    points = torch.tensor([[[30.0, 40.0]], [[90.0, 90.0]], [[5.0, 100.0]]])
    labels = torch.full((3, 1), INSIDE)
    masks = torch.randn(3, 32, 32, generator=torch.Generator().manual_seed(3))
    together = decoder.answer(given, points, labels, masks)
    for row in range(3):
        rows = slice(row, row + 1)
        alone = decoder.answer(given, points[rows], labels[rows], masks[rows])
        for one, many in zip(alone, together, strict=True):
            torch.testing.assert_close(one, many[rows], rtol=1e-4, atol=1e-5)


def test_an_earlier_mask_matters(decoder, embedding):
    points, labels = torch.full((2, 1, 2), 64.0), torch.full((2, 1), INSIDE)
    first = decoder.answer(features(embedding), points, labels)
    second = decoder.answer(features(embedding), points, labels, first.masks)
    assert (first.masks - second.masks).abs().max() > 1e-4


@pytest.mark.parametrize("part", ["stride8", "stride4"])
def test_own_maps_are_used_only_when_asked_for(embedding, part):
    torch.manual_seed(0)
    sizes = {"embed_dim": 32, "image_size": 128, "patch_size": 16, "mlp_dim": 64}
    plain, refined = PromptDecoder(**sizes), PromptDecoder(**sizes, high_res_dims=(6, 4))
    given = features(embedding)
    changed = given._replace(**{part: getattr(given, part) + 1})
    points, labels = torch.full((2, 1, 2), 64.0), torch.full((2, 1), INSIDE)
    assert torch.equal(plain.answer(given, points, labels).masks, plain.answer(changed, points, labels).masks)
    difference = refined.answer(given, points, labels).masks - refined.answer(changed, points, labels).masks
    assert difference.abs().max() > 1e-4


@pytest.mark.parametrize("high_res_dims", [None, (6, 4)])
def test_two_rounds_reach_every_parameter_that_is_trained(embedding, high_res_dims):
    """Several processes wait for the gradient of each."""
    decoder = PromptDecoder(
        embed_dim=32, image_size=128, patch_size=16, mlp_dim=64, high_res_dims=high_res_dims
    )
    points, labels = torch.full((2, 1, 2), 64.0), torch.full((2, 1), INSIDE)
    first = decoder.answer(features(embedding), points, labels)
    second = decoder.answer(features(embedding), points, labels, first.masks.detach())
    sum(part.sum() for answer in (first, second) for part in answer).backward()
    trained = [(name, each) for name, each in decoder.named_parameters() if each.requires_grad]
    assert [name for name, each in trained if each.grad is None] == []
