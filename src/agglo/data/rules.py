"""What the files of a folder of pictures mean: who a patient is, and what a class without pixels is in a mask.

Both differ from set to set. A folder states them in its own `classes.json` (`patients`: "each", "one" or "source";
`without_pixels`: a state's word; `polarity`: "bone_black" or "bone_white"). Some public sets state nothing; what is known of them
stands here as data, set by set, recognised by the folder's name. In any other folder every image is taken as a patient of its
own and a class without pixels as absent.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from agglo.core.errors import DataError
from agglo.data.states import STATE_OF_WORD, State

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Rules:
    """What a folder's files mean.

    Attributes:
        patients: "each" picture is a patient of its own, "one" patient for the whole folder, or "source": the file name before its
            last underscore and number.
        without_pixels: state of a class that has no pixel in a mask that exists.
        groups: named sets of classes.
        facts: of every frame.
        notes: what to know, for the dataset's description.
    """

    patients: Literal["each", "one", "source"] = "each"
    without_pixels: State = State.ABSENT
    groups: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    facts: Mapping[str, str] = field(default_factory=dict)
    notes: str = ""


_THORACIC = tuple(f"T{level}" for level in range(1, 13))
_LUMBAR = tuple(f"L{level}" for level in range(1, 6))
CLIP_FULLY_LABELLED = 122
"""Last frame of `vfss_clip` in which a class without pixels is absent; later ones were left half-way."""

STATED = ("patients", "without_pixels", "polarity")
"""Keys of `classes.json` in which a folder states its rules itself."""

RULES: Mapping[str, Rules] = {
    "angiogram": Rules(facts={"polarity": "bone_black", "view": "coronary"}),
    "cephalogram": Rules(
        facts={"polarity": "bone_white", "view": "lateral", "facing": "right"},
        notes="19 landmarks in two annotation sets lie beside the images as CSV; there are no masks.",
    ),
    "em_membrane": Rules(
        patients="one", facts={"view": "electron microscopy"}, notes="One stack of 30 slices."
    ),
    "panoramic_teeth": Rules(
        facts={"polarity": "bone_white", "view": "panoramic"},
        notes="The two empty masks are of toothless jaws: absent.",
    ),
    "spine_ap": Rules(
        without_pixels=State.NOT_ASSESSABLE,
        groups={"thoracic": _THORACIC, "lumbar": _LUMBAR},
        facts={"polarity": "bone_white", "view": "AP"},
        notes="Quadrilaterals of all 17 vertebrae; one without pixels would lie outside of the image: not assessable.",
    ),
    "spine_mr": Rules(
        without_pixels=State.UNLABELLED,
        facts={"view": "sagittal MR"},
        notes="Some masks are empty or lack a class although vertebrae and discs are in the slice: unlabelled, not absent.",
    ),
    "vfss_clip": Rules(
        patients="one",
        groups={
            "areas": ("pharynx_lumen", "vallecular_residue", "pyriform_UES_residue"),
            "lines": ("posterior_pharyngeal_wall",),
            "landmarks": (
                "C2_landmark",
                "C4_landmark",
                "tongue_base_landmark",
                "hyoid_landmark",
                "UES_landmark",
            ),
        },
        facts={"polarity": "bone_black", "view": "lateral", "facing": "right"},
        notes=(
            "One healthy subject. Frames 0-122 are fully labelled: a class without pixels is absent. In 123-127 classes "
            "with pixels are present and the others unlabelled; 128 and later are unlabelled. The container's 12 frames/s "
            "are not trusted. The pharynx lumen shrinks to an island inside the contrast in frames 57-77."
        ),
    ),
    "vfss_misc": Rules(
        patients="source",
        facts={"polarity": "bone_black", "view": "lateral"},
        notes=(
            "Frames without a mask are unlabelled. Whether frames of one source are of one subject is unknown: they count as one."
        ),
    ),
}
"""Sets that are recognised by the name of their folder, as they ship: they state nothing themselves."""

CLIP = RULES["vfss_clip"]


def rules_of(classes: Mapping[str, Any], folder: Path) -> Rules:
    """Return what the files of a folder mean: what its own `classes.json` states, else what is known of a set of its name.

    Raises `DataError` for words without a meaning.
    """
    known = RULES.get(folder.absolute().name)
    if known and not any(key in classes for key in STATED):
        return known
    patients, word = classes.get("patients", "each"), classes.get("without_pixels", State.ABSENT.word)
    if patients not in ("each", "one", "source") or word not in STATE_OF_WORD:
        raise DataError(
            f"{folder / 'classes.json'} must have `patients` each, one or source and `without_pixels` one of "
            f"{sorted(STATE_OF_WORD)[1:]}, it has {patients!r} and {word!r}; mend them."
        )
    polarity = classes.get("polarity")
    if polarity not in (None, "bone_black", "bone_white"):
        raise DataError(
            f"{folder / 'classes.json'} must have `polarity` bone_black or bone_white, or none, it has {polarity!r}; mend it."
        )
    if "patients" not in classes:
        _LOG.warning(
            "%s: every image is taken as a patient of its own; state `patients` in its classes.json", folder
        )
    facts = {"polarity": polarity} if polarity else {}
    return Rules(patients=patients, without_pixels=STATE_OF_WORD[word], facts=facts)
