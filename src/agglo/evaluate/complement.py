"""Complementary or redundant: what several encoders know of the same images, compared.

Every pair meets on the coarser of its two grids (means over cells), so that neither is asked for detail that it has not; all of
them together are compared with one on that one's grid, or on theirs where it is coarser.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float

from agglo.evaluate.clusters import Clustering, cluster
from agglo.evaluate.similarity import Prediction, Spectrum, debiased_cka, linear_prediction

Maps = Float[np.ndarray, "images dim h w"]
Masks = Bool[np.ndarray, "images h w"]

CKA_TOKENS = 3000
PREDICTION_TOKENS = 16000


@dataclass(frozen=True)
class Seen:
    """What one encoder made of the images, which are the same for all: its maps, and which of their cells show the picture."""

    maps: Maps
    is_picture: Masks
    spectrum: Spectrum


@dataclass(frozen=True)
class Comparison:
    """How encoders differ.

    Attributes:
        names: of the encoders; rows and columns below are in this order.
        spectra: of each.
        grids: cells along the axis on which each pair met.
        cka: linear, debiased; 1 on the diagonal.
        predicted: `predicted[of][by]`: how well one follows linearly from another, on images further on; None on the diagonal.
        by_all_others: how well each follows from all others together; None where there are no others.
        groups: how each groups the images, by the mean of its cells.
    """

    names: tuple[str, ...]
    spectra: tuple[Spectrum, ...]
    grids: tuple[tuple[int, ...], ...]
    cka: tuple[tuple[float, ...], ...]
    predicted: tuple[tuple[Prediction | None, ...], ...]
    by_all_others: tuple[Prediction | None, ...]
    groups: tuple[Clustering, ...]

    def to_json(self) -> dict[str, Any]:
        """Return the figures by name."""
        return {
            name: {
                **self.spectra[row].to_json(),
                "own_share": self.own_share(row),
                "clusters": int(self.groups[row].labels.max()) + 1,
                "inter_cluster_distance": round(self.groups[row].inter, 4),
                "intra_cluster_distance": round(self.groups[row].intra, 4),
                "silhouette": round(self.groups[row].silhouette, 4),
                "with": {other: self._pair(row, col) for col, other in enumerate(self.names) if col != row},
            }
            for row, name in enumerate(self.names)
        }

    def own_share(self, row: int) -> float | None:
        """Return the share of an encoder's variance that does not follow linearly from all others; None without others."""
        found = self.by_all_others[row]
        return None if found is None else round(float(np.clip(1 - found.explained, 0.0, 1.0)), 4)

    def _pair(self, row: int, col: int) -> dict[str, Any]:
        predicted = self.predicted[row][col]
        assert predicted is not None
        return {
            "grid": self.grids[row][col],
            "cka": round(self.cka[row][col], 4),
            "predicted_cosine": round(predicted.cosine, 4),
            "predicted_share": round(predicted.explained, 4),
        }


def compare(seen: Mapping[str, Seen]) -> Comparison:
    """Compare encoders by what they made of the same images, in the same order.

    Raises:
        ValueError: fewer than four images, or two numbers of them.
    """
    if len({len(each.maps) for each in seen.values()}) > 1:
        raise ValueError(
            f"all encoders need the same images, got {[len(each.maps) for each in seen.values()]}"
        )
    names = tuple(seen)
    grids = tuple(tuple(_grid([seen[one], seen[other]]) for other in names) for one in names)
    return Comparison(
        names,
        tuple(each.spectrum for each in seen.values()),
        grids,
        tuple(tuple(_cka(seen[one], seen[other]) for other in names) for one in names),
        tuple(
            tuple(None if one == other else _prediction(seen[one], [seen[other]]) for other in names)
            for one in names
        ),
        tuple(_by_others(seen, name) for name in names),
        tuple(cluster(image_vectors(each.maps, each.is_picture)) for each in seen.values()),
    )


def image_vectors(maps: Maps, is_picture: Masks) -> Float[np.ndarray, "images dim"]:
    """Return the mean over those cells of every image that show the picture; over all, where none does."""
    weights = is_picture.astype(np.float64)
    weights[~is_picture.any(axis=(1, 2))] = 1.0
    sums = np.einsum("ndhw,nhw->nd", maps.astype(np.float64), weights)
    return sums / weights.sum(axis=(1, 2))[:, None]


def pooled(maps: Maps, cells: int) -> Float[np.ndarray, "images dim {cells} {cells}"]:
    """Return the means of maps over a coarser grid; cells that lie across a border count by their share in each side."""
    rows, cols = (_pooling(size, cells) for size in maps.shape[2:])
    return np.einsum("ndhw,rh,cw->ndrc", maps.astype(np.float64), rows, cols, optimize=True)


def _pooling(size: int, cells: int) -> Float[np.ndarray, "{cells} {size}"]:
    edges = np.arange(cells + 1) * size / cells
    low, high = edges[:-1, None], edges[1:, None]
    place = np.arange(size)[None, :]
    overlap = np.clip(np.minimum(high, place + 1) - np.maximum(low, place), 0.0, None)
    return overlap / overlap.sum(axis=1, keepdims=True)


def _grid(several: list[Seen]) -> int:
    return min(min(each.maps.shape[2:]) for each in several)


def _tokens(several: list[Seen], most: int) -> list[Float[np.ndarray, "tokens dim"]]:
    """Return tokens of the same cells of the same images, in the images' order, at most `most`, evenly spread."""
    cells = _grid(several)
    inside = [pooled(each.is_picture[:, None].astype(np.float64), cells)[:, 0] >= 0.5 for each in several]
    places = np.argwhere(np.logical_and.reduce(inside))
    places = places[np.linspace(0, len(places) - 1, min(most, len(places))).round().astype(int)]
    image, row, col = places.T
    return [pooled(each.maps, cells)[image, :, row, col] for each in several]


def _cka(one: Seen, other: Seen) -> float:
    return 1.0 if one is other else debiased_cka(*_tokens([one, other], CKA_TOKENS))


def _prediction(of: Seen, by: list[Seen]) -> Prediction:
    wanted, *given = _tokens([of, *by], PREDICTION_TOKENS)
    scaled = [each / max(float(np.sqrt(each.var(axis=0).mean())), 1e-12) for each in given]
    return linear_prediction(wanted, np.concatenate(scaled, axis=1))


def _by_others(seen: Mapping[str, Seen], name: str) -> Prediction | None:
    others = [each for other, each in seen.items() if other != name]
    return _prediction(seen[name], others) if others else None
