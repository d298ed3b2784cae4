"""How features become small: turned by PHI-S's rotation, then rounded with one scale; and back.

A codec is fitted once, to a pilot of the train split, and then frozen: `code = round(R (x - mean) / scale)`, with `R` of
orthonormal rows. Why one scale is nearly free: rounding to steps of `s` adds an error of variance `s^2 / 12` to every code,
whatever the channel. Raw channels differ in variance by factors of a thousand and more, so one scale would waste most levels on
the widest and round the narrow ones away; one scale a channel would help, but only along the axes that the teacher happens to
have. After PHI-S's rotation (arXiv 2410.01680) every channel has the same variance `sigma^2`, so one step serves all alike: with
`CLIP_DEVIATIONS sigma` at the last of 127 levels, the error is `CLIP_DEVIATIONS^2 / (12 * 127^2)` of the variance, 3.3e-4 for 8.
And since every channel mixes all directions, values that would have to be clipped are rare.

With fewer codes than channels (PCA), `R` turns the leading eigenvectors only; what the others held is lost, and `energy` says how
much is kept.
"""

import json
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast

import numpy as np
from jaxtyping import Float, Float16, Float32, Int8

from agglo.core.errors import FeatureMismatch, StoreError
from agglo.core.files import write_once
from agglo.features.moments import Moments
from agglo.features.rotation import Basis, equalising_rotation, leading_eigenvectors
from agglo.features.shards import Packing

Dtype = Literal["fp16", "int8", "int8-zstd"]
Codes = Int8[np.ndarray, "samples codes h w"] | Float16[np.ndarray, "samples codes h w"]

LEVELS = 127
CLIP_DEVIATIONS = 8.0
"""Standard deviations at the outermost level: room for tokens much longer than others (docs/store.md has the figures)."""


@dataclass(frozen=True)
class Storage:
    """How a column keeps features.

    Attributes:
        dtype: `fp16`; `int8`; or `int8-zstd`, smaller by what zstd finds and slower to read. pca: codes a token, at most the
        teacher's width; None keeps all. pilot_views: views of the train split, evenly spread, to which the codec is fitted; None
        takes the whole split. Plain `fp16` has none.
    """

    dtype: Dtype = "fp16"
    pca: int | None = None
    pilot_views: int | None = 256

    @property
    def is_coded(self) -> bool:
        """Whether features are turned before they are kept; plain `fp16` keeps them as the teacher gave them."""
        return self.dtype != "fp16" or self.pca is not None

    @property
    def array_dtype(self) -> Literal["float16", "int8"]:
        """What the array on disk holds."""
        return "float16" if self.dtype == "fp16" else "int8"

    @property
    def packing(self) -> Packing:
        """What is done to a sample's bytes."""
        return "zstd" if self.dtype == "int8-zstd" else "plain"

    def width(self, dim: int) -> int:
        """Return codes a token for a teacher of width `dim`.

        Raises:
            StoreError: more are asked for than there are channels.
        """
        if self.pca is not None and not 0 < self.pca <= dim:
            raise StoreError(
                f"`store.pca` must be between 1 and the teacher's width, {dim}, got {self.pca}; fix the recipe"
            )
        return self.pca or dim


