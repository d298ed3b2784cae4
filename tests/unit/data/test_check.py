"""The full check, which reads pixels."""

import numpy as np

from agglo.data import open_dataset
from agglo.data.check import check_dataset
from agglo.data.masks import write_png
from agglo_runtime.images import read_image


def test_a_sound_dataset_has_no_problems(make_dataset) -> None:
    assert check_dataset(make_dataset()) == []


def test_every_problem_in_the_pixels_is_found(make_dataset) -> None:
    folder = make_dataset().folder
    (folder / "images" / "p0_f0.png").write_bytes(b"broken")
    write_png(folder / "images" / "p0_f1.png", np.full((20, 24), 7, np.uint8))
    write_png(folder / "masks" / "p0_f2.png", np.zeros((5, 5), np.uint16))
    write_png(folder / "masks" / "p1_f0.png", read_image(folder / "masks" / "p1_f0.png") & np.uint16(0b110))
    table = (folder / "frames.csv").read_text().splitlines()
    table[5] = table[5].replace(",present,present,present,", ",present,present,absent,")
    (folder / "frames.csv").write_text("\n".join(table))
    found = check_dataset(open_dataset(folder))
    assert len(found) == 5
    assert "must be a whole image file" in found[0]
    assert found[1] == "p0_f1: the picture must show something, every pixel is 7; remove the frame"
    assert "must be 20x24 like its image, it is 5x5" in found[2]
    assert found[3].startswith("p1_f0: bolus is `present`, so its mask must have pixels")
    assert found[4].startswith("p1_f1: C1 is `absent`, so its mask must be empty") or found[4].startswith(
        "p1_f0: C1 is"
    )
