"""The two tables of a call, `areas.csv` and `frames.csv`: written row by row beside their place, put there when whole."""

import csv
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import IO

from agglo.predict.measure import AREA_COLUMNS, FRAME_COLUMNS, Row

COLUMNS = {"areas": AREA_COLUMNS, "frames": FRAME_COLUMNS}


class Tables:
    """`areas` and `frames` of one folder; nothing is there under these names before `finish`."""

    def __init__(self, folder: Path) -> None:
        """Begin both tables with their header lines; `folder` is made if absent."""
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self._files: dict[str, IO[str]] = {}
        for name, columns in COLUMNS.items():
            self._files[name] = self._temporary(name).open("w", encoding="utf-8", newline="")
            csv.writer(self._files[name]).writerow(columns)

    def add(self, areas: Iterable[Row], frame: Row) -> None:
        """Add what was measured in one frame."""
        csv.writer(self._files["areas"]).writerows(areas)
        csv.writer(self._files["frames"]).writerow(frame)

    def append(self, folder: Path) -> None:
        """Add the rows of the finished tables in `folder`."""
        for name, file in self._files.items():
            with (folder / f"{name}.csv").open(encoding="utf-8", newline="") as source:
                source.readline()
                shutil.copyfileobj(source, file)

    def finish(self, *, suffix: str = "") -> None:
        """Put both tables in place, as `areas{suffix}.csv` and `frames{suffix}.csv`."""
        for name, file in self._files.items():
            file.close()
            self._temporary(name).replace(self.folder / f"{name}{suffix}.csv")

    def discard(self) -> None:
        """Remove what was written."""
        for name, file in self._files.items():
            file.close()
            self._temporary(name).unlink(missing_ok=True)

    def _temporary(self, name: str) -> Path:
        return self.folder / f".{name}.csv.tmp"
