"""Patients dealt so that every part is like the others, held-out units, folds, and splits as files of their own."""

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agglo.core.errors import DataError
from agglo.data import Dataset, DatasetWriter, FrameInfo, Split, State, open_dataset
from agglo.data.split_files import adopt_split, save_split
from agglo.data.splits import load_split
from agglo.data.strata import Dealing, deal, dealt_units


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """Return two frames each of 30 patients of three units; every fifth has a bolus, every third is a man."""
    folder = tmp_path_factory.mktemp("strata")
    writer = DatasetWriter(folder, name="d", structures=("bolus",))
    image, mask = np.arange(4, dtype=np.uint8).reshape(2, 2), np.ones((1, 2, 2), np.bool_)
    for patient in range(30):
        facts = {"sex": "m" if patient % 3 == 0 else "f", "unit": "abc"[patient // 5 % 3]}
        for index in range(2):
            info = FrameInfo(f"p{patient:02}_{index}", f"p{patient:02}", "v", index, facts=facts)
            has_bolus = index == 1 and patient % 5 == 0
            state = State.PRESENT if has_bolus else State.ABSENT
            writer.add(info, image, mask if has_bolus else None, (state,))
    writer.finish()
    return open_dataset(folder)


def _patients(dataset: Dataset, split: Split, part: str) -> set[str]:
    return {dataset.frames[number].patient for number in split[part]}


def _share(dataset: Dataset, split: Split, part: str, column: str, value: str) -> float:
    facts = {dataset.frames[number].patient: dataset.frames[number].facts for number in split[part]}
    return sum(each[column] == value for each in facts.values()) / len(facts)


@pytest.mark.parametrize("seed", range(5))
def test_strata_are_balanced_at_once(dataset: Dataset, seed: int) -> None:
    split = deal(dataset, Dealing(strata=("sex", "unit", "present:bolus")), seed=seed)
    assert [len(_patients(dataset, split, part)) for part in split] == [18, 3, 9]
    for part in ("train", "test"):
        assert _share(dataset, split, part, "sex", "m") == pytest.approx(1 / 3, abs=0.06)
        for unit in "abc":
            assert _share(dataset, split, part, "unit", unit) == pytest.approx(1 / 3, abs=0.12)
        with_bolus = sum(int(patient[1:]) % 5 == 0 for patient in _patients(dataset, split, part))
        assert with_bolus == {"train": 4, "test": 2}[part] or with_bolus == {"train": 3, "test": 2}[part]


def test_the_seed_decides(dataset: Dataset) -> None:
    dealing = Dealing(strata=("sex",))
    assert deal(dataset, dealing, seed=1) == deal(dataset, dealing, seed=1)
    assert deal(dataset, dealing, seed=1).parts != deal(dataset, dealing, seed=2).parts
    assert deal(dataset, dealing, seed=None) == deal(dataset, dealing, seed=None)


@settings(max_examples=40, deadline=None, derandomize=True, database=None)
@given(
    labels=st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from("xyz")), min_size=6, max_size=30),
    share=st.integers(1, 4),
)
def test_every_value_is_dealt_in_proportion(labels: list[tuple[str, str]], share: int) -> None:
    order = [f"u{number:02}" for number in range(len(labels))]
    values = {unit: (("one", one), ("two", two)) for unit, (one, two) in zip(order, labels, strict=True)}
    sizes = {"train": len(order) - share, "test": share}
    part_of = dealt_units(order, values, sizes)
    assert Counter(part_of.values()) == sizes
    for label in {label for each in values.values() for label in each}:
        units = [unit for unit in order if label in values[unit]]
        ideal = len(units) * share / len(order)
        assert abs(sum(part_of[unit] == "test" for unit in units) - ideal) < 2


def test_a_unit_can_be_held_out(dataset: Dataset) -> None:
    split = deal(dataset, Dealing(strata=("sex",), hold_out={"unit": ["b"]}), seed=3)
    units = {part: {dataset.frames[number].facts["unit"] for number in split[part]} for part in split}
    assert units == {"train": {"a", "c"}, "val": {"a", "c"}, "test": {"b"}}
    assert len(_patients(dataset, split, "test")) == 10
    assert len(_patients(dataset, split, "val")) == 3
    assert sum(map(len, split.parts.values())) == len(dataset)


def test_folds_take_turns(dataset: Dataset) -> None:
    splits = [deal(dataset, Dealing(strata=("unit",), folds=4, fold=fold), seed=0) for fold in range(4)]
    tested = [_patients(dataset, split, "test") for split in splits]
    assert sorted(map(len, tested)) == [7, 7, 8, 8]
    assert len(set.union(*tested)) == 30
    for split in splits:
        assert all(_share(dataset, split, "test", "unit", unit) > 0.2 for unit in "abc")
        assert not _patients(dataset, split, "train") & _patients(dataset, split, "test")


