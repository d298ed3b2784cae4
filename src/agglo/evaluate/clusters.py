"""How an encoder groups whole images: clusters by cosine, and the distances within and between them (LD_C of arXiv 2504.02351).

The paper prints two figures, 0.21 between clusters and 0.18 within, without saying how clusters are made. Here they are those of
spherical k-means, with as many of them as give the best silhouette; distances are means over pairs of images.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from agglo.core.seeds import generator
from agglo.evaluate.projections import principal_components

Vectors = Float[np.ndarray, "images dim"]
Centres = Float[np.ndarray, "centres dim"]

MOST_CLUSTERS = 8
RESTARTS = 4
MAX_ROUNDS = 60


@dataclass(frozen=True)
class Clustering:
    """Groups of images.

    Attributes:
        labels: the cluster of each image, from 0 on, the largest first.
        intra: mean cosine distance of two images of one cluster, in `[0, 2]`.
        inter: of two images of different clusters.
        silhouette: how well apart the clusters are, in `[-1, 1]`; below about 0.25 there is hardly any grouping.
        plane: two coordinates for each image, of the first two principal axes of their directions.
    """

    labels: Int[np.ndarray, " images"]
    intra: float
    inter: float
    silhouette: float
    plane: Float[np.ndarray, "images 2"]


def cluster(vectors: Vectors, *, seed: int = 0) -> Clustering:
    """Group images by the direction of their vectors; the same images and seed give the same groups.

    Raises:
        ValueError: fewer than four images.
    """
    if len(vectors) < 4:
        raise ValueError(f"clusters need at least four images, got {len(vectors)}")
    units = _units(vectors)
    distances = np.clip(1 - units @ units.T, 0.0, 2.0)
    most = min(MOST_CLUSTERS, len(vectors) // 2)
    tried = [_by_size(spherical_kmeans(units, count, seed=seed)) for count in range(2, most + 1)]
    scores = [mean_silhouette(distances, labels) for labels in tried]
    labels = tried[int(np.argmax(scores))]
    intra, inter = intra_and_inter(distances, labels)
    return Clustering(labels, intra, inter, max(scores), principal_components(units, 2))


def intra_and_inter(
    distances: Float[np.ndarray, "images images"], labels: Int[np.ndarray, " images"]
) -> tuple[float, float]:
    """Return the mean distance of pairs of one cluster, and of pairs of two; 0 where there is no such pair."""
    is_pair = np.triu(np.ones(distances.shape, bool), k=1)
    is_same = labels[:, None] == labels[None, :]
    within, between = distances[is_pair & is_same], distances[is_pair & ~is_same]
    return float(within.mean()) if within.size else 0.0, float(between.mean()) if between.size else 0.0


def mean_silhouette(
    distances: Float[np.ndarray, "images images"], labels: Int[np.ndarray, " images"]
) -> float:
    """Return Rousseeuw's silhouette (1987), averaged over images; one that is alone in its cluster counts 0."""
    members = labels[None, :] == np.unique(labels)[:, None]
    sums, sizes = distances @ members.T, members.sum(axis=1)
    own = np.searchsorted(np.unique(labels), labels)
    rows = np.arange(len(labels))
    within = sums[rows, own] / np.maximum(sizes[own] - 1, 1)
    means = sums / sizes
    means[rows, own] = np.inf
    nearest = means.min(axis=1)
    larger = np.maximum(within, nearest)
    is_lonely = (sizes[own] == 1) | ~np.isfinite(nearest) | (larger <= 0)
    values = np.divide(nearest - within, larger, out=np.zeros(len(labels)), where=~is_lonely)
    return float(values.mean())


def spherical_kmeans(units: Vectors, count: int, *, seed: int) -> Int[np.ndarray, " images"]:
    """Return labels of `count` clusters (fewer where images coincide) that bring unit vectors near to their centres' direction.

    The best of a few starts, each chosen as k-means++ does (Arthur and Vassilvitskii 2007).
    """
    best, found = -np.inf, np.zeros(len(units), np.int64)
    for restart in range(RESTARTS):
        random = generator(seed, "clusters", count, restart)
        labels, nearness = _lloyd(units, _first_centres(units, count, random))
        if nearness > best + 1e-12:
            best, found = nearness, labels
    return found


def _lloyd(units: Vectors, centres: Centres) -> tuple[Int[np.ndarray, " images"], float]:
    labels = np.full(len(units), -1, np.int64)
    for _ in range(MAX_ROUNDS):
        nearest = np.argmax(units @ centres.T, axis=1)
        if (nearest == labels).all():
            break
        labels = nearest
        sums = [units[labels == place].sum(axis=0) for place in range(len(centres))]
        centres = _units(
            np.stack([each if each.any() else old for each, old in zip(sums, centres, strict=True)])
        )
    return labels, float((units * centres[labels]).sum())


def _first_centres(units: Vectors, count: int, random: np.random.Generator) -> Centres:
    chosen = [int(random.integers(len(units)))]
    while len(chosen) < count:
        far = np.clip(1 - (units @ units[chosen].T).max(axis=1), 0.0, None) + 1e-12
        chosen.append(int(np.searchsorted(np.cumsum(far) / far.sum(), random.random())))
    return units[[min(place, len(units) - 1) for place in chosen]]


def _by_size(labels: Int[np.ndarray, " images"]) -> Int[np.ndarray, " images"]:
    names, sizes = np.unique(labels, return_counts=True)
    order = names[np.argsort(-sizes, kind="stable")]
    return np.argsort(order)[np.searchsorted(names, labels)] if len(names) else labels


def _units(vectors: Vectors) -> Vectors:
    lengths = np.linalg.norm(vectors.astype(np.float64), axis=1, keepdims=True)
    return vectors / np.where(lengths > 0, lengths, 1.0)
