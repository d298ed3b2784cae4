"""Maps of single tokens, from a teacher's features to what a student is asked to match, and back. `normalise` fits them."""

from abc import ABC, abstractmethod
from typing import final

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Shaped
from torch import Tensor, nn

from agglo.core.errors import FeatureMismatch
from agglo.features.codec import Codec

Maps = Float[Tensor, "batch dim h w"]


class Normaliser(nn.Module, ABC):
    """Abstract: what is done to every token of a teacher's map, and how it is undone. What decides it are buffers.

    Attributes:
        notes: what the fit found that a person should know; none for most.
    """

    notes: tuple[str, ...] = ()

    @abstractmethod
    def forward(self, features: Maps) -> Maps:
        """Return normalised features, in float32."""

    @abstractmethod
    def inverse(self, features: Maps) -> Maps:
        """Return what `forward` was given.

        Raises:
            FeatureMismatch: the normaliser has no inverse.
        """


class AffineNormaliser(Normaliser, ABC):
    """Abstract: `y = W (x - mean)` with `W` of full rank."""

    mean: Tensor

    @property
    @abstractmethod
    def weight(self) -> Float[Tensor, "dim dim"]:
        """`W`, in float64."""

    @property
    @abstractmethod
    def inverse_weight(self) -> Float[Tensor, "dim dim"]:
        """The inverse of `W`, in float64."""


@final
class Rotation(AffineNormaliser):
    """`W` is a rotation times one factor, so that its inverse is its transpose over the factor's square."""

    rotation: Tensor
    scale: Tensor

    def __init__(self, mean: Float[Tensor, " dim"], rotation: Float[Tensor, "dim dim"], scale: float) -> None:
        """Take the mean, an orthogonal matrix and one factor; all become buffers, saved with every checkpoint."""
        super().__init__()
        self.register_buffer("mean", mean)
        self.register_buffer("rotation", rotation)
        self.register_buffer("scale", torch.tensor(scale, dtype=mean.dtype))

    @torch.no_grad()
    def forward(self, features: Maps) -> Maps:
        centred = features.float() - self.mean[:, None, None]
        return self.scale * torch.einsum("fg,bghw->bfhw", self.rotation, centred)

    def inverse(self, features: Maps) -> Maps:
        """Return what `forward` was given."""
        turned = torch.einsum("gf,bghw->bfhw", self.rotation, features.float())
        return turned / self.scale + self.mean[:, None, None]

    @property
    def weight(self) -> Float[Tensor, "dim dim"]:
        """`W`, in float64."""
        return (self.scale * self.rotation).double()

    @property
    def inverse_weight(self) -> Float[Tensor, "dim dim"]:
        """The inverse of `W`, in float64."""
        return self.rotation.double().T / self.scale.double()


@final
class Whitening(AffineNormaliser):
    """`W = turn diag(1 / deviation) axes^T`, with two rotations and a deviation for every direction."""

    stretch: Tensor
    unstretch: Tensor

    def __init__(
        self,
        mean: Float[np.ndarray, " dim"],
        axes: Float[np.ndarray, "dim dim"],
        deviations: Float[np.ndarray, " dim"],
        turn: Float[np.ndarray, "dim dim"],
    ) -> None:
        """Take the mean, directions as columns, their deviations and what is turned last.

        The mean, `W` and its inverse become buffers, saved with every checkpoint.
        """
        super().__init__()
        self.register_buffer("mean", torch.tensor(mean).float())
        self.register_buffer("stretch", torch.tensor((turn / deviations) @ axes.T).float())
        self.register_buffer("unstretch", torch.tensor((axes * deviations) @ turn.T).float())

    @torch.no_grad()
    def forward(self, features: Maps) -> Maps:
        centred = features.float() - self.mean[:, None, None]
        return torch.einsum("fg,bghw->bfhw", self.stretch, centred)

    def inverse(self, features: Maps) -> Maps:
        """Return what `forward` was given."""
        return torch.einsum("fg,bghw->bfhw", self.unstretch, features.float()) + self.mean[:, None, None]

    @property
    def weight(self) -> Float[Tensor, "dim dim"]:
        """`W`, in float64."""
        return self.stretch.double()

    @property
    def inverse_weight(self) -> Float[Tensor, "dim dim"]:
        """The inverse of `W`, in float64."""
        return self.unstretch.double()


@final
class TokenLength(Normaliser):
    """Every token scaled to length `sqrt(dim)`: the mean square over its channels is 1, and its length is forgotten.

    This is the paper's column "L^2" (arXiv 2504.02351, table 2) as a normalisation of the teacher alone; `loss: l2-normalised` is
    the same for teacher and student. It does not commute with interpolation, as the affine ones do: between cells tokens are
    shorter.
    """

    @torch.no_grad()
    def forward(self, features: Maps) -> Maps:
        return F.normalize(features.float(), dim=1) * features.shape[1] ** 0.5

    def inverse(self, features: Maps) -> Maps:
        """Raise `FeatureMismatch`: the lengths are gone."""
        raise FeatureMismatch(
            "`l2` normalisation forgets how long the teacher's tokens were, so what a student learned cannot be turned back "
            "into the teacher's features; distil with another `distill.normalise` for that"
        )


@final
class CodedNormaliser(Normaliser):
    """Normalised features from a codec's codes: `y = W (decode(codes) - mean)`, as one matrix; `TokenLength` comes after decoding.

    Its inverse gives features, not codes.
    """

    matrix: Tensor
    shift: Tensor

    def __init__(self, normaliser: Normaliser, codec: Codec) -> None:
        """Compose both, in float64; matrix and shift become buffers, saved with every checkpoint, as do the normaliser's."""
        super().__init__()
        self.normaliser, self.notes = normaliser, normaliser.notes
        decode = torch.from_numpy(codec.rotation).double().T * codec.scale
        mean = torch.from_numpy(codec.mean).double()
        if isinstance(normaliser, AffineNormaliser):
            turn = normaliser.weight
            decode, mean = turn @ decode, turn @ (mean - normaliser.mean.double())
        self.register_buffer("matrix", decode.float())
        self.register_buffer("shift", mean.float())

    @torch.no_grad()
    def forward(self, codes: Shaped[Tensor, "batch codes h w"]) -> Maps:
        turned = torch.einsum("fk,bkhw->bfhw", self.matrix, codes.float()) + self.shift[:, None, None]
        return turned if isinstance(self.normaliser, AffineNormaliser) else self.normaliser(turned)

    def inverse(self, features: Maps) -> Maps:
        """Return the features that the codes stood for."""
        found: Maps = self.normaliser.inverse(features)
        return found
