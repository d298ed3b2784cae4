"""What the licence of someone else's weights may mean for a student, as far as its name tells."""

from collections.abc import Sequence
from pathlib import Path

import yaml

PERMISSIVE = {
    "apache-2.0",
    "mit",
    "mit-0",
    "isc",
    "zlib",
    "unlicense",
    "cc0-1.0",
    "cc-by-3.0",
    "cc-by-4.0",
    "ncsa",
    "postgresql",
}
"""Names, as timm and the Hugging Face hub write them, of licences that ask for no more than to be named; beside `bsd...`."""
CARD = "README.md"


def restriction_of(licences: Sequence[str]) -> str | None:
    """Return in words that some of `licences` may bind a student; None where all are known to be permissive, or there is none."""
    doubtful = [each for each in licences if not _is_permissive(each)]
    if not doubtful:
        return None
    return f"its licence {', '.join(doubtful)} is not known to be permissive: read it before a student is used or passed on"


def stated_in(folder: Path) -> list[str]:
    """Return what the front matter of the folder's card (`README.md`) states as `license`; nothing where it states none."""
    try:
        text = (folder / CARD).read_text(encoding="utf-8")
        parts = text.split("---\n", 2) if text.startswith("---\n") else []
        about = yaml.safe_load(parts[1]) if len(parts) == 3 else None
    except (
        OSError,
        UnicodeDecodeError,
        yaml.YAMLError,
    ):  # whatever a card is, the weights are told by others
        return []
    if not isinstance(about, dict):
        return []
    found, name = about.get("license") or [], about.get("license_name")
    stated = [str(each) for each in (found if isinstance(found, list) else [found])]
    return [str(name) if each == "other" and name else each for each in stated]


def _is_permissive(licence: str) -> bool:
    name = licence.strip().lower()
    return name in PERMISSIVE or name.startswith("bsd")