REFUSED = {  # name: (dealing, by, text)
    "column": (Dealing(strata=("age",)), "patient", r"must be of .*'present:bolus', 'sex'.* got \['age'\]"),
    "held_out_value": (Dealing(hold_out={"unit": ["z"]}), "patient", r"unit: must be of \['a', 'b', 'c'\], got 'z'"),
    "too_few": (
        Dealing(strata=("present:bolus",), min_per_stratum=2),
        "patient",
        "present:bolus=yes: every part must have at least 2, got train",
    ),
    "fold": (Dealing(folds=3, fold=3), "patient", r"`fold` must be in 0\.\.2"),
    "folds": (Dealing(folds=31), "patient", "at most the 30 patients"),
    "blocks": (Dealing(strata=("sex",)), "blocks", "must go with by=patient or by=video, got by=blocks"),
    "all_held_out": (Dealing(hold_out={"unit": ["a", "b", "c"]}), "patient", "there are 0"),
}  # fmt: skip


@pytest.mark.parametrize(("dealing", "by", "text"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_met(dataset: Dataset, dealing: Dealing, by: str, text: str) -> None:
    with pytest.raises(DataError, match=text):
        deal(dataset, dealing, by=by)


def test_a_minimum_that_is_met(dataset: Dataset) -> None:
    split = deal(dataset, Dealing(strata=("sex",), min_per_stratum=1))
    assert {dataset.frames[number].facts["sex"] for number in split["val"]} == {"m", "f"}


def test_a_file_is_adopted_though_labels_have_changed(dataset: Dataset, tmp_path: Path) -> None:
    made = deal(dataset, Dealing(strata=("sex",)), seed=5)
    save_split(made, tmp_path / "split.json", dataset)
    assert load_split(tmp_path / "split.json", dataset) == made
    other = dataset.with_structures(())
    adopted = adopt_split(tmp_path / "split.json", other)
    assert adopted.parts == made.parts
    assert (adopted.by, adopted.seed, adopted.dataset_fingerprint) == ("patient", 5, other.fingerprint)


def test_a_split_by_hand(dataset: Dataset, tmp_path: Path) -> None:
    ids = [frame.id for frame in dataset.frames]
    content = {"frames": {"train": ids[:40], "val": ids[40:44], "test": ids[44:]}}
    (tmp_path / "s.json").write_text(json.dumps(content))
    assert adopt_split(tmp_path / "s.json", dataset)["val"] == (40, 41, 42, 43)


MISFITS = {  # name: (parts from ids, texts)
    "unknown": (lambda ids: (ids[:40], ids[40:44], [*ids[44:], "x1"]), ["test: must name frames of d, it names x1"]),
    "left_out": (lambda ids: (ids[:40], ids[40:44], ids[46:]), ["p22_0, p22_1 is in none"]),
    "leak": (lambda ids: (ids[:41], ids[41:44], ids[44:]), ["patient p20 must be in one part only, it is in train and val"]),
    "twice": (lambda ids: ([*ids[:40], ids[0]], ids[40:44], ids[44:]), ["train: must name every frame once"]),
    "two": (lambda ids: ([*ids[:40], "x"], ids[40:44], ids[46:]), ["2 problems", "it names x", "p22_0"]),
}  # fmt: skip


@pytest.mark.parametrize(("parts", "texts"), MISFITS.values(), ids=MISFITS)
def test_files_that_do_not_fit(parts, texts: list[str], dataset: Dataset, tmp_path: Path) -> None:
    train, val, test = parts([frame.id for frame in dataset.frames])
    (tmp_path / "s.json").write_text(json.dumps({"frames": {"train": train, "val": val, "test": test}}))
    with pytest.raises(DataError) as caught:
        adopt_split(tmp_path / "s.json", dataset)
    for text in texts:
        assert text in str(caught.value)


BROKEN = {  # name: (content, text)
    "absent": (None, "there is no such file"),
    "no_json": ("{", "must be JSON"),
    "a_list": ("[]", "must have `frames`"),
    "numbers": ('{"frames": {"train": [1], "val": [], "test": []}}', "a list of frame ids"),
    "by": ('{"by": "eye", "frames": {"train": [], "val": [], "test": []}}', "`by` must be patient"),
}


@pytest.mark.parametrize(("content", "text"), BROKEN.values(), ids=BROKEN)
def test_files_that_are_no_splits(content: str | None, text: str, dataset: Dataset, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / "s.json").write_text(content)
    with pytest.raises(DataError, match=text):
        adopt_split(tmp_path / "s.json", dataset)
