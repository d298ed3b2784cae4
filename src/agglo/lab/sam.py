"""lab-sam: learns to outline whatever a box points at, in scenes that have nothing of the swallowing anatomy.

The encoder is the catalogue's (SAM2's Hiera with feature pyramid), the decoder SAM2's, at half its width; only the encoder ships. A
box is given to the decoder as its two corners and, filled, as SAM2's mask prompt. As in SAM2 the decoder's upscaling is fed finer
maps of the trunk; here they know the filled box too, so that what is near an edge of the box can be judged at once, and they hold
the embedding itself at the finer grid, so that all of it is asked for detail. Beside that, the embedding has to tell, linearly,
which kinds of things lie at each sixteenth of its cells. Losses are computed on the decoder's own grid, the measured Dice at the
image's full size.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, final

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, UInt8
from torch import Tensor, nn

from agglo.decoders.prompts import PromptDecoder
from agglo.lab.initial import begin_encoder
from agglo.lab.prompts import tight_boxes
from agglo.teachers.catalogue import TeacherEntry
from agglo.teachers.protocol import preprocess
from agglo.train.task import Outcome, Task

DECODER_DIM = 128
LOCAL_DIM = 32
BCE_WEIGHT, KINDS_WEIGHT = 2.0, 1.0
FINE = 4  # squares along the side of a cell of the embedding
WINDOW_MARGIN = 0.1  # of a box's side, and one cell: what counts as near the box


def soft_dice_loss(
    logits: Float[Tensor, "batch prompts h w"], coverage: Float[Tensor, "batch prompts h w"]
) -> Float[Tensor, "batch prompts"]:
    """Return `1 - 2|P T| / (|P| + |T|)` of probabilities and coverage for every prompt; both empty gives 0."""
    predicted = logits.sigmoid()
    shared = (predicted * coverage).sum((-2, -1))
    total = predicted.sum((-2, -1)) + coverage.sum((-2, -1))
    return 1 - (2 * shared + 1) / (total + 1)


def box_coverage(boxes: Float[Tensor, "boxes 4"], cells: int) -> Float[Tensor, "boxes {cells} {cells}"]:
    """Return the share of each of `cells x cells` squares that a box covers; boxes are in fractions of the image's side."""
    edges = torch.arange(cells, device=boxes.device)
    scaled = (boxes * cells).unsqueeze(-1)
    inside = [
        (torch.minimum(edges + 1, scaled[:, high]) - torch.maximum(edges, scaled[:, low])).clamp(0, 1)
        for low, high in ((1, 3), (0, 2))
    ]
    return inside[0].unsqueeze(2) * inside[1].unsqueeze(1)


def windowed_bce(
    logits: Float[Tensor, "batch prompts h h"],
    coverage: Float[Tensor, "batch prompts h h"],
    boxes: Float[Tensor, "batch prompts 4"],
) -> Float[Tensor, "batch prompts"]:
    """Return the mean of two cross-entropies: over the surroundings of the box, and over all the rest.

    So a small thing weighs as much as a large one, and the many cells far from any edge do not drown the few that matter.
    """
    cells = logits.shape[-1]
    corners = boxes.flatten(0, 1)
    margin = WINDOW_MARGIN * (corners[:, 2:] - corners[:, :2]) + 1 / cells
    window = box_coverage(torch.cat([corners[:, :2] - margin, corners[:, 2:] + margin], 1), cells)
    near = window.reshape(logits.shape)
    entropy = F.binary_cross_entropy_with_logits(logits, coverage, reduction="none")
    means = [
        (entropy * weight).sum((-2, -1)) / weight.sum((-2, -1)).clamp(min=1.0) for weight in (near, 1 - near)
    ]
    return (means[0] + means[1]) / 2


def balanced_bce(
    logits: Float[Tensor, "batch kinds h w"], coverage: Float[Tensor, "batch kinds h w"]
) -> Float[Tensor, " kinds"]:
    """Return, for each kind, half the mean cross-entropy where it is plus half of that where it is not, over the whole batch.

    A kind that is nowhere in the batch has only the second half.
    """
    entropy = F.binary_cross_entropy_with_logits(logits, coverage, reduction="none")
    halves = [
        (entropy * weight).sum((0, 2, 3)) / weight.sum((0, 2, 3)).clamp(min=1.0)
        for weight in (coverage, 1 - coverage)
    ]
    return (halves[0] + halves[1]) / 2


class Maps(NamedTuple):
    """What the encoder makes of images: the embedding (stride 16, what ships) and the trunk's maps of strides 4 and 8."""

    embedding: Float[Tensor, "batch dim h w"]
    stride4: Float[Tensor, "batch width4 4*h 4*w"]
    stride8: Float[Tensor, "batch width8 2*h 2*w"]


