"""What must hold of the frames that a run is given, looked at before anything is trained.

No structure that is called absent has pixels, and nothing that is judged is learned from. What is wrong with a folder besides,
`agglo data check` tells.
"""

from collections.abc import Iterator, Sequence

from agglo.config.schema import FurtherTest
from agglo.core.errors import DataError
from agglo.data import Dataset, open_dataset
from agglo.data.absent import absent_with_pixels
from agglo.data.leaks import Part, phantom_seed, shared_images, shared_patients
from agglo.data.problems import Problems
from agglo.phantom import STRUCTURES
from agglo.recipes.build import unlabelled_frames
from agglo.recipes.context import Run

SHOWN = 5


def require_sound_masks(run: Run) -> None:
    """Look through the masks of given folders that will be learned from or scored; a phantom that the run makes is sound.

    Raises:
        DataError: structures called absent have pixels, or a test set has no label; all of them are named.
    """
    problems = Problems(f"{run.recipe.name}: masks of given folders")
    for config in run.recipe.evaluate.also:
        if config.folder is not None:
            problems.found.extend(unlabelled_test(config.name, _given_test(run, config)))
    for dataset, indices in _given_labels(run):
        lines = absent_with_pixels(dataset, indices, progress=run.tell(f"masks of {dataset.name}"))
        problems.found.extend(f"{dataset.folder}, {line}" for line in lines)
    problems.raise_if_any()


def refuse_leaks(run: Run) -> None:
    """Look for frames that would be judged and learned from, among unlabelled frames and further test sets that are given.

    Raises:
        DataError: there are some; every folder that has them is named.
    """
    problems = Problems(f"{run.recipe.name}: what is judged must not be learned from")
    for extra in run.extra_datasets:
        problems.found.extend(_leaks_into(run, extra))
    for config in run.recipe.evaluate.also:
        if config.phantom is not None:
            problems.found.extend(same_seed(run, config.name, config.phantom.seed))
        if config.folder is not None:
            found = _given_test(run, config)
            problems.found.extend(_leaks_from(run, config.name, (found, labelled_frames(found))))
    problems.raise_if_any()


def refuse_learned(run: Run, name: str, tested: Part) -> None:
    """Raise `DataError` when the further test set `name` holds images, or patients, that the run learns from."""
    lines = _leaks_from(run, name, tested)
    if lines:
        raise DataError("\n".join(lines))


def unlabelled_test(name: str, dataset: Dataset) -> list[str]:
    """Return that nobody has judged anything in the further test set `name`, if so."""
    if labelled_frames(dataset):
        return []
    return [
        f"a further test set must have labelled frames, but {name!r} ({dataset.folder}) has none; add masks of the run's "
        "structures, mark some as `absent`, or leave it out"
    ]


def same_seed(run: Run, name: str, seed: int) -> list[str]:
    """Return that a phantom to be scored as `name` has the patients of one that is learned from, if it has."""
    if seed not in {phantom_seed(dataset) for dataset in (run.dataset, *run.extra_datasets)}:
        return []
    return [
        f"a further test set must have other patients than the run's dataset, but {name!r} is drawn from the same seed "
        f"{seed}: its patients are those trained on. Give it another seed"
    ]


def labelled_frames(dataset: Dataset) -> tuple[int, ...]:
    """Return the frames in which somebody has judged something."""
    return tuple(index for index, frame in enumerate(dataset.frames) if frame.is_labelled)


def _given_labels(run: Run) -> Iterator[Part]:
    """Yield the labelled frames of given folders that the run learns from or scores."""
    if run.recipe.data.folder is not None:
        used = {index for part in run.split.values() for index in part}
        yield run.dataset, [index for index in labelled_frames(run.dataset) if index in used]
    for config in run.recipe.evaluate.also:
        if config.folder is not None:
            found = _given_test(run, config)
            yield found, labelled_frames(found)[:: config.stride]


def _given_test(run: Run, config: FurtherTest) -> Dataset:
    """Open a further test set that lies in a folder; it must have the run's structures."""
    data = run.recipe.data
    structures = (data.structures or STRUCTURES) if data.folder is None else run.dataset.structures
    assert config.folder is not None
    return open_dataset(config.folder, structures=structures, polarity=data.polarity)


def _leaks_into(run: Run, extra: Dataset) -> list[str]:
    """Return in which ways the unlabelled frames of `extra` hold what the run's val and test parts judge."""
    judged = (run.dataset, [*run.split["val"], *run.split["test"]])
    learned = [(extra, unlabelled_frames(extra))]
    what = f"`data.unlabelled` {extra.folder}: must have no"
    lines = []
    if images := shared_images(judged, learned):
        lines.append(
            f"{what} image of val and test, but has {len(images)}: {_pairs(images)}; remove them there"
        )
    patients = shared_patients(judged, learned) if run.split.by == "patient" else []
    if patients:
        lines.append(
            f"{what} patient of val and test, but has {len(patients)}: {_some(patients)}; remove their frames there, or, if these "
            "are other people, call the dataset otherwise"
        )
    return lines


def _leaks_from(run: Run, name: str, tested: Part) -> list[str]:
    """Return in which ways a further test set holds what the run learns from: train, val (which chooses) and unlabelled frames."""
    learned = [
        (run.dataset, [*run.split["train"], *run.split["val"]]),
        *((extra, unlabelled_frames(extra)) for extra in run.extra_datasets),
    ]
    what, where = "a further test set must hold other", f"{name!r} ({tested[0].folder})"
    lines = []
    if images := shared_images(tested, learned):
        lines.append(
            f"{what} images than those learned from (train, val, unlabelled), but {where} shares {len(images)}: {_pairs(images)}; "
            "leave them out, or score the run's own test part instead"
        )
    if patients := shared_patients(tested, learned):
        lines.append(
            f"{what} patients than those learned from (train, val, unlabelled), but {where} shares {len(patients)}: "
            f"{_some(patients)}; leave them out, or, if these are other people, call the dataset otherwise"
        )
    return lines


def _pairs(shared: Sequence[tuple[str, str]]) -> str:
    return _some([f"{judged} is {learned}" for judged, learned in shared])


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:SHOWN]) + (f" and {len(names) - SHOWN} more" if len(names) > SHOWN else "")
