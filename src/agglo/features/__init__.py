"""Teacher features: extracted once, kept in a store that survives, summed up into statistics, normalised.

Nothing here knows of students or losses.
"""

from agglo.features.extract import fill_store
from agglo.features.moments import Moments
from agglo.features.normalise import Normaliser, make_normaliser
from agglo.features.store import Column, FeatureStore, Samples

__all__ = ["Column", "FeatureStore", "Moments", "Normaliser", "Samples", "fill_store", "make_normaliser"]
