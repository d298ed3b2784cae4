"""What is done to teacher features before a student is asked to match them.

All of these are affine maps of single tokens, fitted once on the train split and then frozen: `none`, `global` (mean and one
standard deviation) and `phi-s` (PHI-S, arXiv 2410.01680). They are applied to the teacher only; the student's head learns the
normalised space.

Where the store holds codes, the codec's own affine map and the normaliser's are one matrix (`CodedNormaliser`): codes travel to the
device as they are, one byte each, and become normalised features there in one product.
"""

from typing import Literal, final

import numpy as np
import torch
from jaxtyping import Float, Shaped
from torch import Tensor, nn

from agglo.core.errors import FeatureMismatch
from agglo.features.codec import Codec
from agglo.features.hadamard import hadamard
from agglo.features.moments import Moments
from agglo.features.rotation import eigenvectors

NormaliserName = Literal["none", "global", "phi-s"]
_LEAST_VARIANCE = 1e-12


@final
class Normaliser(nn.Module):
    """The affine map `y = W (x - mean)` on every token, with `W` a scaled rotation, so that it can be undone exactly."""

    mean: Tensor
    rotation: Tensor
    scale: Tensor

    def __init__(self, mean: Float[Tensor, " dim"], rotation: Float[Tensor, "dim dim"], scale: float) -> None:
        """Take the mean, an orthogonal matrix and one factor; all become buffers, saved with every checkpoint."""
        super().__init__()
        self.register_buffer("mean", mean)
        self.register_buffer("rotation", rotation)
        self.register_buffer("scale", torch.tensor(scale, dtype=mean.dtype))

    @torch.no_grad()
    def forward(self, features: Float[Tensor, "batch dim h w"]) -> Float[Tensor, "batch dim h w"]:
        """Return normalised features, in float32."""
        centred = features.float() - self.mean[:, None, None]
        return self.scale * torch.einsum("fg,bghw->bfhw", self.rotation, centred)

    @torch.no_grad()
    def inverse(self, features: Float[Tensor, "batch dim h w"]) -> Float[Tensor, "batch dim h w"]:
        """Return what `forward` was given."""
        turned = torch.einsum("gf,bghw->bfhw", self.rotation, features.float())
        return turned / self.scale + self.mean[:, None, None]


@final
class CodedNormaliser(nn.Module):
    """The affine map from a codec's codes to normalised features: `y = W (decode(codes) - mean)`, as one matrix."""

    matrix: Tensor
    shift: Tensor

    def __init__(self, normaliser: Normaliser, codec: Codec) -> None:
        """Compose both, in float64; matrix and shift become buffers, saved with every checkpoint."""
        super().__init__()
        turn = (normaliser.scale * normaliser.rotation).double()
        decode = torch.from_numpy(codec.rotation).double().T * codec.scale
        self.register_buffer("matrix", (turn @ decode).float())
        shift = turn @ (torch.from_numpy(codec.mean).double() - normaliser.mean.double())
        self.register_buffer("shift", shift.float())

    @torch.no_grad()
    def forward(self, codes: Shaped[Tensor, "batch codes h w"]) -> Float[Tensor, "batch dim h w"]:
        """Return normalised features, in float32, of int8 or float16 codes."""
        return torch.einsum("fk,bkhw->bfhw", self.matrix, codes.float()) + self.shift[:, None, None]


def make_normaliser(
    name: NormaliserName, moments: Moments, codec: Codec | None = None
) -> Normaliser | CodedNormaliser:
    """Return the normaliser `name` fitted to `moments`, which are of features; with a `codec` it takes codes instead of features.

    `global` and `phi-s` share the factor `phi = (trace(covariance) / dim) ** -0.5`; `phi-s` also turns features by `H U^T`
    (`U` the covariance's eigenvectors, `H` Hadamard), after which every channel has variance exactly 1.

    Raises:
        FeatureMismatch: too few tokens, features without variance, or a width without a known Hadamard matrix.
    """
    normaliser = _fitted(name, moments)
    return normaliser if codec is None else CodedNormaliser(normaliser, codec)


def _fitted(name: NormaliserName, moments: Moments) -> Normaliser:
    dim = len(moments.mean)
    if name == "none":
        return Normaliser(torch.zeros(dim), torch.eye(dim), 1.0)
    if moments.count < 2 or np.trace(moments.covariance) < _LEAST_VARIANCE:
        raise FeatureMismatch(
            f"`{name}` normalisation needs features that vary over the train split, but {moments.count} tokens of variance "
            f"{np.trace(moments.covariance):.1e} were found; check the teacher's weights and the train split, or use `none`"
        )
    scale = float((np.trace(moments.covariance) / dim) ** -0.5)
    rotation = np.eye(dim) if name == "global" else hadamard(dim) @ eigenvectors(moments.covariance).T
    return Normaliser(torch.tensor(moments.mean).float(), torch.tensor(rotation).float(), scale)
