"""What a column is, before anything is in it: the content of its `column.json`."""

import json
from dataclasses import dataclass
from typing import Any

from agglo.features.codec import Storage


@dataclass(frozen=True)
class ColumnSpec:
    """What a column is, before anything is in it.

    Attributes:
        dim: the teacher's width.
        grid: rows and columns of its map.
        identity: JSON-like; decides what the teacher saw: weights, preprocessing.
        storage: how features are kept.
    """

    dim: int
    grid: tuple[int, int]
    identity: dict[str, Any]
    storage: Storage

    def to_json(self) -> dict[str, Any]:
        """Return what `column.json` holds."""
        content = {"dim": self.dim, "grid": list(self.grid), "dtype": "float16", "identity": self.identity}
        if self.storage.is_coded:
            kept = {"dtype": self.storage.dtype, "codes": self.storage.width(self.dim)}
            content |= kept | {"pilot_views": self.storage.pilot_views}
        return content

    def differences(self, other: "ColumnSpec", *, is_frozen: bool) -> list[str]:
        """Return in what two specs differ; once a codec is frozen, the number of views it came from matters no more."""
        own, theirs = self.to_json(), json.loads(json.dumps(other.to_json()))
        ignored = {"pilot_views"} if is_frozen and "codes" in own and "codes" in theirs else set()
        return sorted(
            key for key in (own.keys() | theirs.keys()) - ignored if own.get(key) != theirs.get(key)
        )

    @staticmethod
    def of_json(content: dict[str, Any]) -> "ColumnSpec":
        """Return the spec that `column.json` holds."""
        storage = Storage()
        if "codes" in content:
            pca = content["codes"] if content["codes"] < content["dim"] else None
            storage = Storage(content["dtype"], pca, content["pilot_views"])
        rows, cols = content["grid"]
        return ColumnSpec(content["dim"], (rows, cols), content["identity"], storage)
