"""A bounded memory of arrays, since training comes back to the same frames. Nothing is written to disk."""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from threading import Lock
from typing import Any, final

import numpy as np


@final
class ArrayCache:
    """The arrays used last, up to `limit_bytes` in all. They are read-only. A pickled copy starts empty."""

    def __init__(self, limit_bytes: int) -> None:
        """Hold at most `limit_bytes`; 0 remembers nothing."""
        self.limit_bytes = limit_bytes
        self._begin()

    def _begin(self) -> None:
        self.held_bytes = 0
        self._arrays: OrderedDict[Hashable, np.ndarray] = OrderedDict()
        self._lock = Lock()

    def get(self, key: Hashable, make: Callable[[], np.ndarray]) -> np.ndarray:
        """Return the array of `key`, made by `make` if it is not held; the longest unused ones give way."""
        with self._lock:
            if key in self._arrays:
                self._arrays.move_to_end(key)
                return self._arrays[key]
        array = make()
        array.setflags(write=False)
        with self._lock:
            self._keep(key, array)
        return array

    def _keep(self, key: Hashable, array: np.ndarray) -> None:
        if key in self._arrays or array.nbytes > self.limit_bytes:
            return
        self._arrays[key] = array
        self.held_bytes += array.nbytes
        while self.held_bytes > self.limit_bytes:
            _, dropped = self._arrays.popitem(last=False)
            self.held_bytes -= dropped.nbytes

    def __getstate__(self) -> dict[str, Any]:
        """Return what a copy in another process needs: the limit alone."""
        return {"limit_bytes": self.limit_bytes}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Start empty with the limit of the pickled cache."""
        self.limit_bytes = state["limit_bytes"]
        self._begin()
