"""Teacher features: extracted once, kept in a store that survives, summed up into statistics, normalised.

Nothing here knows of students or losses.
"""

from agglo.features.codec import Codec, Storage
from agglo.features.column import Column
from agglo.features.extract import fill_store
from agglo.features.moments import Moments
from agglo.features.normalise import NORMALISERS, UNIT_VARIANCE, make_normaliser
from agglo.features.normalisers import AffineNormaliser, CodedNormaliser, Normaliser
from agglo.features.samples import Samples
from agglo.features.store import FeatureStore

__all__ = [
    "NORMALISERS",
    "UNIT_VARIANCE",
    "AffineNormaliser",
    "Codec",
    "CodedNormaliser",
    "Column",
    "FeatureStore",
    "Moments",
    "Normaliser",
    "Samples",
    "Storage",
    "fill_store",
    "make_normaliser",
]
