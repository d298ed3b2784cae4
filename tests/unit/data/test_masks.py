"""Masks in files and packed in memory."""

from pathlib import Path

import numpy as np
import pytest

from agglo.core.errors import DataError
from agglo.data.masks import MaskEncoding, mask_paths, pack, read_bits, unpack, write_masks, write_png

COUNTS = [0, 1, 12, 16, 17, 40]


def _masks(count: int, *, may_overlap: bool = True) -> np.ndarray:
    rng = np.random.default_rng(count)
    if may_overlap:
        return rng.random((count, 9, 11)) > 0.5
    labels = rng.integers(0, count + 1, (9, 11))
    return labels[None] == np.arange(1, count + 1)[:, None, None]


@pytest.mark.parametrize("count", COUNTS)
def test_packing_loses_nothing(count: int) -> None:
    masks = _masks(count)
    bits = pack(masks)
    assert bits.shape == (-(-count // 16), 9, 11)
    assert np.array_equal(unpack(bits, count), masks)


@pytest.mark.parametrize("count", [1, 12, 17])
@pytest.mark.parametrize("kind", ["bitfield", "per_structure", "index"])
def test_written_masks_come_back(kind: str, count: int, tmp_path: Path) -> None:
    masks = _masks(count, may_overlap=kind != "index")
    names = [f"s{k}" for k in range(count)]
    files = mask_paths(tmp_path, kind, "f0", names)
    write_masks(masks, kind, files)
    first = 1 if kind == "index" else 0
    encoding = MaskEncoding(kind, tuple(range(first, first + count)))
    assert np.array_equal(unpack(read_bits(files, encoding, 9, 11), count), masks)


@pytest.mark.parametrize("kind", ["bitfield", "index"])
def test_a_subset_is_read_from_its_own_channels(kind: str, tmp_path: Path) -> None:
    masks = _masks(20, may_overlap=kind == "bitfield")
    files = mask_paths(tmp_path, kind, "f0", [f"s{k}" for k in range(20)])
    write_masks(masks, kind, files)
    picked = [18, 3]
    shift = 1 if kind == "index" else 0
    bits = read_bits(files, MaskEncoding(kind, tuple(k + shift for k in picked)), 9, 11)
    assert np.array_equal(unpack(bits, 2), masks[picked])


def test_where_masks_lie() -> None:
    names = [f"s{k}" for k in range(17)]
    root = Path("d")
    assert mask_paths(root, "bitfield", "f", names) == [root / "masks/f.0.png", root / "masks/f.1.png"]
    assert mask_paths(root, "bitfield", "f", names[:16]) == [root / "masks/f.png"]
    assert mask_paths(root, "index", "f", names) == [root / "masks/f.png"]
    assert mask_paths(root, "per_structure", "f", names[:1]) == [root / "masks/s0/f.png"]


def test_no_file_gives_no_pixels() -> None:
    assert not read_bits((), MaskEncoding("bitfield", (0, 1)), 4, 5).any()
    assert not read_bits((None, None), MaskEncoding("per_structure", (0, 1)), 4, 5).any()


def test_index_masks_cannot_overlap(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="`index` masks cannot overlap and these do; use `bitfield`"):
        write_masks(np.ones((2, 3, 3), np.bool_), "index", [tmp_path / "a.png"])


def test_a_mask_of_another_size_is_named(tmp_path: Path) -> None:
    write_png(tmp_path / "a.png", np.zeros((4, 5), np.uint8))
    with pytest.raises(DataError, match=r"a\.png must be 8x10 like its image, it is 4x5"):
        read_bits([tmp_path / "a.png"], MaskEncoding("index", (1,)), 8, 10)
