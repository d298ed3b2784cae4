"""How much each lab teacher is given: pictures, patients, steps. Two sizes: the shipped one, and a large one for a GPU."""

from dataclasses import dataclass, replace

from agglo.core.errors import ConfigError
from agglo.lab.seeds import training_seed
from agglo.train import Plan
from agglo.train.devices import Precision

SIZE_PX = 256


@dataclass(frozen=True)
class Amount:
    """How much of everything one training takes.

    Attributes:
        lesson: what is taught: `lab-sam`, `lab-dino`, `lab-clip` or `lab-sam-vfss`.
        teacher: entry of the catalogue that learns it.
        scenes: for training.
        patients: phantom patients for training.
        frames: per patient.
        measured_scenes: unseen scenes to measure on.
        measured_patients: unseen phantom patients to measure on, as many frames of each.
        plan: steps, batch and rates.
        option: of the command that asks for this amount.
        precision: on a CPU, as measured there: bf16 helps Swin and slows Hiera down.
    """

    lesson: str
    teacher: str
    scenes: int
    patients: int
    frames: int
    measured_scenes: int
    measured_patients: int
    plan: Plan
    option: str = ""
    precision: Precision = "32-true"

    @property
    def command(self) -> str:
        """What a user types for it."""
        return f"agglo lab train {self.lesson}{self.option}"


def _plan(name: str, steps: int, batch_size: int, learning_rate: float) -> Plan:
    return Plan(
        steps=steps,
        batch_size=batch_size,
        learning_rate=learning_rate,
        final_learning_rate=learning_rate / 50,
        warmup_steps=min(60, steps // 5),
        weight_decay=0.02,
        betas=(0.9, 0.99),
        ema_decay=0.99 if steps < 10_000 else 0.999,
        seed=training_seed(name, 0),
    )


SHIPPED = {
    "lab-sam": Amount("lab-sam", "lab-sam", 4000, 0, 3, 150, 120, _plan("lab-sam", 1400, 8, 2e-3)),
    "lab-dino": Amount("lab-dino", "lab-dino", 1000, 1200, 3, 0, 120, _plan("lab-dino", 500, 24, 1.5e-3)),
    "lab-clip": Amount(
        "lab-clip",
        "lab-clip",
        1000,
        1200,
        3,
        0,
        120,
        _plan("lab-clip", 450, 32, 1.5e-3),
        precision="bf16-mixed",
    ),
    "lab-sam-vfss": Amount(
        "lab-sam-vfss", "lab-sam-vfss", 0, 600, 3, 150, 120, _plan("lab-sam-vfss", 1400, 8, 2e-3)
    ),
}


def _large(name: str, *, steps: int, batch_size: int) -> Amount:
    """Return ten times the data, and a larger network; the rate is lower, as larger networks want it."""
    small = SHIPPED[name]
    return replace(
        small,
        teacher=f"{name}-large",
        scenes=10 * small.scenes,
        patients=10 * small.patients,
        plan=_plan(name, steps, batch_size, 8e-4),
        precision="auto",
        option=" --large",
    )


LARGE = {
    "lab-sam": _large("lab-sam", steps=40_000, batch_size=32),
    "lab-dino": _large("lab-dino", steps=40_000, batch_size=128),
    "lab-clip": _large("lab-clip", steps=20_000, batch_size=128),
}


def amount_of(name: str, *, is_large: bool = False, repeat: int = 0) -> Amount:
    """Return how much the training of `name` takes.

    Args:
        name: of a lesson.
        is_large: the size for a GPU, in place of the shipped one.
        repeat: 0 for the shipped teacher; any other number trains it anew from other initial weights, in another order.

    Raises:
        ConfigError: if there is no such lesson or size, or `repeat` is out of range.
    """
    sizes = LARGE if is_large else SHIPPED
    if name not in sizes:
        what = "a lab teacher with a large size" if is_large else "a lab teacher"
        raise ConfigError(f"{what} must be one of {sorted(sizes)}, got {name!r}; see `agglo teachers`.")
    amount = sizes[name]
    if repeat == 0:
        return amount
    plan = replace(amount.plan, seed=training_seed(name, repeat))
    return replace(amount, plan=plan, option=f"{amount.option} --seed {repeat}")
