"""The light decoder: few parameters, a place for everything, and errors that say what is wrong."""

import pytest
import torch

from agglo.core.errors import ConfigError
from agglo.core.shapes import StudentFeatures
from agglo.decoders import LightDecoder, StructureDecoder, build_decoder


def features(rows: int = 8, cols: int = 12) -> StudentFeatures:
    random = torch.Generator().manual_seed(0)
    shapes = ((1, 32, rows, cols), (1, 6, rows, cols), (1, 4, 2 * rows, 2 * cols))
    return StudentFeatures(*(torch.randn(shape, generator=random) for shape in shapes))


def test_starts_with_rare_foreground_and_hides_nothing() -> None:
    torch.manual_seed(0)
    found = LightDecoder(num_structures=5, embed_dim=32, presence=True).decode(features())
    assert 0.02 < float(found.masks.detach().sigmoid().mean()) < 0.15
    assert found.presence is not None
    assert bool((found.presence > 0).all())


def test_rows_and_cols_are_where_they_should_be() -> None:
    """A cell changed in the embedding changes the logits of its own pixels most."""
    torch.manual_seed(0)
    decoder = LightDecoder(num_structures=4, embed_dim=32)
    first = features()
    embedding = first.embedding.clone()
    embedding[:, :, 2, 9] *= -4
    change = (decoder(first._replace(embedding=embedding)) - decoder(first)).square().sum(dim=(0, 1))
    cells = torch.nn.functional.avg_pool2d(change[None], 4)[0]
    assert divmod(int(cells.argmax()), cells.shape[1]) == (2, 9)


def test_it_is_small_beside_the_decoder_it_learns_from() -> None:
    sizes = [
        sum(parameter.numel() for parameter in kind(num_structures=12, high_res_dims=(96, 48)).parameters())
        for kind in (LightDecoder, StructureDecoder)
    ]
    assert sizes[0] < 0.03 * sizes[1]


def test_decoders_are_built_by_name() -> None:
    assert isinstance(build_decoder(num_structures=2, embed_dim=16), StructureDecoder)
    assert isinstance(build_decoder(kind="light", num_structures=2, embed_dim=16), LightDecoder)
    with pytest.raises(ConfigError, match="a decoder must be one of structures, light, got 'heavy'"):
        build_decoder(kind="heavy", num_structures=2)


def test_sizes_under_one_are_refused() -> None:
    with pytest.raises(ConfigError, match="num_structures and width must be at least 1, got 0 and 64"):
        LightDecoder(num_structures=0)
