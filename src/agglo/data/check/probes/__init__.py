"""The checks themselves, each a small function that yields problems; to add one, write it and name it in one of these lists.

Three sorts: on what the folder states (`ON_SURVEY`), on the pixels of one frame (`ON_FRAME`), and on all frames together, of which
only digests are left (`ON_DATASET`). A probe need not guard itself: whatever it raises is reported with the file it was looking at.
"""

from collections.abc import Callable, Iterable, Sequence

from agglo.data.check.look import Digest, Look
from agglo.data.check.probes import duplicates, files, masks, raters, rows, splits, units, videos
from agglo.data.check.report import Problem
from agglo.data.check.survey import Survey

SurveyProbe = Callable[[Survey], Iterable[Problem]]
FrameProbe = Callable[[Look], Iterable[Problem]]
DatasetProbe = Callable[[Survey, Sequence[Digest]], Iterable[Problem]]

ON_SURVEY: tuple[SurveyProbe, ...] = (
    files.has_frames,
    files.pictures_without_row,
    files.orphan_masks,
    files.names_that_differ_in_case,
    rows.columns,
    rows.cells,
    rows.states,
    rows.places,
    rows.row_count,
    units.spacing,
    units.fps,
    masks.number_of_files,
    splits.split_files,
    raters.tables,
)
ON_FRAME: tuple[FrameProbe, ...] = (
    masks.sizes,
    masks.values,
    masks.contradictions,
    videos.blank,
)
ON_DATASET: tuple[DatasetProbe, ...] = (
    videos.sizes,
    videos.polarity,
    duplicates.pictures,
)