@final
class PromptedSegmentation(Task):
    """Encoder and decoder, trained together on boxes."""

    def __init__(
        self,
        entry: TeacherEntry,
        num_kinds: int,
        images: UInt8[np.ndarray, "images rows cols"],
        seed: int,
    ) -> None:
        """Build both with random weights from torch's global generator; `images` and `seed` as in `initial.begin_encoder`."""
        super().__init__()
        self.entry = entry
        self.encoder = begin_encoder(entry, images, seed)
        widths: Sequence[int] = entry.architecture["embed_dim_per_stage"]
        self.narrow = nn.Conv2d(entry.dim, DECODER_DIM, 1)
        self.decoder = PromptDecoder(
            embed_dim=DECODER_DIM,
            image_size=entry.input_px,
            patch_size=entry.stride_px,
            mlp_dim=2 * DECODER_DIM,
        )
        self.middle = nn.Conv2d(widths[1], DECODER_DIM // 4, 1)
        self.local = nn.ModuleDict(
            {
                "trunk": nn.Conv2d(widths[0], LOCAL_DIM, 3, padding=1),
                "embedding": nn.ConvTranspose2d(entry.dim, LOCAL_DIM, FINE, FINE),
                "box": nn.Conv2d(1, LOCAL_DIM, 3, padding=1),
                "out": nn.Conv2d(LOCAL_DIM, DECODER_DIM // 8, 3, padding=1),
            }
        )
        self.kinds = nn.Conv2d(entry.dim, num_kinds * FINE**2, 1)

    def learning_rate_scales(self) -> Mapping[str, float]:
        """Let the encoder learn faster than what reads it."""
        return {"encoder.": 1.5}

    def maps(self, images: Float[Tensor, "batch size size"]) -> Maps:
        """Return the encoder's maps of images in `[0, 1]`; the pyramid's finer levels, which do not ship, are left out."""
        encoder: Any = self.encoder
        trunk = encoder.backbone(preprocess(self.entry, images)).intermediate_hidden_states
        stride4, stride8, stride16, stride32 = (level.permute(0, 3, 1, 2) for level in trunk)
        lateral = encoder.neck.convs
        coarse = F.interpolate(lateral[0](stride32).float(), scale_factor=2.0, mode="nearest")
        return Maps(lateral[1](stride16) + coarse, stride4, stride8)

    def logits(
        self, maps: Maps, boxes: Float[Tensor, "batch prompts 4"]
    ) -> Float[Tensor, "batch prompts h w"]:
        """Return one fp32 logit map per box, at a quarter of the encoder's stride."""
        batch, num_prompts = boxes.shape[:2]
        corners, cells = boxes.flatten(0, 1), FINE * maps.embedding.shape[-1]
        filled = (2 * box_coverage(corners / self.entry.input_px, cells) - 1).unsqueeze(1)
        shared = self.local["trunk"](maps.stride4) + self.local["embedding"](maps.embedding)
        local = shared.repeat_interleave(num_prompts, 0) + self.local["box"](filled)
        fine = (
            self.local["out"](F.gelu(local)),
            self.middle(maps.stride8).repeat_interleave(num_prompts, 0),
        )
        prompted = self.narrow(maps.embedding).repeat_interleave(num_prompts, 0)
        prompted = prompted + self.decoder.prompt_encoder.mask_embed(filled)
        answers = self.decoder(prompted, corners.unsqueeze(1), fine).float()
        return answers.reshape(batch, num_prompts, *answers.shape[-2:])

    def forward(self, batch: Any, step: int) -> Outcome:
        """Return Dice and cross-entropy against coverage, averaged over prompts, and that of kinds; see `ScenePrompts.sample`."""
        maps = self.maps(batch["image"])
        told = F.pixel_shuffle(self.kinds(maps.embedding).float(), FINE)
        kinds = balanced_bce(told, batch["kinds"]).mean()
        logits, coverage = self.logits(maps, batch["boxes"]), batch["coverage"]
        dice = soft_dice_loss(logits, coverage).mean()
        bce = windowed_bce(logits, coverage, batch["boxes"] / self.entry.input_px).mean()
        terms = {"dice_loss": dice, "bce": bce, "kinds": kinds}
        total = dice + BCE_WEIGHT * bce + KINDS_WEIGHT * kinds
        return Outcome(total, {name: value.detach() for name, value in terms.items()})


Prompted = tuple[UInt8[np.ndarray, "_ _"], Bool[np.ndarray, "_ _ _"]]


@torch.no_grad()
def box_dice(task: PromptedSegmentation, cases: Sequence[Prompted]) -> list[Float[np.ndarray, " _"]]:
    """Return, for each image with its masks, the Dice of every mask when prompted with its tight box; no mask, no values.

    Logits are brought to the image's size bilinearly and cut at 0.
    """
    task.eval()
    values = []
    for image, masks in cases:
        if len(masks) == 0:
            values.append(np.zeros(0, np.float32))
            continue
        unit = torch.from_numpy(image.astype(np.float32) / 255)[None]
        logits = task.logits(task.maps(unit), torch.from_numpy(tight_boxes(masks))[None])
        full = F.interpolate(logits, size=image.shape, mode="bilinear", align_corners=False)[0]
        predicted = full.numpy() > 0
        shared = (predicted & masks).sum((1, 2))
        values.append((2 * shared / (predicted.sum((1, 2)) + masks.sum((1, 2)))).astype(np.float32))
    return values
