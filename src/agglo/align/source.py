"""Samples of stage 2: a fresh view of a labelled frame every time it is visited, with the coverage of its structures."""

from collections.abc import Sequence
from typing import Any, final

import torch

from agglo.align.jitter import draw_prompts
from agglo.core.errors import DataError
from agglo.core.seeds import generator
from agglo.data import Dataset, State, ViewRecipe, render_image, render_labels, sample_view


@final
class MaskSource:
    """Labelled frames of one dataset. Epoch `t` shows view `t` of every frame."""

    def __init__(
        self,
        dataset: Dataset,
        indices: Sequence[int],
        recipe: ViewRecipe,
        *,
        size_px: int,
        seed: int,
        stride_px: int = 2,
        has_prompts: bool = False,
    ) -> None:
        """Take the frames `indices` of `dataset`; those without any judged structure are left out.

        `stride_px` is the pixels of a view per cell of its coverage: what the decoder's logits have. With `has_prompts` every
        sample brings prompts drawn from its masks (`jitter.Prompts`).

        Raises:
            DataError: none of the frames has a label.
        """
        self.dataset, self.recipe, self.size_px, self.seed = dataset, recipe, size_px, seed
        self.cells, self.stride_px, self.has_prompts = size_px // stride_px, stride_px, has_prompts
        self.indices = [index for index in indices if dataset.frames[index].is_labelled]
        if not self.indices:
            raise DataError(
                f"aligning needs labelled frames, but none of the {len(indices)} training frames of {dataset.name} has a label; "
                "add masks, or mark structures as `absent` in frames.csv"
            )

    def __len__(self) -> int:
        return len(self.indices)

    def sample(self, index: int, turn: int) -> dict[str, Any]:
        """Return `{"grey": [S, S], "coverage": [K, s, s], "inside": [s, s], "known": [K], "absent": [K]}` of view `turn`.

        With `s` cells a side, `coverage` is of the structures, `inside` of the picture itself; what it leaves of a cell is padding.
        `known` structures are judged; `absent` ones are known not to be in the frame, whatever part of it the view shows.
        """
        frame = self.indices[index]
        image = self.dataset.image(frame)
        height, width = image.shape
        view = sample_view(self.recipe, seed=self.seed, frame=frame, number=turn, height=height, width=width)
        grey = render_image(image, view, self.size_px)
        bits, count = self.dataset.bits(frame), len(self.dataset.structures)
        coverage, inside = render_labels(bits, count, view, self.cells)
        states = self.dataset.frames[frame].states
        sample = {
            "grey": torch.tensor(grey),
            "coverage": torch.from_numpy(coverage),
            "inside": torch.from_numpy(inside),
            "known": torch.tensor([state.is_judged for state in states]),
            "absent": torch.tensor([state is State.ABSENT for state in states]),
        }
        if not self.has_prompts:
            return sample
        stream = generator(self.seed, "prompts", frame, turn)
        return {**sample, "prompts": draw_prompts(sample, stream, stride_px=self.stride_px)}
