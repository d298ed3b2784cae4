"""A stage of a run: it knows what it was made from, so it is never made twice, and never silently made from something else.

Each stage has a folder with `stage.json`: its settings (with those of the stage before it, by fingerprint), whether it is done,
the facts it found, and on what machine that was. A stage that is done with the same settings is skipped; one with other settings
is refused, by name.
"""

import logging
import socket
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agglo.core.errors import RunFolderError
from agglo.core.files import fingerprint, read_json, write_json
from agglo.recipes.environment import environment
from agglo.train.team import ALONE, Team

_log = logging.getLogger(__name__)
Settings = Mapping[str, Any]
Facts = dict[str, Any]
SEEN_WITHIN_S, ASK_EVERY_S = 60.0, 0.2
"""How long a shared disk may take to show one machine what another has written."""
UNKNOWN = "(not there)"
"""What stands in a message for a setting that is not there at all: another version of Agglo may not have it."""


@dataclass(frozen=True)
class Stage:
    """One stage of one run.

    Attributes:
        name: as the user knows it.
        folder: where its results go.
        settings: JSON-like; what decides its results.
        is_whole: whether its results are there, asked of a stage that says it is done; if not, it is done again.
        team: the processes that do its work together, of which the first one keeps the books; this one alone by default.
        is_view: whether it only shows what the folder holds: made with other settings, it is made anew without asking.
    """

    name: str
    folder: Path
    settings: Settings
    is_whole: Callable[[], bool] = lambda: True
    team: Team = ALONE
    is_view: bool = False

    @property
    def identity(self) -> str:
        """The fingerprint of the settings: the next stage's settings hold it."""
        return fingerprint(self.settings)

    @property
    def is_done(self) -> bool:
        """Whether there is nothing left to do.

        Raises:
            RunFolderError: the folder holds, or has begun, this stage with other settings.
        """
        found = self._read()
        if found is None:
            return False
        if found["settings"] != _plain(self.settings):
            if self.is_view:
                return False
            differing = ", ".join(_differences(found["settings"], _plain(self.settings)))
            raise RunFolderError(
                f"stage {self.name} in {self.folder} was made with other settings ({differing}); nothing was touched. "
                "Choose another run folder (`out=…`), or delete this stage's folder to make it anew"
            )
        return bool(found["is_done"]) and self.is_whole()

    @property
    def facts(self) -> Facts:
        """What the stage found, once it is done."""
        found = self._read()
        return dict(found["facts"]) if found else {}

    def run(self, work: Callable[[], Facts | None]) -> bool:
        """Do the work unless it is done; return whether anything was done.

        Work that gives no facts is not finished: others are still at theirs, and the stage is not done. Of a team, the first
        process's facts count, and the others come back when it has written them down.
        """
        if self.team.first_does(lambda: self.is_done):
            _log.info("%s: already done", self.name)
            return False
        self.team.first_does(lambda: self._write(is_done=False, facts={}, wall_s=0.0))
        began = time.monotonic()
        facts = work()
        self.team.first_does(lambda: self._finish(facts, time.monotonic() - began))
        return True

    def _finish(self, facts: Facts | None, wall_s: float) -> None:
        if facts is not None:
            self._write(is_done=True, facts=facts, wall_s=wall_s)

    def wait_to_see(self) -> None:
        """Return once this process sees that the stage is there, which another one has done.

        Raises:
            RunFolderError: it does not show, as it would on a disk that both share.
        """
        until = time.monotonic() + SEEN_WITHIN_S
        while not (self.folder / "stage.json").exists():
            if time.monotonic() > until:
                raise RunFolderError(
                    f"all processes of a run must see the same run folder, but {socket.gethostname()} does not see {self.folder}, "
                    "where another one has written; choose a folder on a disk that all machines share (`out=…`)"
                )
            time.sleep(ASK_EVERY_S)

    def _read(self) -> dict[str, Any] | None:
        path = self.folder / "stage.json"
        if not path.exists():
            return None
        content: dict[str, Any] = read_json(path)
        return content

    def _write(self, *, is_done: bool, facts: Facts, wall_s: float) -> None:
        content = {
            "stage": self.name,
            "is_done": is_done,
            "facts": facts,
            "last_wall_s": round(wall_s, 3),
            "environment": environment(),
            "settings": _plain(self.settings),
        }
        write_json(self.folder / "stage.json", content)


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return str(value) if isinstance(value, Path) else value


def _differences(before: Any, now: Any, place: str = "") -> list[str]:
    """Return `key: before -> now` for every leaf that differs, three at most."""
    if isinstance(before, dict) and isinstance(now, dict):
        found = [
            line
            for key in sorted(before.keys() | now.keys())
            for line in _differences(
                before.get(key, UNKNOWN), now.get(key, UNKNOWN), f"{place}.{key}".strip(".")
            )
        ]
        return found if len(found) <= 3 else [*found[:3], f"and {len(found) - 3} more"]
    return [] if before == now else [f"{place}: {before} -> {now}"]
