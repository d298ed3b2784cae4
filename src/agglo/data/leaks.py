"""Whether frames that are judged were also learned from: the same pictures, or other pictures of the same patients.

Pictures are compared by the bytes of their files. A patient is the same where the name is, and the datasets are of one cohort:
of one name, or phantoms drawn from one seed. A name in another dataset is another patient.
"""

from collections.abc import Sequence

from agglo.data.dataset import Dataset

Part = tuple[Dataset, Sequence[int]]
"""A dataset, and the numbers of some of its frames."""


def shared_images(judged: Part, learned: Sequence[Part]) -> list[tuple[str, str]]:
    """Return `(id, dataset/id)` of every judged frame whose picture is also learned from, and of the first frame that has it there.

    Pictures of one value are no picture of anybody: a dark frame may be the same in any two recordings.
    """
    home: dict[str, str] = {}
    for dataset, indices in learned:
        for index in indices:
            home.setdefault(dataset.image_hashes[index], f"{dataset.name}/{dataset.frames[index].id}")
    dataset, indices = judged
    shared = [index for index in indices if dataset.image_hashes[index] in home]
    return [
        (dataset.frames[index].id, home[dataset.image_hashes[index]])
        for index in shared
        if not _is_blank(dataset, index)
    ]


def shared_patients(judged: Part, learned: Sequence[Part]) -> list[str]:
    """Return the names of judged patients who are learned from too, sorted."""
    known = {
        dataset.frames[index].patient
        for dataset, indices in learned
        if is_one_cohort(dataset, judged[0])
        for index in indices
    }
    return sorted({judged[0].frames[index].patient for index in judged[1]} & known)


def is_one_cohort(one: Dataset, other: Dataset) -> bool:
    """Return whether patients of the same name are the same people in two datasets."""
    seeds = [phantom_seed(dataset) for dataset in (one, other)]
    return one.name == other.name if None in seeds else seeds[0] == seeds[1]


def phantom_seed(dataset: Dataset) -> int | None:
    """Return the seed that a phantom's patients were drawn from; None for anything else."""
    says = dataset.description
    seed = says.get("seed") if says.get("is_phantom") else None
    return seed if isinstance(seed, int) else None


def _is_blank(dataset: Dataset, index: int) -> bool:
    image = dataset.image(index)
    return bool(image.min() == image.max())
