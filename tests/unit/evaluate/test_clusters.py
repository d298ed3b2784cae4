"""Clusters of images: groups that are there are found, distances are those of the pairs, nothing depends on chance."""

import numpy as np
import pytest

from agglo.core.seeds import generator
from agglo.evaluate.clusters import cluster, intra_and_inter, mean_silhouette


def grouped(sizes: tuple[int, ...], spread: float = 0.05) -> tuple[np.ndarray, np.ndarray]:
    """Return vectors about as many orthogonal directions as there are sizes, of unlike lengths, and their groups."""
    random = generator(3, "groups")
    groups = np.repeat(np.arange(len(sizes)), sizes)
    vectors = np.eye(10)[groups] + spread * random.standard_normal((len(groups), 10))
    return vectors * random.uniform(0.5, 50, (len(groups), 1)), groups


@pytest.mark.parametrize("sizes", [(21, 20), (30, 20, 10), (12, 11, 10, 9, 8)], ids=str)
def test_groups_that_are_there_are_found(sizes: tuple[int, ...]) -> None:
    vectors, groups = grouped(sizes)
    found = cluster(vectors)
    assert (found.labels == groups).all()  # the largest is called 0, as in `sizes`
    assert found.inter == pytest.approx(1, abs=0.1)
    assert found.intra < 0.1
    assert found.silhouette > 0.8


def test_distances_are_means_over_pairs() -> None:
    distances = np.array([[0, 1, 5, 6], [1, 0, 7, 8], [5, 7, 0, 3], [6, 8, 3, 0]], float)
    assert intra_and_inter(distances, np.array([0, 0, 1, 1])) == (2.0, 6.5)
    assert intra_and_inter(distances, np.array([0, 0, 0, 0])) == (5.0, 0.0)


SILHOUETTES = {  # name: (labels of points at 0, 1, 10 and 11 of a line, expected by Rousseeuw's definition)
    "right": ((0, 0, 1, 1), (2 * (1 - 1 / 10.5) + 2 * (1 - 1 / 9.5)) / 4),
    "wrong": ((0, 1, 0, 1), (2 * (6 / 10 - 1) + 2 * (5 / 10 - 1)) / 4),
    "one alone": ((0, 0, 0, 1), ((1 - 5.5 / 11) + (1 - 5 / 10) + (1 / 9.5 - 1) + 0) / 4),
}


@pytest.mark.parametrize(("labels", "expected"), SILHOUETTES.values(), ids=SILHOUETTES)
def test_silhouettes(labels: tuple[int, ...], expected: float) -> None:
    points = np.array([0.0, 1.0, 10.0, 11.0])
    distances = np.abs(points[:, None] - points[None, :])
    assert mean_silhouette(distances, np.array(labels)) == pytest.approx(expected)


def test_the_same_images_give_the_same_groups() -> None:
    vectors = generator(4).standard_normal((60, 12))
    one, other = cluster(vectors), cluster(vectors)
    assert (one.labels == other.labels).all()
    assert (one.plane == other.plane).all()
    assert one.silhouette < 0.25  # nothing is there to be found, and that shows


def test_equal_images_are_one_point() -> None:
    found = cluster(np.ones((6, 3)))
    assert found.intra == pytest.approx(0)
    assert np.isfinite(found.plane).all()


def test_three_images_are_too_few() -> None:
    with pytest.raises(ValueError, match="at least four images"):
        cluster(np.ones((3, 2)))
