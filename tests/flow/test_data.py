"""`agglo data` as a user meets it."""

import json
from pathlib import Path

from flow.command_line import agglo
from unit.data.spoiling import write_sound


def test_a_sound_folder_ends_well_and_a_spoilt_one_with_2(tmp_path: Path) -> None:
    folder = write_sound(tmp_path / "d")
    sound = agglo("data", "check", folder.path)
    assert sound.returncode == 0, sound.stderr
    assert sound.stdout.startswith("sound · native format · 4 patients, 4 videos, 4 swallows, 12 frames")
    assert sound.stdout.endswith("✓ no problem found.\n")
    assert max(map(len, sound.stdout.splitlines())) <= 120

    folder.resize_mask("p0_f1")
    folder.cells("p1_f2", {"spacing_row_mm": "0"})
    spoilt = agglo("data", "check", folder.path, "--json")
    assert spoilt.returncode == 2
    found = json.loads(spoilt.stdout)
    assert [each["kind"] for each in found["problems"]] == ["spacing", "mask_size"]
    assert found["num_errors"] == 2
    assert found["states"]["C1"]["present"] == 12
    assert "Traceback" not in spoilt.stderr


def test_a_split_is_made_looked_into_and_counted(tmp_path: Path) -> None:
    folder = write_sound(tmp_path / "d", patients=6).path
    words = ("data", "split", folder, "strata=[present:bolus]", "-o", folder / "split.json")
    made = agglo(*words, "--fractions", "0.5", "0.2", "0.3")
    assert made.returncode == 0, made.stderr
    assert "train 9 frames of 3 patients, val 3 frames of 1 patients, test 6 frames" in made.stdout
    checked = agglo("data", "check", folder)
    assert checked.returncode == 0, checked.stdout
    assert "SPLIT split.json" in checked.stdout
    refused = agglo(
        "data", "split", folder, "strata=[age]", "hold_out={unit: [a]}", "folds=2", "-o", "x.json"
    )
    assert refused.returncode == 2
    assert "both say what the test part is" in refused.stderr
