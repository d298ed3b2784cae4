"""lab-clip: learns from captions what is shown, by telling each image's caption from those of the others in the batch.

The image tower is the catalogue's (MedCLIP's Swin), read as the mean of its tokens; the text tower is `words.TextTower`. Captions
are the phantom's own words about a frame, and lists of what lies in a scene. Only the image tower ships.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int, UInt8
from torch import Tensor, nn

from agglo.core.seeds import generator
from agglo.data.views import ViewRecipe, render_image, sample_view
from agglo.lab.words import TextTower, Vocabulary
from agglo.teachers.build import build_encoder
from agglo.teachers.catalogue import TeacherEntry
from agglo.teachers.protocol import preprocess
from agglo.train.task import Outcome, Task

JOINT_DIM = 128
MAX_WORDS = 48
GEOMETRY = ViewRecipe(first_is_identity=False, rotation_deg=6.0, zoom=(0.9, 1.15), shift=0.05)
"""Never a mirror image: captions say left and right."""
MAX_SCALE = 100.0


@dataclass(frozen=True)
class CaptionedImages:
    """Training samples for contrast: 8-bit pictures and a caption for each.

    Attributes:
        images: pictures of one size.
        captions: as many.
        vocabulary: turns captions into numbers.
        size_px: side of the tower's input.
        seed: of views and light.
    """

    images: UInt8[np.ndarray, "images rows cols"]
    captions: Sequence[str]
    vocabulary: Vocabulary
    size_px: int
    seed: int

    def __len__(self) -> int:
        return len(self.images)

    def sample(self, index: int, turn: int) -> dict[str, Any]:
        """Return `image [S, S]` in `[0, 1]` and `words [MAX_WORDS]`."""
        rows, cols = self.images.shape[1:]
        view = sample_view(GEOMETRY, seed=self.seed, frame=index, number=turn, height=rows, width=cols)
        image = render_image(self.images[index], view, self.size_px)
        grain = generator(self.seed, "grain", index, turn).standard_normal(image.shape, dtype=np.float32)
        return {
            "image": torch.from_numpy(np.clip(image + 0.015 * grain, 0, 1)),
            "words": self.vocabulary.encode(self.captions[index], MAX_WORDS),
        }


@final
class CaptionContrast(Task):
    """Two towers and the sharpness of their comparison."""

    def __init__(self, entry: TeacherEntry, num_words: int) -> None:
        """Build with random weights from torch's global generator."""
        super().__init__()
        self.entry = entry
        self.encoder = build_encoder(entry)
        self.projection = nn.Linear(entry.dim, JOINT_DIM)
        self.text = TextTower(num_words, length=MAX_WORDS, out_dim=JOINT_DIM)
        self.log_scale = nn.Parameter(torch.tensor(math.log(10.0)))

    def image_vectors(self, images: Float[Tensor, "batch size size"]) -> Float[Tensor, "batch joint"]:
        """Return one vector of length 1 per image in `[0, 1]`."""
        tokens = self.encoder(preprocess(self.entry, images)).last_hidden_state
        return F.normalize(self.projection(tokens.mean(1)).float(), dim=-1)

    def text_vectors(self, words: Int[Tensor, "batch words"]) -> Float[Tensor, "batch joint"]:
        """Return one vector of length 1 per caption."""
        return F.normalize(self.text(words).float(), dim=-1)

    def forward(self, batch: Any, step: int) -> Outcome:
        """Return the contrastive loss of the batch; see `CaptionedImages.sample`."""
        words = batch["words"]
        scale = self.log_scale.exp().clamp(max=MAX_SCALE)
        images, texts = self.image_vectors(batch["image"]), self.text_vectors(words)
        with torch.autocast(images.device.type, enabled=False):
            likeness = scale * images @ texts.T
        loss = contrast(likeness, same_caption(words))
        return Outcome(loss, {"contrast": loss.detach(), "scale": scale.detach()})


def same_caption(words: Int[Tensor, "batch words"]) -> Bool[Tensor, "batch batch"]:
    """Return which captions of a batch are word for word the same."""
    return (words.unsqueeze(0) == words.unsqueeze(1)).all(-1)


def contrast(
    likeness: Float[Tensor, "batch batch"], is_match: Bool[Tensor, "batch batch"]
) -> Float[Tensor, ""]:
    """Return the mean cross-entropy of images (rows) to captions (columns) and back; equal captions share the target.

    Source: CLIP (arXiv 2103.00020), with soft targets where a caption occurs twice.
    """
    targets = is_match.float() / is_match.sum(1, keepdim=True)
    rows = -(targets * likeness.log_softmax(1)).sum(1).mean()
    columns = -(targets.T * likeness.log_softmax(0)).sum(0).mean()
    return (rows + columns) / 2


def retrieval(
    likeness: Float[Tensor, "images captions"], is_match: Bool[Tensor, "images captions"]
) -> dict[str, float]:
    """Return how often a matching caption is the most alike (`top1`) or among five (`top5`), and what chance would give."""
    order = likeness.argsort(dim=1, descending=True)
    hits = is_match.gather(1, order)
    return {
        "top1": float(hits[:, 0].float().mean()),
        "top5": float(hits[:, :5].any(1).float().mean()),
        "chance_top1": float(is_match.float().mean()),
    }
