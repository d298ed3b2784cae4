"""Seeds reserved for the lab teachers: whatever they are trained or measured on comes from these, and from nowhere else.

No recipe, test set or benchmark may use a seed from `FIRST_LAB_SEED` on, so no lab teacher has seen a patient that a student is
later trained or scored on.
"""

FIRST_LAB_SEED = 1_000_000_000

LAB_SEEDS = {  # what for: seed
    "scenes, training": FIRST_LAB_SEED,
    "scenes, measuring": FIRST_LAB_SEED + 1,
    "phantom, training": FIRST_LAB_SEED + 2,
    "phantom, measuring": FIRST_LAB_SEED + 3,
    "lab-sam": FIRST_LAB_SEED + 10,  # order of samples, prompts, augmentation, initial weights
    "lab-dino": FIRST_LAB_SEED + 11,
    "lab-clip": FIRST_LAB_SEED + 12,
}


def is_reserved(seed: int) -> bool:
    """Return whether only the lab may use `seed`."""
    return seed >= FIRST_LAB_SEED
