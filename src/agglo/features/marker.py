"""The marker of a block, written last: how many samples the block has, its hashes, what it cost, and which column it is of.

A block without a marker does not exist; nor does one whose marker is of another column (of weights that were there before, of
another codec), or of fewer samples than the block has since the store has grown.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from agglo.core.errors import StoreError
from agglo.core.files import read_json


def read_marker(file: Path) -> dict[str, Any]:
    """Return what a marker says.

    Raises:
        StoreError: it cannot be read.
    """
    try:
        marker = dict(read_json(file))
        str(marker["sha256"]), float(marker["seconds"])
    except (ValueError, KeyError, TypeError) as problem:
        store = file.parents[3]
        raise StoreError(
            f"the marker of block {int(file.stem)} of {file.parents[1].name} is damaged ({file}); `agglo store prune {store}` "
            "removes the block, then extract again"
        ) from problem
    return marker


def is_stale(marker: Mapping[str, Any], column: str, num_samples: int) -> bool:
    """Return whether a marker is of another column than the one of fingerprint `column`, or of fewer samples than `num_samples`."""
    return marker.get("column", column) != column or int(marker.get("samples", num_samples)) < num_samples


def is_marked(file: Path, sha256: str, column: str, num_samples: int) -> bool:
    """Return whether a block of this content is there already; the marker of what it is no longer is removed.

    Raises:
        StoreError: the marker is damaged, or the block is there with other content, or with more samples.
    """
    if not file.exists():
        return False
    marker = read_marker(file)
    if is_stale(marker, column, num_samples):
        file.unlink(missing_ok=True)
        return False
    if int(marker.get("samples", num_samples)) > num_samples:
        raise StoreError(
            f"{file.parents[3]} has grown since this process opened it, and is left as it is; the same command goes on with it"
        )
    if marker["sha256"] != sha256:
        raise StoreError(
            f"block {int(file.stem)} of {file.parents[1].name} is there with other content than is to be written (from two "
            f"machines that round differently?), and is left as it is; delete {file} to write it anew"
        )
    return True
