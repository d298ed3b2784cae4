"""What every teacher must keep, asked of one by trying it; everything that it lacks is told in one message.

Teachers of the catalogue are held to it by the tests; those that a user brings are asked each time one is built.
"""

from collections.abc import Iterator

import torch
from torch import Tensor

from agglo.core.errors import FeatureMismatch
from agglo.core.shapes import FeatureSpec, TeacherFeatures
from agglo.teachers.protocol import Teacher

TOLERANCE = 1e-3
"""How far two looks at one image may be apart, as a share of the largest value: kernels differ with the batch, hardly more."""


def require_sound(teacher: Teacher) -> None:
    """Raise `FeatureMismatch` with everything that `teacher` lacks; see `lacks_of`."""
    lacks = lacks_of(teacher)
    if lacks:
        raise FeatureMismatch(
            "\n  ".join([f"teacher {teacher.spec.name} must keep what every teacher keeps, but:", *lacks])
        )


def lacks_of(teacher: Teacher) -> list[str]:
    """Return one line for everything that `teacher` lacks, by letting it look at two random images of its own input size.

    Checked are: it runs at the size it states; width, grid and type of its map and its summary are as it states; it is frozen, in
    eval mode, gives finite numbers without a graph; the same image gives the same map, alone or beside another; the map follows
    the image, rows as rows.
    """
    size_px = teacher.spec.input_px
    images = torch.rand(2, 3, size_px, size_px, generator=torch.Generator().manual_seed(0)) * 2 - 1
    try:
        seen = teacher.look(images)
    except Exception as error:  # whatever someone else's network raises is the answer
        said = " ".join(str(error).split())[:200]
        return [f"it cannot look at {tuple(images.shape)}: {type(error).__name__}: {said}"]
    lacks = [*_state_lacks(teacher), *_map_lacks(seen.map, teacher.spec), *_summary_lacks(seen, teacher.spec)]
    if isinstance(seen.map, Tensor) and seen.map.ndim == 4 and seen.map.is_floating_point():
        lacks += _behaviour_lacks(teacher, images, seen)
    return lacks


def _state_lacks(teacher: Teacher) -> Iterator[str]:
    teacher.train()
    training = [name for name, module in teacher.named_modules() if module.training]
    if training:
        yield f"it must stay in eval mode, but `train()` puts {len(training)} modules into training ({training[0]!r} first)"
    if any(parameter.requires_grad for parameter in teacher.parameters()):
        yield "none of its parameters may ask for a gradient"


def _map_lacks(found: object, spec: FeatureSpec) -> Iterator[str]:
    if not isinstance(found, Tensor):
        yield f"its map must be a tensor, got {type(found).__name__}"
        return
    expected = (2, spec.dim, *spec.grid)
    if tuple(found.shape) != expected:
        yield (
            f"its map must be [batch, dim, rows, cols] = {expected} at {spec.input_px} px, as it states, "
            f"got {tuple(found.shape)}"
        )
    yield from _value_lacks("map", found)


def _summary_lacks(seen: TeacherFeatures, spec: FeatureSpec) -> Iterator[str]:
    if (seen.summary is None) != (spec.summary_dim is None):
        given = "none" if seen.summary is None else f"one of {tuple(seen.summary.shape)}"
        yield f"its summary must be there exactly if `summary_dim` is stated ({spec.summary_dim}), got {given}"
    elif seen.summary is not None:
        if tuple(seen.summary.shape) != (2, spec.summary_dim):
            yield f"its summary must be {(2, spec.summary_dim)}, as it states, got {tuple(seen.summary.shape)}"
        yield from _value_lacks("summary", seen.summary)


def _value_lacks(what: str, values: Tensor) -> Iterator[str]:
    if values.dtype != torch.float32:
        yield f"its {what} must be float32 outside of autocast, got {values.dtype}"
    if values.requires_grad:
        yield f"its {what} must come without a graph, but asks for gradients"
    if values.is_floating_point() and not bool(torch.isfinite(values).all()):
        yield f"its {what} must be finite, but has NaN or infinite values"


def _behaviour_lacks(teacher: Teacher, images: Tensor, seen: TeacherFeatures) -> Iterator[str]:
    scale = seen.map.abs().max()
    again = teacher.look(images).map
    if _apart(again, seen.map) > TOLERANCE * scale:
        yield "the same images must give the same map, but a second look differs (dropout or noise in eval mode?)"
        return
    alone = teacher.look(images[1:]).map
    if alone.shape[0] != 1 or _apart(alone, seen.map[1:]) > TOLERANCE * scale:
        yield "an image must give the same map alone and in a batch (statistics over the batch in eval mode?)"
        return
    if _apart(seen.map[:1], seen.map[1:]) <= TOLERANCE * scale:
        yield "the map must follow the image, but two different images give the same"
        return
    yield from _direction_lacks(teacher, images, seen)


def _direction_lacks(teacher: Teacher, images: Tensor, seen: TeacherFeatures) -> Iterator[str]:
    """Change the image's last columns: the map must change there more than in its last rows."""
    changed = images.clone()
    changed[..., -teacher.spec.stride_px :] += 2.0
    difference = (teacher.look(changed).map - seen.map).square().mean(dim=(0, 1))
    if difference[:-1, -1].mean() < difference[-1, :-1].mean():
        yield "rows of the map must be rows of the image, but they seem to be swapped with columns"


def _apart(first: Tensor, second: Tensor) -> Tensor:
    """Return the largest difference; infinite where shapes differ."""
    if first.shape != second.shape:
        return torch.tensor(torch.inf)
    return (first - second).abs().max()
