"""Where the weights of a teacher lie: given, shipped, in the cache of the hub, or nowhere, which is said with how to get them.

Offline is how things are: the hub is asked only where the user has set `HF_HUB_OFFLINE=0`.
"""

from pathlib import Path

from agglo.core.errors import WeightsError
from agglo.core.hub import HOW_TO_DOWNLOAD, NotOnHand, cached_file, hub_file
from agglo.teachers.entry import FROZEN_HASHES, TeacherEntry
from agglo.teachers.reading import find_weights_file
from agglo.teachers.weights import check_sha256


def is_present(entry: TeacherEntry) -> bool:
    """Return whether the weights are on hand without a path: shipped, or in the cache of the hub."""
    if entry.is_shipped:
        return entry.shipped_path.is_file()
    return not entry.needs_file or entry.weights_path is not None or _cached(entry) is not None


def expected_file(entry: TeacherEntry) -> Path:
    """Return where the weights are if no path is given, shipped or in the cache of the hub; the file need not exist."""
    if entry.is_shipped:
        return entry.shipped_path
    return entry.weights_path or _cached(entry) or Path(entry.weights_file)


def locate(entry: TeacherEntry, weights: Path | str | None) -> Path | None:
    """Return the checked weights file that `weights` means for `entry`: a path, `"shipped"`, or None for what is on hand.

    `"random"`, and None for a teacher that needs no file, mean none: None.

    Raises:
        WeightsError: there is none, or it has not the SHA-256 that is pinned; the message says how to get it.
    """
    if isinstance(weights, Path):
        file = find_weights_file(weights)
        if not entry.is_shipped and entry.pinned_sha256 is not None:
            check_sha256(file, entry.pinned_sha256)
        return file
    if weights == "random" or (weights is None and not entry.needs_file):
        return None
    if entry.is_shipped:
        return _shipped(entry)
    if weights is None and entry.weights_path is not None:
        return entry.weights_path
    if weights is None and entry.hub is not None:
        return _from_hub(entry)
    raise WeightsError(
        f"teacher {entry.name} needs its weights, which Agglo does not ship: {entry.how_to_get}"
    )


def _shipped(entry: TeacherEntry) -> Path:
    if not entry.shipped_path.is_file():
        raise WeightsError(
            f"teacher {entry.name} needs its shipped weights, but {entry.shipped_path} does not exist: {entry.how_to_get}"
        )
    if entry.pinned_sha256 is None:
        raise WeightsError(
            f"shipped weights must be frozen, but {FROZEN_HASHES} beside {entry.shipped_path} has no line for it: "
            f"{entry.how_to_get}"
        )
    check_sha256(entry.shipped_path, entry.pinned_sha256)
    return entry.shipped_path


def _cached(entry: TeacherEntry) -> Path | None:
    hub = entry.hub
    return None if hub is None else cached_file(hub.repository, hub.name, revision=hub.revision)


def _from_hub(entry: TeacherEntry) -> Path:
    assert entry.hub is not None
    try:
        file = hub_file(entry.hub.repository, entry.hub.name, revision=entry.hub.revision)
    except NotOnHand as reason:
        raise WeightsError(
            f"teacher {entry.name} needs its weights ({entry.weights_file} of {entry.source}), which Agglo does not ship, and "
            f"{reason}. {HOW_TO_DOWNLOAD}, or fetch that file by other means and give its path as `weights`."
        ) from reason
    if entry.pinned_sha256 is not None:
        check_sha256(file, entry.pinned_sha256)
    return file
