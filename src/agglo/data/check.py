"""Looking into every pixel of a dataset for what opening it cannot see. Nothing is changed."""

from agglo.core.errors import AggloError
from agglo.data.dataset import Dataset
from agglo.data.write import contradictions


def check_dataset(dataset: Dataset) -> list[str]:
    """Return every problem in the dataset's pixels, in frame order; empty when there is none.

    Looked for: files that cannot be read, masks of another size than their image, masks that contradict their states, pictures of
    one grey value. Takes about as long as reading all files once.
    """
    found = []
    for index, frame in enumerate(dataset.frames):
        try:
            image, masks = dataset.image(index), dataset.masks(index)
        except AggloError as error:
            found.append(f"{frame.id}: {error}")
            continue
        if image.min() == image.max():
            found.append(
                f"{frame.id}: the picture must show something, every pixel is {image.min()}; remove the frame"
            )
        found.extend(
            f"{frame.id}: {problem}" for problem in contradictions(dataset.structures, frame.states, masks)
        )
    return found
