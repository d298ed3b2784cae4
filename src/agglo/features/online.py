"""A teacher that is asked anew whenever its features are wanted: nothing of it is kept but the statistics of a pilot, frozen.

It has a folder beside the columns, `STORE/online/TEACHER`: what it is (`online.json`, written first and never changed), what the
pilot looked at (`pilot.json`), and the statistics (`moments.npz`). How it looks while a student learns is in `distill/online.py`.
"""

import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from agglo.core.errors import StoreError
from agglo.core.files import read_json, sha256_of, write_json, write_json_once
from agglo.features.moments import Moments
from agglo.features.samples import Samples


class OnlineColumn:
    """What takes a column's place for a teacher without stored features."""

    codec = None
    """Features are never coded: they come from the teacher, rounded to float16 as a plain store would have kept them."""

    def __init__(self, folder: Path, samples: Samples, about: Mapping[str, Any]) -> None:
        """Take its folder, the samples of the store, and what `online.json` holds."""
        self.folder, self.samples, self.about = folder, samples, about
        self.dim: int = about["dim"]
        self.grid: tuple[int, int] = tuple(about["grid"])
        self.pilot_views: int | None = about["pilot_views"]

    @staticmethod
    def create(store: Path, samples: Samples, name: str, about: Mapping[str, Any]) -> "OnlineColumn":
        """Make one in the store folder `store`, or open the one that is there if it is of the same teacher.

        `about` is `{dim, grid, identity, pilot_views}`; of how many views the statistics are matters no more once they are frozen.

        Raises:
            StoreError: there is one of other weights or with other preprocessing.
        """
        write_json_once(folder_of(store, name) / "online.json", dict(about))
        column = OnlineColumn.open(store, samples, name)
        asked = json.loads(json.dumps(dict(about)))
        ignored = set() if column.needs_pilot else {"pilot_views"}
        differing = sorted(key for key in asked.keys() - ignored if asked[key] != column.about.get(key))
        if differing:
            raise StoreError(
                f"online teacher {name!r} of {store} was looked at with another {', '.join(differing)}; "
                f"delete {column.folder} to have its statistics made anew, or use another run folder"
            )
        return column

    @staticmethod
    def open(store: Path, samples: Samples, name: str) -> "OnlineColumn":
        """Open one that is there.

        Raises:
            StoreError: there is none of this name.
        """
        file = folder_of(store, name) / "online.json"
        if not file.exists():
            raise StoreError(
                f"{store} must have statistics of the online teacher {name!r}, but has none; run `agglo extract RECIPE` first"
            )
        return OnlineColumn(file.parent, samples, read_json(file))

    @staticmethod
    def names(store: Path) -> tuple[str, ...]:
        """Return the online teachers of a store, in alphabetical order."""
        return tuple(sorted(file.parent.name for file in (store / "online").glob("*/online.json")))

    @property
    def identity(self) -> dict[str, Any]:
        """What decides what the teacher sees."""
        found: dict[str, Any] = self.about["identity"]
        return found

    @property
    def moments_file(self) -> Path:
        """Where the frozen statistics lie."""
        return self.folder / "moments.npz"

    @property
    def needs_pilot(self) -> bool:
        """Whether the statistics are still to be made."""
        return not self.moments_file.exists()

    @property
    def fingerprint(self) -> str:
        """The SHA-256 of the frozen statistics: what is learned from the teacher depends on them."""
        return sha256_of(self.moments_file)

    @property
    def seconds(self) -> float:
        """What the pilot has cost; 0 before it is at its end."""
        file = self.folder / "pilot.json"
        return float(read_json(file)["seconds"]) if file.exists() else 0.0

    def freeze(self, moments: Moments, about: Mapping[str, Any]) -> None:
        """Keep the pilot's statistics, for good."""
        write_json(self.folder / "pilot.json", about)
        moments.save(self.moments_file)

    def moments(self) -> Moments:
        """Return the frozen statistics.

        Raises:
            StoreError: the pilot has not come to its end, or the file is damaged.
        """
        if self.needs_pilot:
            raise StoreError(
                f"the pilot of the online teacher {self.folder.name} is not at its end; run the extraction to its end first"
            )
        try:
            return Moments.load(self.moments_file)
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as problem:
            raise StoreError(
                f"the statistics of the online teacher {self.folder.name} cannot be read ({problem}); delete {self.folder} "
                "to have them made anew, and distil anew what was tied to them"
            ) from problem


def folder_of(store: Path, name: str) -> Path:
    """Return the folder of an online teacher."""
    return store / "online" / name
