"""Looking for pixels of structures that are called absent, in frames that will be learned from or scored.

`check` looks for everything that is wrong with a folder; this is the one contradiction that scoring refuses, looked for in an open
dataset before anything is trained.
"""

from collections.abc import Sequence

from agglo.core.errors import AggloError
from agglo.core.progress import Progress, silent
from agglo.data.dataset import Dataset, Frame
from agglo.data.raters import MAJORITY
from agglo.data.states import State
from agglo.data.write import contradictions


def absent_with_pixels(dataset: Dataset, indices: Sequence[int], *, progress: Progress = silent) -> list[str]:
    """Return one line for each structure that is absent in a frame of `indices` and has pixels there, and for each unreadable mask.

    Only masks of frames in which something is absent are read.
    """
    doubtful = [index for index in indices if _may_contradict(dataset, index)]
    found: list[str] = []
    for done, index in enumerate(doubtful, start=1):
        frame = dataset.frames[index]
        states = [state if state is State.ABSENT else State.UNLABELLED for state in frame.states]
        try:
            lines = contradictions(dataset.structures, states, dataset.masks(index))
        except AggloError as problem:
            lines = [str(problem)]
        found.extend(f"{_place(dataset, frame)}: {line}" for line in lines)
        progress(done, len(doubtful), "masks with absent structures")
    return found


def _may_contradict(dataset: Dataset, index: int) -> bool:
    """Return whether a frame has masks that could hold pixels of an absent structure; a file of its own is never read."""
    frame, header = dataset.frames[index], dataset.header
    if State.ABSENT not in frame.states:
        return False
    if header.reference == MAJORITY:
        return True
    return header.encoding.kind != "per_structure" and bool(frame.mask_files)


def _place(dataset: Dataset, frame: Frame) -> str:
    files = [file.relative_to(dataset.folder).as_posix() for file in frame.mask_files if file is not None]
    return f"frame {frame.id} ({', '.join(files)})" if files else f"frame {frame.id}"
