"""Batch norms of a student: frozen while an encoder is frozen, and calibrated where nobody trained them.

A batch norm in training mode mixes the images of a batch and moves its statistics; under a frozen encoder both are wrong. An
untrained encoder's statistics are mean 0 and variance 1, which is wrong too: it needs calibration before it is frozen.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from agglo.core.errors import ConfigError

if TYPE_CHECKING:
    from agglo.students.student import Student


def find_norms(module: nn.Module) -> list[_BatchNorm]:
    """Return every batch norm inside `module` that keeps running statistics."""
    return [part for part in module.modules() if isinstance(part, _BatchNorm) and part.track_running_stats]


def set_norms_to_eval(module: nn.Module) -> None:
    """Put every batch norm inside `module` in eval mode, until somebody calls `train()`."""
    for norm in find_norms(module):
        norm.eval()


def freeze_norms(student: "Student") -> None:
    """Keep the student's batch norms in eval mode for good: later calls of `train()` do not wake them.

    Only statistics are frozen; scale and shift stay trainable unless the caller says otherwise.
    """
    student.are_norms_frozen = True
    set_norms_to_eval(student)


def sync_norms(student: "Student", group: Any) -> None:
    """Let the student's batch norms take their statistics over the images of all processes of `group`, which have a GPU each.

    Names and values of weights and statistics stay.
    """
    # torch's own conversion would lose the activations that timm joins to some norms
    from timm.layers import convert_sync_batchnorm

    for name, part in student.named_children():
        setattr(student, name, convert_sync_batchnorm(part, process_group=group))


@torch.no_grad()
def calibrate_norms(student: "Student", batches: Iterable[Tensor]) -> int:
    """Replace the statistics of the student's batch norms by plain averages over `batches`; return how many were seen.

    Everything else of the student is in eval mode meanwhile; its mode and the norms' momentum are as before afterwards. The
    result depends on the order of batches only by rounding.

    Args:
        student: its weights are not changed.
        batches: preprocessed images, `[batch, 3, rows, cols]`, at least one batch.

    Raises:
        ConfigError: if there is no batch.
    """
    norms = find_norms(student)
    momenta = [norm.momentum for norm in norms]
    was_training = student.training
    student.eval()
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None
        norm.train()
    num_batches = 0
    try:
        for images in batches:
            student(images)
            num_batches += 1
    finally:
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum
        student.train(was_training)
    if num_batches == 0:
        raise ConfigError("batch norms need at least one batch of images to be calibrated, got none.")
    return num_batches
