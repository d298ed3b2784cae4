"""`agglo teachers` says of each what it is, what may restrict its student, which maps it has, and how to get its weights."""

import json

import pytest

from agglo.cli.catalogue import teachers


def test_each_teacher_is_told_in_full(capsys: pytest.CaptureFixture[str]) -> None:
    teachers()
    told = {
        block.split()[0]: block
        for block in capsys.readouterr().out.replace("\n  ", " |").split("\n")
        if block
    }
    assert "RESTRICTED: share-alike" in told["medsam2"]
    assert "(revision not pinned, sha256 not pinned)" in told["medsam2"]
    assert "map: fpn (stride-16 level of the feature pyramid); fpn-no-mem (" in told["sam2.1-l"]
    assert "212.70 M   1024 px -> 256x64x64" in told["sam2.1-l"]
    assert "RESTRICTED" not in told["sam2.1-l"]
    assert "summary 768" in told["rad-dino"]
    assert "map:" not in told["rad-dino"]
    assert "weights are here" in told["lab-sam"]
    assert "pinned" not in told["lab-sam"]
    assert "timm:NAME, hf:NAME_OR_FOLDER and python:MODULE:CALLABLE" in told["Beside"]


def test_programs_get_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    teachers(as_json=True)
    rows = {row["name"]: row for row in json.loads(capsys.readouterr().out)}
    assert rows["medclip"]["restriction"].startswith("its authors give no licence file")
    assert list(rows["sam-h"]["maps"]) == ["pre-neck", "neck"]
    assert rows["sam-h"]["summary_dim"] is None
