"""How the light decoder is taught: on pictures without labels it learns to say what the one-pass decoder says of them.

Student and one-pass decoder stand still. No mask is looked at, so every picture can take part.
"""

from collections.abc import Sequence
from typing import Any, final

import torch
from jaxtyping import Float
from torch import Tensor

from agglo.align.losses import presence_loss
from agglo.data import Dataset, ViewRecipe, render_coverage, render_image, sample_view
from agglo.decoders import Decoder, StructureLogits
from agglo.distill.mask_loss import mask_loss
from agglo.students import Student, freeze_norms
from agglo.train import Outcome, Task


@final
class PictureSource:
    """Frames of any datasets, without their labels. Epoch `t` shows view `t` of every frame."""

    def __init__(
        self,
        frames: Sequence[tuple[Dataset, int]],
        recipe: ViewRecipe,
        *,
        size_px: int,
        seed: int,
        stride_px: int = 2,
    ) -> None:
        """Take datasets with numbers of frames; `stride_px` is the pixels of a view per cell of what decoders say of it."""
        self.frames, self.recipe, self.size_px, self.seed = tuple(frames), recipe, size_px, seed
        self.cells = size_px // stride_px

    def __len__(self) -> int:
        return len(self.frames)

    def sample(self, index: int, turn: int) -> dict[str, Any]:
        """Return `{"grey": [S, S], "inside": [s, s]}` of view `turn`: the picture, and how much of each cell shows it."""
        dataset, frame = self.frames[index]
        image = dataset.image(frame)
        height, width = image.shape
        view = sample_view(self.recipe, seed=self.seed, frame=index, number=turn, height=height, width=width)
        grey = render_image(image, view, self.size_px)
        inside = render_coverage(view, height, width, self.cells)
        return {"grey": torch.tensor(grey), "inside": torch.from_numpy(inside)}


@final
class LightTask(Task):
    """A light decoder and what it learns from."""

    def __init__(self, student: Student, taught: Decoder, light: Decoder) -> None:
        """Take ready-made parts; student and `taught`, the decoder that is imitated, are frozen."""
        super().__init__()
        self.student, self.taught, self.light = student, taught, light
        for part in (student, taught):
            part.requires_grad_(False)
        freeze_norms(student)

    def forward(self, batch: Any, step: int) -> Outcome:
        """Return the loss of a batch of `PictureSource`."""
        with torch.no_grad():
            features = self.student(self.student.preprocess(batch["grey"]))
            said = self.taught.decode(features)
        return imitation_loss(self.light.decode(features), said, batch["inside"])


def imitation_loss(
    found: StructureLogits, said: StructureLogits, inside: Float[Tensor, "batch h w"]
) -> Outcome:
    """Return how far masks are from the probabilities that were `said` (`mask_loss`), as a mean over all frames and structures.

    Added is the cross-entropy of presence, where both tell it. In float32 whatever the precision; padding counts nothing. The loss
    of masks is 0 when all is imitated; so is `difference` in the scalars, the mean absolute difference of probabilities.
    """
    with torch.autocast(inside.device.type, enabled=False):
        logits, chance = found.masks.float(), said.masks.float().sigmoid()
        shown = inside[:, None].expand_as(logits)
        masks = mask_loss(*(each.flatten(0, 1) for each in (logits, chance, shown))).mean()
        area = inside.sum(dim=(1, 2)).clamp_min(1e-6)
        apart = (logits.detach().sigmoid() - chance).abs().mean(dim=1)
        difference = ((apart * inside).sum(dim=(1, 2)) / area).mean()
        total, scalars = masks, {"masks": masks.detach(), "difference": difference}
        if found.presence is not None and said.presence is not None:
            presence = presence_loss(found.presence.float(), said.presence.float().sigmoid()).mean()
            total, scalars = total + presence, {**scalars, "presence": presence.detach()}
    return Outcome(total, scalars)
