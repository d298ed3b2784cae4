"""Absent structures with pixels are found in an open dataset, wherever its masks lie."""

from collections.abc import Callable
from pathlib import Path

import pytest

from agglo.data import Dataset, open_dataset
from agglo.data.absent import absent_with_pixels
from agglo.data.masks import KINDS

MakeDataset = Callable[..., Dataset]


def absent_in(folder: Path, lines: list[int]) -> Dataset:
    """Call the last structure (C1) absent in `lines` of the frame table, whatever its mask holds."""
    table = folder / "frames.csv"
    rows = table.read_text().splitlines()
    column = rows[0].split(",").index("state:C1")
    for line in lines:
        cells = rows[line].split(",")
        cells[column] = "absent"
        rows[line] = ",".join(cells)
    table.write_text("\n".join(rows))
    return open_dataset(folder)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "index"])
def test_all_of_them_are_named(kind: str, make_dataset: MakeDataset, tmp_path: Path) -> None:
    make_dataset(encoding=kind)
    dataset = absent_in(tmp_path / "tiny", [1, 5])
    told: list[tuple[int, int]] = []
    found = absent_with_pixels(
        dataset, range(len(dataset)), progress=lambda done, total, note="": told.append((done, total))
    )
    if kind == "per_structure":  # the file of an absent structure is not read
        assert found == []
        return
    assert found == [
        f"frame {frame} (masks/{frame}.png): C1 is `absent`, so its mask must be empty, it is not; erase it or mend the state"
        for frame in ("p0_f0", "p1_f1")
    ]
    assert told == [(1, 2), (2, 2)]
    assert absent_with_pixels(dataset, [1, 2, 3]) == []
    assert absent_with_pixels(dataset.with_structures(["bolus"]), range(len(dataset))) == []


def test_a_mask_that_cannot_be_read_hides_no_other(make_dataset: MakeDataset, tmp_path: Path) -> None:
    make_dataset()
    dataset = absent_in(tmp_path / "tiny", [1, 5])
    (tmp_path / "tiny" / "masks" / "p0_f0.png").write_bytes(b"broken")
    broken, other = absent_with_pixels(dataset, range(len(dataset)))
    assert broken.startswith("frame p0_f0 (masks/p0_f0.png): ")
    assert "must be a whole image file" in broken
    assert other.startswith("frame p1_f1 ")
