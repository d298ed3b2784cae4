"""Heads: what they take and give, and that the normaliser's inverse folds into them."""

import numpy as np
import pytest
import torch

from agglo.core.errors import FeatureMismatch
from agglo.core.seeds import generator
from agglo.distill import HEADS, folded, make_head
from agglo.distill.folding import is_foldable, with_affine_end
from agglo.features import NORMALISERS, Codec, Moments, Storage, make_normaliser

DIM = 20
INVERTIBLE = sorted(set(NORMALISERS) - {"l2"})


@pytest.mark.parametrize("name", HEADS)
def test_heads_reach_the_teachers_width(name: str) -> None:
    head = make_head(name, student_dim=6, teacher_dim=10, hidden_dim=12)
    assert head(torch.zeros(2, 6, 3, 5)).shape == (2, 10, 3, 5)


@pytest.mark.parametrize("name", HEADS)
def test_only_the_convolution_sees_the_neighbours(name: str) -> None:
    torch.manual_seed(0)
    head = make_head(name, student_dim=6, teacher_dim=10, hidden_dim=12)
    embedding = torch.randn(1, 6, 5, 5)
    changed = embedding.clone()
    changed[:, :, 2, 2] += 1
    cells = (head(changed) != head(embedding)).any(dim=1)[0].nonzero().tolist()
    near = [[row, col] for row in (1, 2, 3) for col in (1, 2, 3)]
    assert cells == (near if name == "conv" else [[2, 2]])


def test_the_head_as_printed_cannot_go_low_and_the_linear_one_can() -> None:
    torch.manual_seed(0)
    embedding = 50 * torch.randn(1, 6, 10, 10)
    assert make_head("eq2", student_dim=6, teacher_dim=10, hidden_dim=1)(embedding).min() > -0.18
    assert make_head("linear", student_dim=6, teacher_dim=10, hidden_dim=1)(embedding).min() < -10


def test_names_in_a_checkpoint_of_the_usual_head_stay_as_they_were() -> None:
    head = make_head("mlp", student_dim=6, teacher_dim=10, hidden_dim=12)
    assert list(head.state_dict()) == ["0.weight", "0.bias", "1.weight", "1.bias", "3.weight", "3.bias"]


def moments() -> Moments:
    """Return the moments of a teacher whose channels differ in variance by factors of a thousand, far from zero."""
    random = generator(5, "folding")
    mixing, _ = np.linalg.qr(random.standard_normal((DIM, DIM)))
    scales = np.geomspace(0.1, 5, DIM)
    return Moments.of(((random.standard_normal((900, DIM)) * scales) @ mixing + 3).astype(np.float32))


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("normalise", INVERTIBLE)
def test_a_folded_head_gives_what_the_inverse_makes_of_its_output(head: str, normalise: str) -> None:
    torch.manual_seed(0)
    made = make_head(head, student_dim=6, teacher_dim=DIM, hidden_dim=16)
    normaliser = make_normaliser(normalise, moments())
    embedding = torch.randn(2, 6, 4, 4)
    before = made(embedding)
    expected = normaliser.inverse(before)
    found = folded(made, normaliser)(embedding)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=2e-5)
    torch.testing.assert_close(normaliser(found), before, rtol=1e-3, atol=1e-3)
    assert torch.equal(made(embedding), before), "the head that was folded stays as it was"


def test_a_normaliser_of_codes_folds_as_that_of_features() -> None:
    torch.manual_seed(0)
    found = moments()
    made, embedding = make_head("mlp", student_dim=6, teacher_dim=DIM, hidden_dim=16), torch.randn(2, 6, 4, 4)
    coded = make_normaliser("phi-s", found, Codec.fit(found, Storage("int8", 12)))
    plain = make_normaliser("phi-s", found)
    assert torch.equal(folded(made, coded)(embedding), folded(made, plain)(embedding))


@pytest.mark.parametrize("codec", [None, Storage("int8")], ids=["features", "codes"])
def test_what_forgets_lengths_cannot_be_folded(codec: Storage | None) -> None:
    found = moments()
    normaliser = make_normaliser("l2", found, Codec.fit(found, codec) if codec else None)
    assert not is_foldable(normaliser)
    with pytest.raises(
        FeatureMismatch,
        match=r"only an affine normalisation folds .*; distil with another `distill.normalise`",
    ):
        folded(make_head("mlp", student_dim=6, teacher_dim=DIM, hidden_dim=16), normaliser)


def test_a_layer_that_is_added_lies_where_the_head_does() -> None:
    made = make_head("eq2", student_dim=6, teacher_dim=DIM, hidden_dim=16).to("meta")
    assert {parameter.device.type for parameter in with_affine_end(made).parameters()} == {"meta"}
