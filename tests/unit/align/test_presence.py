"""Presence is learned from pictures of which half lack a structure, and then empties the masks of those."""

import numpy as np
import torch

from agglo.align import AlignTask, EncoderTuning
from agglo.decoders import StructureDecoder
from agglo_runtime.finish import masks_from_logits
from agglo_runtime.geometry import Letterbox
from contracts.narrow import narrow

SIZE = 64


def pictures(count: int, seed: int) -> dict[str, torch.Tensor]:
    """Return noise with a bar that is always there, and a disc in every second picture, each somewhere else."""
    random = torch.Generator().manual_seed(seed)
    grey = 0.3 + 0.1 * torch.rand(count, SIZE, SIZE, generator=random)
    full = torch.zeros(count, 2, SIZE, SIZE)
    rows, cols = torch.meshgrid(torch.arange(SIZE), torch.arange(SIZE), indexing="ij")
    places = torch.randint(16, 48, (count, 2), generator=random)
    for index, (row, col) in enumerate(places.tolist()):
        full[index, 0] = ((cols - col).abs() < 5).float()
        if index % 2:
            full[index, 1] = ((rows - row) ** 2 + (cols - col) ** 2 < 100).float()
    grey = (grey + 0.2 * full[:, 0] + 0.4 * full[:, 1]).clamp(max=1)
    absent = torch.zeros(count, 2, dtype=torch.bool)
    absent[::2, 1] = True
    return {
        "grey": grey,
        "coverage": torch.nn.functional.avg_pool2d(full, 2),
        "inside": torch.ones(count, SIZE // 2, SIZE // 2),
        "known": torch.ones(count, 2, dtype=torch.bool),
        "absent": absent,
    }


def area_under_curve(scores: np.ndarray, is_there: np.ndarray) -> float:
    """Return how often a picture with the structure scores above one without."""
    return float((scores[is_there][:, None] > scores[~is_there][None]).mean())


def test_presence_is_learned_and_empties_masks() -> None:
    student = narrow("repvit")
    decoder = StructureDecoder(num_structures=2, embed_dim=16, mlp_dim=64, presence=True)
    task = AlignTask(student, decoder, encoder=EncoderTuning(tuned_from=0, norms="trained")).train()
    optimizer = torch.optim.AdamW(task.parameters(), lr=3e-3)
    for step in range(40):
        optimizer.zero_grad()
        task(pictures(8, seed=step), step).total.backward()
        optimizer.step()
    unseen = pictures(32, seed=1000)
    with torch.no_grad():
        found = task.eval().logits(unseen["grey"], is_tuned=False)
    assert found.presence is not None
    is_there = (~unseen["absent"][:, 1]).numpy()
    presence = found.presence.numpy()
    assert area_under_curve(presence[:, 1], is_there) > 0.95
    assert (presence[:, 0] > 0).mean() > 0.9, "the bar is always there"
    letterbox = Letterbox.fit(SIZE, SIZE, SIZE)
    drawn = [
        masks_from_logits(masks, letterbox, presence=told)[1].any()
        for masks, told in zip(found.masks.numpy(), presence, strict=True)
    ]
    assert np.mean(np.array(drawn) == is_there) > 0.9
