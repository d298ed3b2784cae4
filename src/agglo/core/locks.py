"""One process at a time in a folder. A lock ends with its process, however that ends, so nobody ever has to remove one.

These are advisory record locks of the operating system: they hold between machines too where the file system carries them, as NFS
does. Where it does not, the work goes on without, and a line in the log says so.
"""

import errno
import fcntl
import logging
import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from agglo.core.errors import RunFolderError

_log = logging.getLogger(__name__)
_TAKEN = {errno.EACCES, errno.EAGAIN}
_UNKNOWN_HERE = {errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS, errno.EINVAL}
ASK_EVERY_S = 0.2


@contextmanager
def locked(
    file: Path, *, is_shared: bool = False, on_wait: Callable[[str], None] | None = None
) -> Iterator[None]:
    """Hold the lock `file` (made if absent, and left there) while the body runs.

    Args:
        file: what to lock; nothing else may open it while it is held.
        is_shared: let others in that share it too; only one that does not share is kept out.
        on_wait: told once who holds the lock, which is then waited for; None refuses at once.

    Raises:
        RunFolderError: somebody else holds it, and nobody wants to wait.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("a+", encoding="utf-8") as handle:
        has_waited = False
        while not _take(handle, is_shared=is_shared):
            holder = _holder(handle)
            if on_wait is None:
                raise RunFolderError(
                    f"one process at a time may work in {file.parent}, but {holder} does; nothing was touched. "
                    "Wait for it, stop it, or choose another folder (`out=…`)"
                )
            if not has_waited:
                on_wait(holder)
            has_waited = True
            time.sleep(ASK_EVERY_S)
        handle.truncate(0)
        others = " (perhaps with others)" if is_shared else ""
        handle.write(f"process {os.getpid()} on {socket.gethostname()}{others}")
        handle.flush()
        yield


def _take(handle: IO[str], *, is_shared: bool) -> bool:
    """Take the lock unless somebody holds it against us; return whether it is ours, or nobody can have it here."""
    try:
        fcntl.lockf(handle, (fcntl.LOCK_SH if is_shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except OSError as problem:
        if problem.errno in _TAKEN:
            return False
        if problem.errno not in _UNKNOWN_HERE:
            raise
        _log.warning(
            "%s: this file system has no locks (%s); see to it that only one process works here",
            handle.name,
            problem.strerror,
        )
    return True


def _holder(handle: IO[str]) -> str:
    handle.seek(0)
    return handle.read().strip() or "another process"
