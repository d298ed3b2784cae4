"""SAM2's decoder on a plain embedding: boxes and points in, one mask each out."""

import pytest
import torch

from agglo.core.errors import ConfigError, FeatureMismatch
from agglo.decoders import PromptDecoder


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
