"""The names the phantom labels: the 12 structures in their fixed order, their groups, the further masks, the label states.

Only words and numbers live here; outlines are in `spine`, `head` and `throat`.
"""

from typing import Final

STRUCTURES: Final = (
    "bolus",
    "pharynx",
    "trachea",
    "epiglottis",
    "mandible",
    "C1",
    "C2",
    "C3",
    "C4",
    "C5",
    "C6",
    "C7",
)
"""The twelve structures, in the order of every mask array of this room."""

GROUPS: Final[dict[str, tuple[str, ...]]] = {
    "moving": STRUCTURES[:4],
    "static": STRUCTURES[4:],
}
"""Structures that a swallow moves, and those that only follow the patient's sway."""

EXTRAS: Final = (
    "hyoid",
    "vestibule",
    "residue_vallecular",
    "residue_pyriform",
    "in_vestibule",
    "below_folds",
)
"""Further exact masks of a frame; no part of the twelve. The last four are parts of the bolus."""

PRESENT: Final = "present"
ABSENT: Final = "absent"
NOT_ASSESSABLE: Final = "not_assessable"
"""Label states as words; they are the lower-case names of the dataset format's states."""
