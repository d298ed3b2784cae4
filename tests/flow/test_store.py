"""`agglo store` as a user calls it: damage found, named, pruned, healed by extracting again; smaller columns; the picture."""

import json
import shutil
from pathlib import Path

import pytest
from PIL import Image

from flow.command_line import ROOT, agglo, agglo_here

SMALL = (
    "data.phantom={patients: 10, frames: 8, size_px: 128, seed: 3}",
    "teachers=[{name: lab-dino}, {name: lab-clip}]",
    "device.accelerator=cpu",
)
INT8 = ("teachers=[{name: lab-dino}]", "store={dtype: int8, pilot_views: 20}")


def extract(out: Path, *settings: str) -> None:
    done = agglo("extract", ROOT / "recipes" / "phantom-quick.yaml", f"out={out}", *SMALL, *settings)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("run")
    extract(out)
    return out


def test_damage_is_found_named_pruned_and_healed(tmp_path: Path) -> None:
    out = tmp_path / "run"
    extract(out, *INT8)
    store = out / "features"
    shard = store / "columns" / "lab-dino" / "features" / "c" / "1" / "0" / "0" / "0"
    sound = shard.read_bytes()
    assert agglo("store", "verify", store).returncode == 0
    shard.write_bytes(sound[:1000] + bytes([sound[1000] ^ 4]) + sound[1001:])
    found = agglo("store", "verify", store)
    assert found.returncode == 2
    assert "1 problems; `agglo store prune" in found.stderr
    assert "lab-dino: block 1: its features are not those that were written (flipped bits)" in found.stderr
    told = json.loads(agglo("store", "verify", store, "--json").stdout)
    assert [(each["kind"], each["column"], each["block"]) for each in told["problems"]] == [
        ("damaged", "lab-dino", 1)
    ]
    pruned = agglo("store", "prune", store)
    assert pruned.returncode == 0
    assert "removed  lab-dino: block 1" in pruned.stdout
    extract(out, *INT8)
    assert shard.read_bytes() == sound
    assert agglo("store", "verify", store).returncode == 0


def test_columns_are_made_smaller_and_told_of(run: Path, tmp_path: Path) -> None:
    store = tmp_path / "features"
    shutil.copytree(run / "features", store)
    made = agglo(
        "store", "requantise", store, "--dtype", "int8-zstd", "--pca", "48", "--column", "lab-dino", "--json"
    )
    assert made.returncode == 0, made.stderr
    (row,) = json.loads(made.stdout)
    assert row["column"] == "lab-dino-int8-zstd-pca48"
    assert 0.9 < row["cosine_mean"] < 1
    assert row["megabytes"] < row["megabytes_before"]
    rows = {
        each["teacher"]: each
        for each in json.loads(agglo("store", "info", store, "--json").stdout)["columns"]
    }
    assert rows["lab-dino-int8-zstd-pca48"]["clipped_mean"] < 1e-3
    assert rows["lab-dino-int8-zstd-pca48"]["codes"] == 48
    assert 1 < rows["lab-clip"]["spectrum"]["effective_rank"] < 384
    told = agglo("store", "info", store).stdout
    assert "codes a token (hadamard) keep" in told
    dropped = agglo("store", "prune", store, "--column", "lab-dino")
    assert "lab-dino: the whole column" in dropped.stdout
    assert "lab-dino-int8-zstd-pca48" in agglo("store", "info", store).stdout


def test_the_picture_is_drawn_and_its_answer_told(run: Path, tmp_path: Path) -> None:
    picture = tmp_path / "teachers.png"
    done = agglo("store", "info", run / "features", "--plot", picture, "--json")
    assert done.returncode == 0, done.stderr
    compared = json.loads(done.stdout)["compared"]
    assert compared["verdict"].startswith("Not linear in all the others")
    pair = compared["teachers"]["lab-dino"]["with"]["lab-clip"]
    assert pair["grid"] == 7
    assert -0.05 < pair["cka"] < 1
    with Image.open(picture) as drawn:
        assert drawn.width > 1000


REFUSED = {
    "dtype": (
        ("requantise", "--dtype", "int4"),
        "`--dtype` must be one of fp16, int8, int8-zstd, got 'int4'",
    ),
    "pca": (
        ("requantise", "--dtype", "int8", "--pca", "0"),
        "`--pca` must be a number of codes of at least 1",
    ),
    "name": (
        ("requantise", "--dtype", "int8", "--name", "x"),
        "`--name` names one new column beside the old one",
    ),
    "column": (("prune", "--column", "nobody"), "has no column 'nobody' (there are: lab-clip, lab-dino)"),
}


@pytest.mark.parametrize(("words", "text"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_done_is_said_in_one_sentence(run: Path, words: tuple[str, ...], text: str) -> None:
    verb, *rest = words
    done = agglo_here("store", verb, run / "features", *rest)
    assert done.returncode == 2
    assert text in done.stderr
    assert "Traceback" not in done.stderr
