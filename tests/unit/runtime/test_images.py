"""Reading still pictures of every kind, and saying clearly which cannot be read."""

import struct
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from agglo_runtime.errors import ImageError
from agglo_runtime.images import list_images, read_image

GREY = np.array([[0, 128, 255], [10, 20, 30]], np.uint8)
DEEP = np.array([[0, 300], [40000, 65535]], np.uint16)

PICTURES = {  # name: (picture, expected)
    "grey": (Image.fromarray(GREY), GREY),
    "grey_in_colour": (Image.fromarray(np.stack([GREY] * 3, -1)), GREY),
    "alpha_is_dropped": (Image.fromarray(np.dstack([GREY, GREY, GREY, 255 - GREY])), GREY),
    "grey_with_alpha": (Image.merge("LA", [Image.fromarray(GREY), Image.fromarray(255 - GREY)]), GREY),
    "palette": (Image.fromarray(np.stack([GREY] * 3, -1)).quantize(8), GREY),
    "one_bit": (Image.fromarray(GREY > 100), np.where(GREY > 100, 255, 0).astype(np.uint8)),
    "sixteen_bit": (Image.fromarray(DEEP), DEEP),
}


@pytest.mark.parametrize(("picture", "expected"), PICTURES.values(), ids=PICTURES)
def test_read_image(picture: Image.Image, expected: np.ndarray, tmp_path: Path) -> None:
    picture.save(tmp_path / "a.png")
    read = read_image(tmp_path / "a.png")
    assert read.dtype == expected.dtype
    assert np.array_equal(read, expected)


def test_colour_becomes_luma(tmp_path: Path) -> None:
    Image.fromarray(np.array([[[255, 0, 0], [0, 255, 0], [0, 0, 255]]], np.uint8)).save(tmp_path / "a.png")
    assert read_image(tmp_path / "a.png").tolist() == [[76, 150, 29]]


def test_sixteen_bit_tiff(tmp_path: Path) -> None:
    Image.fromarray(DEEP).save(tmp_path / "a.tif")
    assert np.array_equal(read_image(tmp_path / "a.tif"), DEEP)


def _cut_off(path: Path) -> None:
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64), dtype=np.uint8)).save(path)
    path.write_bytes(path.read_bytes()[:1500])


def _text(path: Path) -> None:
    path.write_text("no picture")


def _empty(path: Path) -> None:
    path.write_bytes(b"")


def _animated(path: Path) -> None:
    pages = [Image.fromarray(GREY), Image.fromarray(255 - GREY)]
    pages[0].save(path, save_all=True, append_images=pages[1:])


def _astray(path: Path) -> None:
    """Write a TIFF whose first directory leads on to one without entries: Pillow ends with a TypeError."""
    Image.new("L", (50, 40)).save(path, format="TIFF")
    content = bytearray(path.read_bytes())
    (directory,) = struct.unpack_from("<I", content, 4)
    (entries,) = struct.unpack_from("<H", content, directory)
    struct.pack_into("<I", content, directory + 2 + 12 * entries, len(content) - 100)
    path.write_bytes(content)


def _floats(path: Path) -> None:
    Image.fromarray(GREY.astype(np.float32)).save(path, format="TIFF")


UNUSABLE = {  # name: (how to make the file, what the error says)
    "cut_off": (_cut_off, "must be a whole image file"),
    "text": (_text, "must be a whole image file"),
    "empty": (_empty, "must be a whole image file"),
    "two_frames": (_animated, "must hold one picture, it holds 2 frames"),
    "astray": (_astray, "must be a whole image file.*Missing dimensions"),
    "floats": (_floats, "must have whole-numbered grey values, it has floats"),
    "absent": (lambda path: None, "must be an image file, there is no such file"),
}


@pytest.mark.parametrize(("make", "text"), UNUSABLE.values(), ids=UNUSABLE)
def test_unusable_files_are_named(make, text: str, tmp_path: Path) -> None:
    path = tmp_path / "bad.png"
    make(path)
    with pytest.raises(ImageError, match=text) as caught:
        read_image(path)
    assert str(path) in str(caught.value)


def test_list_images_is_sorted_and_without_repeats(tmp_path: Path) -> None:
    for name in ("b.PNG", "a.jpg", "notes.txt", ".hidden.png"):
        (tmp_path / name).touch()
    (tmp_path / "inner").mkdir()
    listed = list_images([tmp_path, tmp_path / "a.jpg"])
    assert [path.name for path in listed] == ["a.jpg", "b.PNG"]


def test_list_images_names_every_problem(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "notes.txt").touch()
    with pytest.raises(ImageError) as caught:
        list_images([tmp_path / "empty", tmp_path / "notes.txt", tmp_path / "gone"])
    message = str(caught.value)
    assert "the folder holds no image" in message
    assert "notes.txt: not an image by its name" in message
    assert "gone: no such file or folder" in message


def test_list_images_of_nothing() -> None:
    with pytest.raises(ImageError, match="no path was given"):
        list_images([])
