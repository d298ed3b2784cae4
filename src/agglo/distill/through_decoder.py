"""Distilling through a teacher's own decoder: from the student's features it must draw the masks that it draws from the teacher's.

Features that are near in the mean may be far where an outline depends on them; a decoder that stands still knows where. Prompts
are clicks on unlabelled pictures. As EdgeSAM does (arXiv 2312.06660, section 3.3), every further click falls where the two
disagree, so that what is learned is what is still wrong.
"""

from typing import Protocol, final, runtime_checkable

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from agglo.train.part import uniforms_of_images

Maps = Float[Tensor, "batch dim h w"]
Logits = Float[Tensor, "batch prompts rows cols"]
Points = Float[Tensor, "batch prompts clicks 2"]
Labels = Int[Tensor, "batch prompts clicks"]


@runtime_checkable
class ClickDecoder(Protocol):
    """A frozen decoder of clicks, as `recipes.teacher_decoder.TeacherDecoder` is."""

    def decode_points(self, features: Maps, points: Points, labels: Labels) -> Logits:
        """Return one logit map per set of points (x, y in pixels of the teacher's input; label 1 inside, 0 outside)."""
        ...


@final
class ThroughDecoder(nn.Module):
    """The mask loss of features seen through a teacher's decoder."""

    def __init__(self, decoder: ClickDecoder, *, input_px: int, prompts: int = 4, clicks: int = 2) -> None:
        """Take the decoder, which stands still, and whose pixels points are in.

        Args:
            decoder: of the teacher.
            input_px: side of the teacher's input.
            prompts: masks asked for in each picture.
            clicks: for each of them, one after the other; 1 asks once.
        """
        super().__init__()
        self.decoder, self.input_px, self.prompts, self.clicks = decoder, input_px, prompts, clicks
        if isinstance(decoder, nn.Module):
            decoder.requires_grad_(False).eval()

    def train(self, mode: bool = True) -> "ThroughDecoder":
        """Leave the decoder in eval mode, whatever is asked."""
        super().train(mode)
        if isinstance(self.decoder, nn.Module):
            self.decoder.eval()
        return self

    def forward(
        self, predicted: Maps, own: Maps, inside: Float[Tensor, "batch rows cols"]
    ) -> Float[Tensor, " batch"]:
        """Return, for each picture, the mean over clicks of cross-entropy plus Dice loss; 0 where both draw the same for sure.

        Args:
            predicted: what the student gives in the teacher's place, in the teacher's own space and on its grid.
            own: what the teacher gave.
            inside: share of every cell of some grid that shows the picture: no click falls on padding, which counts nothing.
        """
        everywhere = inside[:, None].expand(-1, self.prompts, -1, -1)
        # an image's own numbers, whichever process holds it and however its batch is cut
        numbers = uniforms_of_images(len(own), self.prompts * self.clicks, own.device)
        by_click = numbers.view(len(own), self.prompts, self.clicks).unbind(dim=2)
        points = self._drawn(everywhere, by_click[0])[:, :, None]
        labels = torch.ones(points.shape[:3], dtype=torch.long, device=points.device)
        losses = []
        for click in range(self.clicks):
            with torch.no_grad():
                wanted = self.decoder.decode_points(own, points, labels).float()
            drawn = self.decoder.decode_points(predicted, points, labels).float()
            shown = _on_grid(everywhere, drawn)
            losses.append(mask_loss(drawn, wanted.sigmoid(), shown))
            if click + 1 < self.clicks:
                differs = ((drawn.detach() > 0) != (wanted > 0)) * shown
                new = self._drawn(_somewhere(differs, shown), by_click[click + 1])
                points, labels = self._clicked(points, labels, new, wanted > 0)
        return torch.stack(losses).mean(dim=0)

    def _clicked(
        self, points: Points, labels: Labels, new: Float[Tensor, "batch prompts 2"], wanted: Tensor
    ) -> tuple[Float[Tensor, "batch prompts more 2"], Int[Tensor, "batch prompts more"]]:
        """Return the clicks with one more each, and what the teacher's mask says of it."""
        rows, cols = wanted.shape[2:]
        sides = torch.tensor([cols, rows], device=new.device)
        across, down = (new / self.input_px * sides).long().unbind(dim=-1)
        is_in = wanted.flatten(2).gather(2, (down * cols + across)[..., None])
        return torch.cat([points, new[:, :, None]], dim=2), torch.cat([labels, is_in.long()], dim=2)

    def _drawn(
        self, shares: Float[Tensor, "batch prompts rows cols"], numbers: Float[Tensor, "batch prompts"]
    ) -> Float[Tensor, "batch prompts 2"]:
        """Return the centre of one cell for each map of shares, by which numbers in [0, 1) choose; of a map of zeros, of any."""
        rows, cols = shares.shape[2:]
        summed = (shares.flatten(2) + 1e-12).cumsum(dim=2)
        wanted = (numbers * summed[..., -1])[..., None]
        cell = torch.searchsorted(summed, wanted, right=True)[..., 0].clamp_max(rows * cols - 1)
        across, down = (cell % cols + 0.5) / cols, (cell // cols + 0.5) / rows
        return self.input_px * torch.stack([across, down], dim=-1)


def _somewhere(differs: Logits, shown: Logits) -> Logits:
    """Return where masks differ, or all that is shown where they do not."""
    is_any = differs.flatten(2).sum(dim=2) > 0
    return torch.where(is_any[..., None, None], differs, shown)


def mask_loss(
    drawn: Logits, wanted: Logits, shown: Float[Tensor, "batch prompts rows cols"]
) -> Float[Tensor, " batch"]:
    """Return cross-entropy plus Dice loss of logits and wanted probabilities over what is shown, as a mean over prompts."""
    area = shown.sum(dim=(2, 3)).clamp_min(1e-6)
    entropy = F.binary_cross_entropy_with_logits(drawn, wanted, reduction="none")
    # a soft target has an entropy of its own, which no prediction can go below
    least = F.binary_cross_entropy(wanted, wanted, reduction="none")
    far = ((entropy - least) * shown).sum(dim=(2, 3)) / area
    probability = drawn.sigmoid() * shown
    shared = (probability * wanted).sum(dim=(2, 3))
    squares = (probability * drawn.sigmoid() + wanted * wanted * shown).sum(
        dim=(2, 3)
    )  # so that equal masks have no loss
    dice = 1 - (2 * shared + 1) / (squares + 1)
    return (far + dice).mean(dim=1)


def _on_grid(
    inside: Float[Tensor, "batch prompts h w"], logits: Logits
) -> Float[Tensor, "batch prompts rows cols"]:
    rows, cols = logits.shape[2:]
    return F.interpolate(inside, size=(rows, cols), mode="bilinear")
