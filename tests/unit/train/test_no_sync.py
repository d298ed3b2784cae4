"""A step never asks a device for a number, nor gives it one: with a GPU the processor would wait for all that is still to be done.

On a CPU nothing waits, so everything is refused that would on a GPU: `.item()`, `float(tensor)`, `bool(tensor)`, `.cpu()`, shapes
that depend on values, and tensors made of Python's numbers, which are copied to the device and waited for.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from agglo.align.light import LightTask
from agglo.decoders import PromptDecoder, StructureDecoder
from agglo.decoders.light import LightDecoder
from agglo.distill import (
    BALANCERS,
    DistilTask,
    Drawing,
    Extras,
    Sizes,
    TeacherTarget,
    ThroughDecoder,
    make_balancer,
    make_head,
)
from agglo.features import Moments, make_normaliser
from agglo.train import Device, Place, Plan
from agglo.train.loop import Training, begin
from unit.train.team_job import (
    BATCH,
    CASES,
    DIMS,
    EMBED,
    STRUCTURES,
    Distilled,
    Masked,
    distil_task,
    student,
)

READING = {"aten._local_scalar_dense", "aten.nonzero", "aten.masked_select", "aten.is_nonzero", "aten.equal"}
READING |= {"aten.unique_dim", "aten._unique2", "aten.bincount"}
HANDING_OVER = {
    "cpu",
    "numpy",
    "tolist",
    "item",
    "__array__",
    "__bool__",
    "__float__",
    "__int__",
    "__index__",
    "tensor",
    "as_tensor",
    "from_numpy",
}
PLAN = Plan(steps=10**6, batch_size=BATCH, learning_rate=1e-3, ema_decay=0.9, log_every=1, accumulate=2)


class Sync(AssertionError):
    """A step has read a tensor's value."""


class NoReading(TorchDispatchMode):
    """Refuses operations that give the processor a value."""

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if str(function).removesuffix("." + str(function).rpartition(".")[2]) in READING:
            raise Sync(str(function))
        if str(function).startswith("aten.index.") and any(_is_mask(index) for index in args[1]):
            raise Sync(f"{function} by a mask")
        return function(*args, **(kwargs or {}))


class NoHandingOver(TorchFunctionMode):
    """Refuses what brings a tensor to the processor, which is where it already is in a test, or numbers from there."""

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if getattr(function, "__name__", "") in HANDING_OVER:
            raise Sync(function.__name__)
        return function(*args, **(kwargs or {}))


def _is_mask(index: Any) -> bool:
    return isinstance(index, torch.Tensor) and index.dtype == torch.bool


def step(training: Training, batches: Iterator[Any]) -> None:
    """Take one step of the loop, with nothing that reads a value let through."""
    batch = next(batches)
    with NoReading(), NoHandingOver():
        training._step(batch, PLAN)


class Drawn(Distilled):
    """Pictures with the map of a teacher wide enough for SAM 2's decoder."""

    def sample(self, index: int, turn: int) -> dict[str, Any]:
        random = torch.Generator().manual_seed(index)
        return {**super().sample(index, turn), "features": {"wide": torch.randn(16, 4, 4, generator=random)}}


def drawing_task() -> DistilTask:
    """Return stage 1 with masks through a decoder."""
    target = TeacherTarget(
        make_normaliser("global", Moments.of(torch.randn(500, 16).numpy())),
        make_head("mlp", student_dim=EMBED, teacher_dim=16, hidden_dim=16),
    )
    decoder = PromptDecoder(embed_dim=16, image_size=64, patch_size=16, mlp_dim=32)
    drawing = Drawing("wide", ThroughDecoder(decoder, input_px=64), 0.1)
    balancer = make_balancer("uniform", Sizes(EMBED, (16,)))
    return DistilTask(student(), {"wide": target}, balancer, extras=Extras(drawing=drawing))


def light_task() -> LightTask:
    """Return the light decoder's lessons."""
    learner = student()
    dims = (learner.stride8_dim, learner.stride4_dim)
    taught = StructureDecoder(num_structures=STRUCTURES, embed_dim=EMBED, high_res_dims=dims)
    light = LightDecoder(num_structures=STRUCTURES, embed_dim=EMBED, high_res_dims=dims, width=16)
    return LightTask(learner, taught, light)


STEPS = {
    **{f"distil, {name}": (lambda name=name: distil_task(name), Distilled) for name in BALANCERS},
    "align": CASES["align"],
    "prompts": CASES["prompts"],
    "through a decoder": (drawing_task, Drawn),
    "light": (light_task, Masked),
}


@pytest.mark.parametrize("name", STEPS)
def test_a_step_reads_nothing(name: str, tmp_path: Path) -> None:
    make_task, source = STEPS[name]
    torch.manual_seed(0)
    training = begin(make_task(), PLAN, Place(tmp_path, device=Device(accelerator="cpu", threads=1)))
    batches = training.batches(source(), PLAN)
    step(training, batches)
    if name in ("align", "prompts"):
        training.state.step = 5  # from here on the encoder learns too
    step(training, batches)
    assert not bool(training.state.is_bad)
    batches.close()  # type: ignore[attr-defined]


READERS = {
    "item": lambda x: x.sum().item(),
    "float": lambda x: float(x[0]),
    "bool": lambda x: bool(x[0] > 0),
    "cpu": lambda x: x.cpu(),
    "list": lambda x: x.tolist(),
    "mask": lambda x: x[x > 0],
    "numbers": lambda x: torch.tensor([1.0, 2.0], device=x.device),
    "where": lambda x: (x > 0).nonzero(),
}


@pytest.mark.parametrize("reader", READERS.values(), ids=READERS)
def test_what_would_wait_for_a_gpu_is_refused(reader: Any) -> None:
    """The control: the modes above see what they are meant to see."""
    with pytest.raises(Sync), NoReading(), NoHandingOver():
        reader(torch.ones(len(DIMS)))
