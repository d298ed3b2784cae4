"""From a head that predicts normalised features to one that gives the teacher's own: the inverse goes into its last layer."""

import copy

import torch
from torch import nn

from agglo.core.errors import FeatureMismatch
from agglo.distill.heads import Head
from agglo.features import AffineNormaliser, CodedNormaliser, Normaliser


def is_foldable(normaliser: Normaliser) -> bool:
    """Return whether the normaliser can be undone by an affine layer; `l2` cannot be undone at all."""
    return isinstance(_of_features(normaliser), AffineNormaliser)


def with_affine_end(head: Head) -> Head:
    """Return a copy of a head that ends in an affine layer: its own, or one more that changes nothing.

    The latter behind a non-linearity (`eq2`). Names of what the head holds stay as they are.
    """
    layers = copy.deepcopy(head.layers)
    if isinstance(layers[-1], nn.Linear):
        return Head(*layers, on_map=copy.deepcopy(head.on_map))
    last = next(layer for layer in reversed(layers) if isinstance(layer, nn.Linear))
    dim, device = last.out_features, last.weight.device
    same = nn.Linear(dim, dim, device=device)
    with torch.no_grad():
        same.weight.copy_(torch.eye(dim, device=device))
        same.bias.zero_()
    return Head(*layers, same, on_map=copy.deepcopy(head.on_map))


@torch.no_grad()
def folded(head: Head, normaliser: Normaliser) -> Head:
    """Return a copy of `head` whose output is `normaliser.inverse` of what the head gives.

    With `y = W (x - mean)` and a last layer `y = A t + b`, it becomes `x = W^-1 A t + (W^-1 b + mean)`, computed in float64.

    Raises:
        FeatureMismatch: the normaliser has no inverse.
    """
    affine = _of_features(normaliser)
    if not isinstance(affine, AffineNormaliser):
        raise FeatureMismatch(
            "only an affine normalisation folds into a head, but `l2` forgets how long the teacher's tokens were; distil with "
            "another `distill.normalise`"
        )
    new = with_affine_end(head)
    last, back = new.layers[-1], affine.inverse_weight
    assert isinstance(last, nn.Linear)
    last.bias.copy_(back @ last.bias.double() + affine.mean.double())
    last.weight.copy_(back @ last.weight.double())
    return new


@torch.no_grad()
def unfolded(head: Head, normaliser: Normaliser) -> Head:
    """Return a copy of a folded `head` that predicts what `normaliser` gives, for going on with learning; the reverse of `folded`.

    The head for a normaliser without an inverse was never folded, and comes back as it is.
    """
    affine, new = _of_features(normaliser), with_affine_end(head)
    last = new.layers[-1]
    if isinstance(affine, AffineNormaliser) and isinstance(last, nn.Linear):
        there = affine.weight
        last.bias.copy_(there @ (last.bias.double() - affine.mean.double()))
        last.weight.copy_(there @ last.weight.double())
    return new.requires_grad_(True)


def _of_features(normaliser: Normaliser) -> Normaliser:
    return normaliser.normaliser if isinstance(normaliser, CodedNormaliser) else normaliser
