"""Checks of pictures as such, and against others of their video."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence

from agglo.data.check.look import Digest, Look
from agglo.data.check.polarity import polarity_of
from agglo.data.check.report import Problem
from agglo.data.check.survey import Row, Survey

MIN_FRAMES = 5
"""Frames that a video must have to be judged alone."""


def blank(look: Look) -> Iterator[Problem]:
    """A picture shows something."""
    image, path = look.image, look.row.image
    if image is not None and path is not None and image.min() == image.max():
        yield Problem("blank_image", look.survey.relative(path), f"every pixel is {image.min()}")


def sizes(survey: Survey, digests: Sequence[Digest]) -> Iterator[Problem]:
    """All pictures of one video have one size: that of most."""
    for frames in _by_video(survey, digests).values():
        counts = Counter(digest.size for _, digest in frames if digest.size)
        if len(counts) < 2:
            continue
        usual = counts.most_common(1)[0][0]
        for row, digest in frames:
            if digest.size not in (None, usual) and row.image is not None:
                found = f"is {_words(digest.size)}, most of video {'/'.join(row.video)} is {_words(usual)}"
                yield Problem("video_size", survey.relative(row.image), found)


def polarity(survey: Survey, digests: Sequence[Digest]) -> Iterator[Problem]:
    """Pictures look as their polarity says: bone black unless `bone_white` is stated.

    Videos of at least five frames are judged one by one, shorter ones and stills together, since one picture may mislead.
    """
    groups: dict[str, list[tuple[Row, Digest]]] = defaultdict(list)
    for (patient, video), frames in _by_video(survey, digests).items():
        is_long = len(frames) >= MIN_FRAMES
        name = f"patient {patient}" + (f", video {video}" if video not in ("", patient) else "")
        for row, digest in frames:
            groups[name if is_long else f"stills {row.cell('polarity')}".strip()].append((row, digest))
    for name, frames in groups.items():
        stated = Counter(row.cell("polarity") or "bone_black" for row, _ in frames).most_common(1)[0][0]
        figures = [digest.polarity for _, digest in frames if digest.polarity is not None]
        look = polarity_of(figures)
        if look not in (None, stated):
            said = f"stated is {stated}" if frames[0][0].cell("polarity") else "nothing is stated"
            yield Problem("polarity", name, f"its {len(figures)} pictures look {look}, {said}")


def _by_video(survey: Survey, digests: Sequence[Digest]) -> dict[tuple[str, str], list[tuple[Row, Digest]]]:
    videos: dict[tuple[str, str], list[tuple[Row, Digest]]] = defaultdict(list)
    for digest in digests:
        row = survey.rows[digest.number]
        if not row.is_torn:
            videos[row.video].append((row, digest))
    return videos


def _words(size: tuple[int, int] | None) -> str:
    return "unread" if size is None else f"{size[0]} x {size[1]}"
