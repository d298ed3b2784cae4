"""Agglo: several large vision encoders distilled into one small student that segments in real time.

Research use only, not a medical device. The names below are the public interface; they are imported when first used, so that
`import agglo` costs nothing.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from agglo.data.opening import open_dataset
    from agglo.predict.predictor import load

__version__ = "0.1.0"
__all__ = ["__version__", "load", "open_dataset"]

_HOMES = {"load": "agglo.predict.predictor", "open_dataset": "agglo.data.opening"}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'agglo' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)
