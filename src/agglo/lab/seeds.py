"""Seeds reserved for the lab teachers: whatever they are trained or measured on comes from these, and from nowhere else.

No recipe, test set or benchmark may use a seed from `FIRST_LAB_SEED` on, so no lab teacher has seen a patient that a student is
later trained or scored on.
"""

from agglo.core.errors import ConfigError

FIRST_LAB_SEED = 1_000_000_000

LAB_SEEDS = {  # what for: seed
    "scenes, training": FIRST_LAB_SEED,
    "scenes, measuring": FIRST_LAB_SEED + 1,
    "phantom, training": FIRST_LAB_SEED + 2,
    "phantom, measuring": FIRST_LAB_SEED + 3,
    "lab-sam": FIRST_LAB_SEED + 10,  # order of samples, prompts, augmentation, initial weights
    "lab-dino": FIRST_LAB_SEED + 11,
    "lab-clip": FIRST_LAB_SEED + 12,
    "lab-sam-vfss": FIRST_LAB_SEED + 13,
}
REPEAT_STEP = 100  # from one repeat of a training to the next
MAX_REPEATS = 1000


def training_seed(name: str, repeat: int) -> int:
    """Return the seed of initial weights, order and augmentation of lab teacher `name`; `repeat` 0 is the shipped one.

    Data stay the same in all repeats.

    Raises:
        ConfigError: if `repeat` is negative or 1000 or more.
    """
    if not 0 <= repeat < MAX_REPEATS:
        raise ConfigError(
            f"the seed of a lab training must be from 0 to {MAX_REPEATS - 1}, got {repeat}; 0 is the shipped teacher's."
        )
    return LAB_SEEDS[name] + REPEAT_STEP * repeat


def is_reserved(seed: int) -> bool:
    """Return whether only the lab may use `seed`."""
    return seed >= FIRST_LAB_SEED
