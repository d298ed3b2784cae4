"""What is done to teacher features before a student is asked to match them.

All are maps of single tokens, fitted once to the statistics of the train split and then frozen: they are saved with every
checkpoint, and what a resumed training uses is what was saved, whatever a fit would give now (eigenvectors have no sign of their
own). They are applied to the teacher only; the student's head learns the normalised space.

Three only turn and scale (`Rotation`): `none`, `global` (mean and one standard deviation), `phi-s` (PHI-S, arXiv 2410.01680). Three
stretch directions unequally (`Whitening`): `channel` (Theia's, arXiv 2407.20179), `pca` and `zca`. All six are affine and undo
exactly. `l2` (`TokenLength`) is neither.

**Low rank.** Features may not vary at all in some directions; where there are fewer tokens than channels, they never do. `global`
and `phi-s` leave such directions at nothing. Whitening would blow up what is only rounding or chance there, so a variance under a
limit is taken for the limit: the direction ends with less than unit variance, the map can still be undone, and the log says of how
many that holds. For `pca` and `zca` the limit is `LEAST_EIGENVALUE` of the mean variance, over the 3.3e-4 that rounding to bytes
adds in every direction (`codec`). For `channel` it is `LEAST_CHANNEL`, so that narrow channels are stretched as Theia does.

Where the store holds codes, the codec's own affine map and the normaliser's are one matrix (`CodedNormaliser`): codes travel to the
device as they are, one byte each, and become normalised features there in one product.
"""

import logging
from collections.abc import Callable, Mapping
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float

from agglo.core.errors import FeatureMismatch
from agglo.features.codec import Codec
from agglo.features.moments import Moments
from agglo.features.normalisers import CodedNormaliser, Normaliser, Rotation, TokenLength, Whitening
from agglo.features.rotation import equalising_rotation, leading_eigenvectors

LEAST_EIGENVALUE = 1e-3
LEAST_CHANNEL = 1e-6
_LEAST_VARIANCE = 1e-12
_log = logging.getLogger(__name__)


def make_normaliser(name: str, moments: Moments, codec: Codec | None = None) -> Normaliser:
    """Return the normaliser `name` of `NORMALISERS`, fitted to `moments` of features; with a `codec` it takes codes instead.

    What the fit found that one should know is logged here, once, and kept in `Normaliser.notes`.

    Raises:
        FeatureMismatch: too few tokens, or features without variance.
    """
    needs_variance = name not in {"none", "l2"}
    if needs_variance and (moments.count < 2 or np.trace(moments.covariance) < _LEAST_VARIANCE):
        raise FeatureMismatch(
            f"`{name}` normalisation needs features that vary over the train split, but {moments.count} tokens of variance "
            f"{np.trace(moments.covariance):.1e} were found; check the teacher's weights and the train split, or use `none`"
        )
    normaliser = NORMALISERS[name](moments)
    return normaliser if codec is None else CodedNormaliser(normaliser, codec)


def _none(moments: Moments) -> Normaliser:
    """Leave features as they are."""
    dim = len(moments.mean)
    return Rotation(torch.zeros(dim), torch.eye(dim), 1.0)


def _l2(moments: Moments) -> Normaliser:
    """Scale every token to one length; nothing is fitted."""
    return TokenLength()


def _global(moments: Moments) -> Normaliser:
    """Take the mean away and divide by one standard deviation, `(trace(covariance) / dim) ** 0.5`."""
    return _scaled(moments, np.eye(len(moments.mean)))


def _phi_s(moments: Moments) -> Normaliser:
    """PHI-S: as `global`, turned by `H U^T` so that every channel has variance 1 (`U` the eigenvectors, `H` Hadamard).

    A width without a known Hadamard matrix gets another rotation that does the same exactly, and a note that says so.
    """
    variances, axes = leading_eigenvectors(moments.covariance, len(moments.mean))
    basis, mixing = equalising_rotation(variances)
    normaliser = _scaled(moments, mixing @ axes.T)
    if basis != "hadamard":
        normaliser.notes = (
            f"no Hadamard matrix of order {len(variances)} is known: `phi-s` equalises this teacher's channels, as exactly, by a "
            "cosine basis mended by plane rotations",
        )
    return normaliser


def _scaled(moments: Moments, rotation: Float[np.ndarray, "dim dim"]) -> Normaliser:
    scale = float((np.trace(moments.covariance) / len(moments.mean)) ** -0.5)
    return Rotation(torch.tensor(moments.mean).float(), torch.tensor(rotation).float(), scale)


def _channel(moments: Moments) -> Normaliser:
    """Theia's: every channel by its own mean and standard deviation."""
    variances, axes = np.diag(moments.covariance), np.eye(len(moments.mean))
    return _whitened(moments, variances, axes, axes, LEAST_CHANNEL)


def _principal(moments: Moments, kind: Literal["pca", "zca"]) -> Normaliser:
    """Whiten along the eigenvectors (`pca`), or turned back afterwards (`zca`), so that features stay as they were, nearly."""
    variances, axes = leading_eigenvectors(moments.covariance, len(moments.mean))
    turn = axes if kind == "zca" else np.eye(len(axes))
    return _whitened(moments, variances, axes, turn, LEAST_EIGENVALUE)


def _whitened(
    moments: Moments,
    variances: Float[np.ndarray, " dim"],
    axes: Float[np.ndarray, "dim dim"],
    turn: Float[np.ndarray, "dim dim"],
    least_share: float,
) -> Normaliser:
    least = least_share * variances.mean()
    normaliser = Whitening(moments.mean, axes, np.sqrt(np.maximum(variances, least)), turn)
    num_flat = int((variances < least).sum())
    if num_flat:
        normaliser.notes = (
            f"{num_flat} of this teacher's {len(axes)} directions hardly vary (less than {least_share:g} of the mean variance); "
            "they are not stretched to unit variance, because that would show rounding and chance",
        )
        _log.warning("%s", normaliser.notes[0])
    return normaliser


NORMALISERS: Mapping[str, Callable[[Moments], Normaliser]] = {
    "none": _none,
    "l2": _l2,
    "global": _global,
    "channel": _channel,
    "pca": lambda moments: _principal(moments, "pca"),
    "zca": lambda moments: _principal(moments, "zca"),
    "phi-s": _phi_s,
}
UNIT_VARIANCE = frozenset({"global", "channel", "pca", "zca", "phi-s"})
"""Those after which the mean variance of the channels is 1 (less where whitening found directions that hardly vary)."""
