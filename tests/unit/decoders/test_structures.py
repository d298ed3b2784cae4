"""The one-pass decoder: any K, any grid, quiet at first, and able to learn what it should."""

import pytest
import torch

from agglo.core.errors import ConfigError
from agglo.core.shapes import StudentFeatures
from agglo.decoders import StructureDecoder

WRONG_ARGUMENTS = {
    "all": (
        {"num_structures": 0, "embed_dim": 20, "grid_stride": 4, "depth": 0},
        r"num_structures must be at least 1, got 0; embed_dim must be a positive multiple of 16, got 20; "
        r"grid_stride must be one of \(8, 16\), got 4; depth must be at least 1, got 0\.",
    ),
    "one": (
        {"num_structures": 2, "grid_stride": 32},
        r"structure decoder: grid_stride must be one of \(8, 16\), got 32\.",
    ),
}


def features(rows=8, cols=12, embed=32, batch=2, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return StudentFeatures(
        embedding=torch.randn(batch, embed, rows, cols, generator=generator),
        stride8=torch.randn(batch, 6, rows, cols, generator=generator),
        stride4=torch.randn(batch, 4, 2 * rows, 2 * cols, generator=generator),
    )


@pytest.mark.parametrize(("arguments", "message"), WRONG_ARGUMENTS.values(), ids=WRONG_ARGUMENTS)
def test_wrong_arguments_come_all_at_once(arguments, message):
    with pytest.raises(ConfigError, match=message):
        StructureDecoder(**arguments)


def test_starts_with_rare_foreground():
    torch.manual_seed(0)
    decoder = StructureDecoder(num_structures=5, embed_dim=32)
    probabilities = decoder(features()).sigmoid()
    assert 0.02 < probabilities.mean() < 0.15


def test_telling_presence_changes_no_mask_and_no_other_weight():
    decoders = []
    for presence in (False, True):
        torch.manual_seed(0)
        decoders.append(StructureDecoder(num_structures=5, embed_dim=32, presence=presence).eval())
    plain, telling = decoders
    told = telling.decode(features())
    assert torch.equal(plain(features()), told.masks)
    assert torch.equal(telling(features()), told.masks)
    kept = {name: value for name, value in telling.state_dict().items() if "tell_presence" not in name}
    assert kept.keys() == plain.state_dict().keys()
    assert (told.presence > 0).all(), "what is not learned yet hides no mask"


def test_structures_do_not_share_a_mask():
    torch.manual_seed(0)
    logits = StructureDecoder(num_structures=3, embed_dim=32)(features())
    assert (logits[:, 0] - logits[:, 1]).abs().mean() > 1e-3


@pytest.mark.parametrize("grid_stride", [8, 16])
def test_high_resolution_maps_are_used_only_when_asked_for(grid_stride):
    plain = StructureDecoder(num_structures=2, embed_dim=32, grid_stride=grid_stride)
    refined = StructureDecoder(num_structures=2, embed_dim=32, grid_stride=grid_stride, high_res_dims=(6, 4))
    first = features()
    for changed in (first._replace(stride8=first.stride8 + 1), first._replace(stride4=first.stride4 + 1)):
        torch.testing.assert_close(plain(first), plain(changed), rtol=0, atol=0)
        assert (refined(first) - refined(changed)).abs().max() > 1e-4


def test_rows_and_cols_are_where_they_should_be():
    """A cell changed in the embedding changes the logits of its own 4 x 4 pixels most."""
    torch.manual_seed(0)
    decoder = StructureDecoder(num_structures=4, embed_dim=32)
    first = features(batch=1)
    embedding = first.embedding.clone()
    embedding[:, :, 2, 9] *= -4
    change = (decoder(first._replace(embedding=embedding)) - decoder(first)).square().sum(dim=(0, 1))
    cells = torch.nn.functional.avg_pool2d(change[None], 4)[0]
    assert divmod(int(cells.argmax()), cells.shape[1]) == (2, 9)


def test_learns_two_masks_from_the_embedding():
    torch.manual_seed(0)
    decoder = StructureDecoder(num_structures=2, embed_dim=64, mlp_dim=64)
    optimizer = torch.optim.AdamW(decoder.parameters(), lr=3e-3)
    given = features(embed=64, batch=1)
    truth = torch.zeros(1, 2, 32, 48)
    truth[:, 0, 4:12, 8:20] = 1
    truth[:, 1, 20:28, 28:44] = 1
    for _ in range(40):
        loss = torch.nn.functional.binary_cross_entropy_with_logits(decoder(given), truth)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    masks = decoder(given) > 0
    dice = 2 * (masks & truth.bool()).sum(dim=(2, 3)) / (masks.sum(dim=(2, 3)) + truth.sum(dim=(2, 3)))
    assert dice.min() > 0.9
