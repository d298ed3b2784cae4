"""A tiny sound dataset, and ways to spoil it: each says which kind of problem must be reported, and where."""

import csv
import json
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from PIL import Image

from agglo.data import DatasetWriter, FrameInfo, State
from agglo.data.masks import write_png
from agglo_runtime.images import read_image

STRUCTURES = ("bolus", "C1")
SOURCE = "p3"
"""A patient who is left alone, so that others can be given copies of what is theirs."""

Expected = tuple[str, str]
"""Kind of the problem, and a piece of where it must be said to be."""


class Folder:
    """A dataset's folder in the hands of a vandal."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def image(self, frame: str) -> Path:
        return self.path / "images" / f"{frame}.png"

    def mask(self, frame: str) -> Path:
        return self.path / "masks" / f"{frame}.png"

    def rows(self) -> tuple[list[str], list[dict[str, str]]]:
        with (self.path / "frames.csv").open(encoding="utf-8", newline="") as file:
            table = csv.DictReader(file)
            return list(table.fieldnames or []), list(table)

    def save(self, columns: list[str], rows: list[dict[str, str]]) -> None:
        columns = list(dict.fromkeys([*columns, *(column for row in rows for column in row)]))
        with (self.path / "frames.csv").open("w", encoding="utf-8", newline="") as file:
            table = csv.DictWriter(file, columns, restval="", lineterminator="\n")
            table.writeheader()
            table.writerows(rows)

    def cells(self, frame: str, cells: Mapping[str, str]) -> None:
        columns, rows = self.rows()
        next(row for row in rows if row["id"] == frame).update(cells)
        self.save(columns, rows)

    def line_of(self, frame: str) -> str:
        """Return how a frame's line is named, without its number, which changes when lines before it go."""
        return f"({frame})"

    # one frame

    def cell(self, frame: str, column: str, text: str, kind: str) -> Expected:
        self.cells(frame, {column: text})
        return kind, self.line_of(frame)

    def truncate_image(self, frame: str) -> Expected:
        content = self.image(frame).read_bytes()
        self.image(frame).write_bytes(content[: len(content) // 2])
        return "unreadable_image", f"images/{frame}.png"

    def garbage_image(self, frame: str) -> Expected:
        self.image(frame).write_bytes(b"this is no picture")
        return "unreadable_image", f"images/{frame}.png"

    def no_bytes_image(self, frame: str) -> Expected:
        self.image(frame).write_bytes(b"")
        return "unreadable_image", f"images/{frame}.png"

    def remove_image(self, frame: str) -> Expected:
        self.image(frame).unlink()
        return "missing_image", f"images/{frame}.png"

    def blank_image(self, frame: str) -> Expected:
        write_png(self.image(frame), np.full((20, 24), 7, np.uint8))
        return "blank_image", f"images/{frame}.png"

    def resize_image(self, frame: str) -> Expected:
        Image.open(self.image(frame)).resize((30, 30)).save(self.image(frame))
        return "video_size", f"images/{frame}.png"

    def copy_image_of_another_patient(self, frame: str, other: str) -> Expected:
        self.image(frame).write_bytes(self.image(other).read_bytes())
        return "duplicate_frame", f"images/{max(frame, other)}.png"

    def remove_mask(self, frame: str) -> Expected:
        self.mask(frame).unlink()
        return "missing_mask", f"masks/{frame}.png"

    def truncate_mask(self, frame: str) -> Expected:
        content = self.mask(frame).read_bytes()
        self.mask(frame).write_bytes(content[: len(content) // 2])
        return "unreadable_mask", f"masks/{frame}.png"

    def resize_mask(self, frame: str) -> Expected:
        page = read_image(self.mask(frame)).astype(np.uint16)
        write_png(self.mask(frame), page[:-3])
        return "mask_size", f"masks/{frame}.png"

    def strange_bit(self, frame: str) -> Expected:
        write_png(self.mask(frame), read_image(self.mask(frame)) | np.uint16(1 << 9))
        return "mask_value", f"masks/{frame}.png"

    def empty_mask(self, frame: str) -> Expected:
        write_png(self.mask(frame), np.zeros((20, 24), np.uint16))
        return "present_but_empty", self.line_of(frame)

    def absent_with_pixels(self, frame: str) -> Expected:
        return self.cell(frame, "state:C1", "absent", "absent_but_pixels")

    def pixels_without_state(self, frame: str) -> Expected:
        return self.cell(frame, "state:C1", "", "pixels_without_state")

    def same_id(self, frame: str) -> Expected:
        place = self.line_of(frame)
        columns, rows = self.rows()
        copy = {**next(row for row in rows if row["id"] == frame), "index": "77"}
        self.save(columns, [*rows, copy])
        assert place
        return "duplicate_id", f"({frame})"

    def more_cells(self, frame: str) -> Expected:
        place = self.line_of(frame)
        table = self.path / "frames.csv"
        lines = table.read_text().splitlines()
        lines = [line + (",more" if line.startswith(f"{frame},") else "") for line in lines]
        table.write_text("\n".join(lines) + "\n")
        return "torn_row", place

    def drop_row(self, frame: str) -> Expected:
        columns, rows = self.rows()
        self.save(columns, [row for row in rows if row["id"] != frame])
        return "image_without_row", f"images/{frame}.png"

    # the whole folder

    def orphan_mask(self) -> Expected:
        write_png(self.mask("nobody"), np.zeros((20, 24), np.uint16))
        return "orphan_mask", "masks/nobody.png"

    def extra_image(self) -> Expected:
        write_png(self.image("extra"), np.arange(480, dtype=np.uint16).reshape(20, 24))
        return "image_without_row", "images/extra.png"

    def unknown_column(self) -> Expected:
        columns, rows = self.rows()
        self.save([*columns, "state:tongue"], rows)
        return "unknown_structure", "frames.csv"

    def leaking_split(self) -> Expected:
        _, rows = self.rows()
        frames = [row["id"] for row in rows]
        parts = {"train": [f"{SOURCE}_f0"], "test": [frame for frame in frames if frame != f"{SOURCE}_f0"]}
        content = {"by": "patient", "seed": 0, "settings": {}, "dataset_fingerprint": "", "parts": parts}
        (self.path / "split.json").write_text(json.dumps(content))
        return "split_leak", f"split.json patient {SOURCE}"

    def broken_split(self) -> Expected:
        (self.path / "splits").mkdir()
        (self.path / "splits" / "mine.json").write_text("{")
        return "broken_json", "splits/mine.json"

    def broken_header(self) -> Expected:
        path = self.path / "dataset.json"
        path.write_text(path.read_text()[:-9])
        return "broken_json", "dataset.json"

    def format_of_the_future(self) -> Expected:
        self._header(format_version=99)
        return "header", "dataset.json"

    def unknown_group(self) -> Expected:
        self._header(groups={"moving": ["tongue"]})
        return "unknown_structure", "dataset.json"

    def rater_without_table(self) -> Expected:
        (self.path / "masks" / "ann" / "states.csv").unlink()
        return "rater", "masks/ann/states.csv"

    def latin_table(self) -> Expected:
        table = self.path / "frames.csv"
        table.write_bytes(table.read_bytes().replace(b"oral", b"or\xe4l"))
        return "broken_table", "frames.csv line 2"

    def _header(self, **changes: object) -> None:
        path = self.path / "dataset.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def _cell(column: str, text: str, kind: str) -> Callable[[Folder, str], Expected]:
    return lambda folder, frame: folder.cell(frame, column, text, kind)


ON_FRAME: dict[str, Callable[[Folder, str], Expected]] = {
    "truncated image": Folder.truncate_image,
    "garbage for an image": Folder.garbage_image,
    "image without bytes": Folder.no_bytes_image,
    "image gone": Folder.remove_image,
    "blank image": Folder.blank_image,
    "image of another size": Folder.resize_image,
    "mask gone": Folder.remove_mask,
    "truncated mask": Folder.truncate_mask,
    "mask of another size": Folder.resize_mask,
    "strange bit": Folder.strange_bit,
    "present but empty": Folder.empty_mask,
    "absent but pixels": Folder.absent_with_pixels,
    "pixels without a state": Folder.pixels_without_state,
    "zero spacing": _cell("spacing_row_mm", "0", "spacing"),
    "negative spacing": _cell("spacing_col_mm", "-0.4", "spacing"),
    "nan spacing": _cell("spacing_row_mm", "nan", "spacing"),
    "huge spacing": _cell("spacing_row_mm", "11", "spacing"),
    "minute spacing": _cell("spacing_row_mm", "0.001", "spacing"),
    "spacing as a word": _cell("spacing_col_mm", "half", "spacing"),
    "flat pixels": _cell("spacing_row_mm", "2.5", "spacing"),
    "spacing without a source": _cell("spacing_source", "none", "spacing"),
    "no frame rate": _cell("fps", "0", "fps"),
    "infinite frame rate": _cell("fps", "inf", "fps"),
    "unknown state": _cell("state:bolus", "maybe", "unknown_state"),
    "no patient": _cell("patient", "", "blank_cell"),
    "no index": _cell("index", "", "blank_cell"),
    "broken index": _cell("index", "1.5", "bad_index"),
    "place taken": lambda folder, frame: folder.cell(frame, "index", "0", "duplicate_place"),
    "impossible visibility": _cell("visible:C1", "7", "bad_visible"),
    "copy of another patient's": lambda folder, frame: folder.copy_image_of_another_patient(
        frame, f"{SOURCE}_f2"
    ),
    "same id twice": Folder.same_id,
    "row torn": Folder.more_cells,
    "row gone": Folder.drop_row,
}
"""Ways to spoil one frame."""

ON_FOLDER: dict[str, Callable[[Folder], Expected]] = {
    "orphan mask": Folder.orphan_mask,
    "image without a row": Folder.extra_image,
    "unknown structure": Folder.unknown_column,
    "patient in two parts": Folder.leaking_split,
    "broken split": Folder.broken_split,
    "broken header": Folder.broken_header,
    "future format": Folder.format_of_the_future,
    "unknown structure in a group": Folder.unknown_group,
    "rater's table gone": Folder.rater_without_table,
    "table in another encoding": Folder.latin_table,
}
"""Ways to spoil the folder, once each."""

HIDDEN_BY = {"broken header": {"future format", "unknown structure in a group", "rater's table gone"}}
"""What cannot be found because nothing is left of it."""

LAST = ("row torn", "broken header", "table in another encoding")
"""Ways after which the vandal can no longer write the file properly."""


def write_sound(path: Path, *, encoding: str = "bitfield", patients: int = 4) -> Folder:
    """Write three frames for each patient, and a rater who has seen two of them."""
    writer = DatasetWriter(
        path,
        name="sound",
        structures=STRUCTURES,
        groups={"moving": ("bolus",)},
        mask_encoding=encoding,
    )
    frames = [f"p{patient}_f{index}" for patient in range(patients) for index in range(3)]
    for number, frame in enumerate(frames):
        random = np.random.default_rng(number)
        masks = np.zeros((2, 20, 24), np.bool_)
        masks[0, 2:8, 3 : 9 + number % 3] = number % 3 > 0
        masks[1, 10:16, 5:15] = True
        info = FrameInfo(
            id=frame,
            patient=frame[:2],
            video="v0",
            index=number % 3,
            swallow="s0",
            spacing_mm=(0.5, 0.4),
            spacing_source="phantom",
            facts={"phase": "oral"},
        )
        states = (State.PRESENT if number % 3 else State.ABSENT, State.PRESENT)
        image = random.integers(0, 256, (20, 24), dtype=np.uint8)
        writer.add(info, image, masks, states)
        if number < 2:
            writer.add_rater(frame, "ann", masks, states)
    writer.finish()
    return Folder(path)
