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

from agglo.decoders.clicks import anywhere, correction
from agglo.distill.mask_loss import mask_loss
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
        everywhere = inside.repeat_interleave(self.prompts, dim=0)
        # an image's own numbers, whichever process holds it and however its batch is cut
        numbers = uniforms_of_images(len(own), self.prompts * self.clicks, own.device)
        by_click = numbers.view(-1, self.clicks).unbind(dim=1)
        points = (anywhere(everywhere, by_click[0]) * (self.input_px / inside.shape[-1]))[:, None]
        labels = torch.ones(points.shape[:2], dtype=torch.long, device=points.device)
        losses = []
        for click in range(self.clicks):
            with torch.no_grad():
                wanted = self._masks(own, points, labels).sigmoid()
            drawn = self._masks(predicted, points, labels)
            shown = F.interpolate(everywhere[:, None], size=drawn.shape[1:], mode="bilinear")[:, 0]
            losses.append(mask_loss(drawn, wanted, shown))
            if click + 1 < self.clicks:
                where, label = correction(drawn.detach(), wanted, shown, by_click[click + 1])
                where = where * (self.input_px / drawn.shape[-1])
                points = torch.cat([points, where[:, None]], dim=1)
                labels = torch.cat([labels, label[:, None]], dim=1)
        return torch.stack(losses).mean(dim=0).view(len(own), -1).mean(dim=1)

    def _masks(
        self, features: Maps, points: Float[Tensor, "all clicks 2"], labels: Int[Tensor, "all clicks"]
    ) -> Float[Tensor, "all rows cols"]:
        """Return the decoder's logits for all prompts of all pictures, in float32."""
        asked = (each.view(len(features), self.prompts, *each.shape[1:]) for each in (points, labels))
        return self.decoder.decode_points(features, *asked).float().flatten(0, 1)