@dataclass(frozen=True)
class Codec:
    """A frozen affine map from features to codes.

    Attributes:
        mean: of the pilot's tokens.
        rotation: orthonormal rows, one a code.
        scale: features a step, for `int8`; features a standard deviation, for `fp16`.
        dtype: of the codes.
        basis: what equalises the variances: `hadamard`, or `dct-givens` for widths without a Hadamard matrix.
        energy: share of the pilot's variance that the codes keep; 1 without PCA.
    """

    mean: Float32[np.ndarray, " dim"]
    rotation: Float32[np.ndarray, "codes dim"]
    scale: float
    dtype: Literal["int8", "float16"]
    basis: Basis
    energy: float

    @staticmethod
    def fit(moments: Moments, storage: Storage) -> "Codec":
        """Return the codec of `storage` for tokens with these moments.

        Raises:
            FeatureMismatch: too few tokens, or features without variance.
            StoreError: more codes are asked for than there are channels.
        """
        width = storage.width(len(moments.mean))
        variances, axes = leading_eigenvectors(moments.covariance, width)
        if moments.count < 2 or variances.sum() <= 0:
            raise FeatureMismatch(
                f"a codec needs features that vary over the pilot, but {moments.count} tokens of variance "
                f"{variances.sum():.1e} were found; check the teacher's weights and the train split, or use `store.dtype: fp16`"
            )
        basis, mixing = equalising_rotation(variances)
        deviation = float(np.sqrt(variances.mean()))
        return Codec(
            mean=moments.mean.astype(np.float32),
            rotation=(mixing @ axes.T).astype(np.float32),
            scale=deviation * CLIP_DEVIATIONS / LEVELS if storage.array_dtype == "int8" else deviation,
            dtype=storage.array_dtype,
            basis=basis,
            energy=float(variances.sum() / np.trace(moments.covariance)),
        )

    def encode(self, features: Float[np.ndarray, "samples dim h w"]) -> tuple[Codes, float]:
        """Return the codes of `features`, and the share of values that had to be clipped to the outermost level.

        Sample by sample, so that a sample's codes do not depend on which others are there.
        """
        matrix = self.rotation / np.float32(self.scale)
        offset = (matrix.astype(np.float64) @ self.mean.astype(np.float64)).astype(np.float32)[:, None]
        codes = np.empty((len(features), len(matrix), *features.shape[2:]), self.dtype)
        num_clipped = 0
        for place, each in enumerate(features):
            turned = matrix @ each.reshape(len(self.mean), -1).astype(np.float32) - offset
            if self.dtype == "int8":
                np.rint(turned, out=turned)
                num_clipped += int((np.abs(turned) > LEVELS).sum())
                np.clip(turned, -LEVELS, LEVELS, out=turned)
            codes[place] = turned.reshape(codes.shape[1:]).astype(self.dtype)
        return codes, num_clipped / max(1, codes.size)

    def decode(self, codes: Codes) -> Float32[np.ndarray, "samples dim h w"]:
        """Return the features that `codes` stand for. In training the device does this (`CodedNormaliser`)."""
        matrix = self.rotation.T * np.float32(self.scale)
        found = np.empty((len(codes), len(matrix), *codes.shape[2:]), np.float32)
        for place, each in enumerate(codes):
            tokens = matrix @ each.reshape(len(each), -1).astype(np.float32) + self.mean[:, None]
            found[place] = tokens.reshape(found.shape[1:])
        return found

    def save_once(self, path: Path) -> bool:
        """Write to an `.npz` file unless it is there; the first of several processes wins; return whether this one did."""
        return write_once(path, self._write)

    def _write(self, path: Path) -> None:
        about = {"scale": self.scale, "dtype": self.dtype, "basis": self.basis, "energy": self.energy}
        with path.open("wb") as file:
            np.savez(file, mean=self.mean, rotation=self.rotation, about=np.array(json.dumps(about)))

    @staticmethod
    def load(path: Path) -> "Codec":
        """Read what `save_once` wrote.

        Raises:
            StoreError: the file is damaged.
        """
        try:
            with np.load(path, allow_pickle=False) as file:
                about = json.loads(str(file["about"]))
                return Codec(
                    file["mean"],
                    file["rotation"],
                    float(about["scale"]),
                    about["dtype"],
                    cast(Basis, about["basis"]),
                    float(about["energy"]),
                )
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as problem:
            raise StoreError(
                f"{path} must be a codec, but cannot be read ({problem}); without it the column's codes mean nothing: "
                f"delete {path.parent} and extract anew"
            ) from problem
