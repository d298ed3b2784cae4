"""lab-clip: learns from captions what is shown, by telling which words and phrases hold for a picture and which do not.

The image tower is the catalogue's (MedCLIP's Swin), the text tower `words.TextTower`; both give vectors of length 1, compared for
every pair of picture and text by a sigmoid, as in SigLIP (arXiv 2303.15343): so small batches do, and captions that share a phrase
are no negatives of each other. A text may be told from any cell of the map (log-mean-exp over cells), so that cells learn to say
what is at them. Rare texts weigh as much where they hold as where they do not. Captions are the phantom's own words about a frame,
and lists of what lies in a scene; a mirrored picture gets a mirrored caption. Only the image tower ships.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, final

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, UInt8
from torch import Tensor, nn

from agglo.core.seeds import generator
from agglo.data.views import ViewRecipe, render_image, sample_view
from agglo.lab.crops import relit
from agglo.lab.initial import begin_encoder
from agglo.lab.phrases import held_texts, mirrored
from agglo.lab.words import TextTower, Vocabulary
from agglo.teachers.catalogue import TeacherEntry
from agglo.teachers.protocol import preprocess
from agglo.train.task import Outcome, Task

JOINT_DIM = 128
MAX_WORDS = 8
GEOMETRY = ViewRecipe(
    first_is_identity=False,
    rotation_deg=10.0,
    zoom=(0.85, 1.2),
    shift=0.08,
    flip_probability=0.5,
    gamma=(1.0, 1.0),
    gain=(1.0, 1.0),
    offset=(0.0, 0.0),
)
MAX_SCALE = 100.0
MAX_WEIGHT = 12.0


@dataclass(frozen=True)
class CaptionedImages:
    """Training samples for contrast: 8-bit pictures and a caption for each.

    Attributes:
        images: pictures of one size.
        captions: as many.
        texts: the short texts that are asked about.
        size_px: side of the tower's input.
        seed: of views and light.
    """

    images: UInt8[np.ndarray, "images rows cols"]
    captions: Sequence[str]
    texts: Sequence[str]
    size_px: int
    seed: int

    def __len__(self) -> int:
        return len(self.images)

    @cached_property
    def held(self) -> Bool[np.ndarray, "images texts"]:
        """Which texts hold for which picture."""
        return held_texts(self.captions, self.texts)

    @cached_property
    def held_mirrored(self) -> Bool[np.ndarray, "images texts"]:
        """Which texts hold for which mirrored picture."""
        return held_texts([mirrored(caption) for caption in self.captions], self.texts)

    def sample(self, index: int, turn: int) -> dict[str, Any]:
        """Return `image [S, S]` in `[0, 1]` and whether each text holds: `held [texts]`."""
        rows, cols = self.images.shape[1:]
        view = sample_view(GEOMETRY, seed=self.seed, frame=index, number=turn, height=rows, width=cols)
        image = render_image(self.images[index], view, self.size_px)
        held = self.held_mirrored if view.is_flipped else self.held
        return {
            "image": torch.from_numpy(relit(image, generator(self.seed, "light", index, turn))),
            "held": torch.from_numpy(held[index].astype(np.float32)),
        }


@final
class TextContrast(Task):
    """Two towers, and the sharpness of their comparison."""

    def __init__(
        self,
        entry: TeacherEntry,
        texts: Sequence[str],
        images: UInt8[np.ndarray, "images rows cols"],
        seed: int,
    ) -> None:
        """Build with random weights from torch's global generator; `images` and `seed` as in `initial.begin_encoder`."""
        super().__init__()
        self.entry = entry
        self.texts = tuple(texts)
        self.encoder = begin_encoder(entry, images, seed)
        self.projection = nn.Linear(entry.dim, JOINT_DIM)
        vocabulary = Vocabulary(texts)
        self.text = TextTower(len(vocabulary), length=MAX_WORDS, out_dim=JOINT_DIM + 1)
        numbers = torch.stack([vocabulary.encode(text, MAX_WORDS) for text in texts])
        self.register_buffer("numbers", numbers, persistent=False)
        self.log_scale = nn.Parameter(torch.tensor(math.log(10.0)))

    def tokens(self, images: Float[Tensor, "batch size size"]) -> Float[Tensor, "batch tokens dim"]:
        """Return the encoder's map of images in `[0, 1]`, cell by cell: what ships."""
        return self.encoder(preprocess(self.entry, images)).last_hidden_state

    def likeness(self, tokens: Float[Tensor, "batch tokens dim"]) -> Float[Tensor, "batch texts"]:
        """Return one logit for every image and text: the log-mean-exp over cells."""
        pictured = F.normalize(self.projection(tokens).float(), dim=-1)
        answer = self.text(self.numbers).float()
        said, bias = F.normalize(answer[:, :-1], dim=-1), answer[:, -1]
        scale = self.log_scale.exp().clamp(max=MAX_SCALE)
        with torch.autocast(pictured.device.type, enabled=False):
            by_cell = scale * pictured @ said.T + bias
        return by_cell.logsumexp(1) - math.log(by_cell.shape[1])

    def forward(self, batch: Any, step: int) -> Outcome:
        """Return how badly texts are told to hold or not; see `CaptionedImages.sample`."""
        logits, held = self.likeness(self.tokens(batch["image"])), batch["held"]
        loss = balanced(F.binary_cross_entropy_with_logits(logits, held, reduction="none"), held)
        hits = balanced(((logits > 0) == (held > 0)).float(), held)
        return Outcome(loss, {"contrast": loss.detach(), "right": hits.detach()})


def balanced(values: Float[Tensor, "batch texts"], held: Float[Tensor, "batch texts"]) -> Float[Tensor, ""]:
    """Return the mean over texts of values where the text holds and where not, each half as much; a lone half counts alone.

    A text that holds once in a large batch would have one picture weigh half: no picture weighs more than `MAX_WEIGHT` of its mean
    share.
    """
    share = held.mean(0, keepdim=True)
    weight = held / (2 * share).clamp(min=1 / MAX_WEIGHT) + (1 - held) / (2 * (1 - share)).clamp(
        min=1 / MAX_WEIGHT
    )
    return (values * weight).sum() / weight.sum()
