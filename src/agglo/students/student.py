"""The student: a backbone and a neck behind one call, and how one is built by name.

It knows neither teachers nor structures: heads and decoders read what it gives.
"""

import logging
from pathlib import Path
from typing import Literal, final

from jaxtyping import Float
from torch import Tensor, nn

from agglo.core.channels import grey_to_channels
from agglo.core.errors import ConfigError, FeatureMismatch
from agglo.core.shapes import StudentFeatures
from agglo.students.catalogue import CATALOGUE, EMBED_DIM, StudentEntry
from agglo.students.encoders import Encoder
from agglo.students.necks import NECKS, Neck
from agglo.students.norms import set_norms_to_eval
from agglo.students.weights import Origin, load_into

logger = logging.getLogger(__name__)

Init = Literal["random", "imagenet"] | Path


@final
class Student(nn.Module):
    """A small encoder: images of any sides that are multiples of 32 px in, an embedding of stride 8 out.

    Attributes:
        entry: its row of the catalogue: normalisation, usual input, licence.
        encoder: the backbone.
        neck: what fuses the backbone's maps.
        embed_dim: channels of the embedding.
        stride8_dim, stride4_dim: channels of the backbone's own maps that are handed on beside the embedding.
        origin: where its first weights came from.
        are_norms_frozen: whether batch norms stay in eval mode in training; set by `norms.freeze_norms`.
    """

    def __init__(self, entry: StudentEntry, encoder: Encoder, neck: Neck, *, embed_dim: int) -> None:
        """Join `encoder` and `neck`."""
        super().__init__()
        self.entry = entry
        self.encoder = encoder
        self.neck = neck
        self.embed_dim = embed_dim
        self.stride4_dim, self.stride8_dim = encoder.dims[:2]
        self.origin = Origin()
        self.are_norms_frozen = False

    @property
    def neck_name(self) -> str:
        """The neck's key of `NECKS`."""
        return next(name for name, kind in NECKS.items() if type(self.neck) is kind)

    @property
    def arguments(self) -> dict[str, object]:
        """Keyword arguments that make `build_student` build the same student again, as a model folder keeps them."""
        return {"name": self.entry.name, "neck": self.neck_name, "embed_dim": self.embed_dim}

    def forward(self, images: Float[Tensor, "batch 3 rows cols"]) -> StudentFeatures:
        """Return the embedding and the backbone's maps of strides 8 and 4.

        Raises:
            FeatureMismatch: if rows or cols are not multiples of 32.
        """
        rows, cols = images.shape[-2:]
        multiple = self.entry.input_multiple_px
        if rows % multiple or cols % multiple:
            raise FeatureMismatch(
                f"student {self.entry.name} needs rows and cols that are multiples of {multiple} px, got {rows} x {cols}; "
                "choose another `input_px`, or letterbox the image."
            )
        maps = self.encoder(images)
        return StudentFeatures(embedding=self.neck(maps), stride8=maps[1], stride4=maps[0])

    def train(self, mode: bool = True) -> "Student":
        """Switch to training or eval mode; batch norms stay in eval mode while they are frozen."""
        super().train(mode)
        if self.are_norms_frozen:
            set_norms_to_eval(self)
        return self

    def preprocess(self, unit_images: Float[Tensor, "batch rows cols"]) -> Float[Tensor, "batch 3 rows cols"]:
        """Turn grey images in `[0, 1]` into input: three equal channels, normalised."""
        return grey_to_channels(unit_images, self.entry.mean, self.entry.std)


def build_student(
    name: str, *, neck: str | None = None, embed_dim: int = EMBED_DIM, init: Init = "random"
) -> Student:
    """Build the student `name` of the catalogue, in training mode.

    Args:
        name: in the catalogue.
        neck: a key of `NECKS`; None for the entry's usual one.
        embed_dim: channels of the embedding.
        init: `"random"` (torch's global generator), `"imagenet"` for the backbone, or a path: a safetensors file of a whole
            student, of a model folder or of timm's backbone, or a model folder. `Student.origin` says what was loaded.

    Raises:
        ConfigError: if name, neck or embed_dim cannot be used.
        WeightsError: if weights cannot be had or do not fit key by key.
    """
    if name not in CATALOGUE:
        raise ConfigError(
            f"a student must be one of {sorted(CATALOGUE)}, got {name!r}; see `agglo students`."
        )
    entry = CATALOGUE[name]
    neck_name = entry.neck if neck is None else neck
    if neck_name not in NECKS:
        raise ConfigError(f"a neck of student {name} must be one of {sorted(NECKS)}, got {neck_name!r}.")
    if embed_dim < 1:
        raise ConfigError(f"embed_dim must be at least 1, got {embed_dim}.")
    student = compose(entry, neck_name, embed_dim=embed_dim)
    student.origin = load_into(student, init)
    logger.info("student %s with neck %s, init %s", name, neck_name, init)
    return student


def compose(entry: StudentEntry, neck_name: str, *, embed_dim: int) -> Student:
    """Return a student of random weights whose backbone is as its neck wants it."""
    neck_type = NECKS[neck_name]
    encoder = Encoder(entry, last_stride_px=neck_type.last_stride_px)
    return Student(entry, encoder, neck_type(encoder.dims, embed_dim), embed_dim=embed_dim)
