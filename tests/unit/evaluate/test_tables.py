"""Averages, the table's schema, and that no null goes unexplained."""

import json

import numpy as np
import pytest

from agglo.core.errors import RunFolderError
from agglo.evaluate.aggregate import dice_means, headline, patient_means, structure_mean
from agglo.evaluate.cases import Case, read_cases, write_cases
from agglo.evaluate.compare import compare
from agglo.evaluate.markdown import table_markdown
from agglo.evaluate.scoring import ScoreRules
from agglo.evaluate.tables import table

GROUPS = {"moving": ("bolus",), "static": ("C3", "C4")}


def scored(
    structure="bolus", *, patient="p0", swallow="s0", frame="f0", dice=0.8, visible=1.0, **others
) -> Case:
    is_miss = dice == 0.0
    values = {
        "hd95_px": None if is_miss else 4.0,
        "hd95_penalised_px": 100.0 if is_miss else 4.0,
        "nsd_1mm": 0.5 * dice,
        "nsd_2mm": dice,
        **others,
    }
    return Case(
        frame=frame,
        patient=patient,
        swallow=swallow,
        structure=structure,
        state="present",
        visible_fraction=visible,
        spacing_source="header",
        is_detected=not is_miss,
        is_scored=True,
        dice=dice,
        **values,
    )


def absent(structure="bolus", *, frame="f9", area=0) -> Case:
    return Case(
        frame=frame,
        patient="p0",
        swallow="s0",
        structure=structure,
        state="absent",
        visible_fraction=1.0,
        spacing_source="header",
        is_detected=area > 0,
        false_area_px=area,
        false_area_mm2=area * 0.25,
    )


def unlabelled(structure: str) -> Case:
    return Case("f0", "p0", "s0", structure, "unlabelled", 1.0, "header", True)


def make_table(cases, **others):
    settings = {"split": "test", "groups": GROUPS, "teachers": ["lab-sam"], "is_phantom": True, **others}
    return table(cases, **settings)


def many_patients(dice: float = 0.8, num_patients: int = 6) -> list[Case]:
    return [
        scored(name, patient=f"p{patient}", frame=f"p{patient}-f0", dice=dice + 0.01 * patient)
        for patient in range(num_patients)
        for name in ("bolus", "C3")
    ]


def test_the_table_has_the_promised_keys():
    found = make_table([*many_patients(), absent()])
    assert {
        "split",
        "mean",
        "structures",
        "num_frames",
        "num_patients",
        "hd95_mode",
        "teachers",
    } <= found.keys()
    means = {"dice", "nsd_2mm", "hd95_px", "hd95_penalised_px", "moving_dice", "static_dice"}
    assert means <= found["mean"].keys()
    row = {
        "dice",
        "dice_ci95",
        "nsd_2mm",
        "hd95_px",
        "hd95_penalised_px",
        "miss_rate",
        "specificity",
        "num_frames",
    }
    assert row <= found["structures"]["bolus"].keys()
    assert (found["num_frames"], found["num_patients"], found["hd95_mode"]) == (7, 6, "pooled")
    assert found["mean"]["dice"] == pytest.approx(0.825)
    low, high = found["structures"]["bolus"]["dice_ci95"]
    assert 0.8 < low < 0.825 < high < 0.85
    json.dumps(found, allow_nan=False)


def test_a_long_swallow_weighs_no_more_than_a_short_one():
    cases = [scored(frame=f"a{i}", swallow="s0", dice=0.2) for i in range(9)] + [
        scored(swallow="s1", dice=0.8)
    ]
    cases += [scored(patient="p1", frame="b0", dice=1.0)]
    assert patient_means(cases, lambda case: case.dice) == pytest.approx({"p0": 0.5, "p1": 1.0})
    assert structure_mean(cases, lambda case: case.dice) == pytest.approx(0.75)


def test_a_miss_never_improves_a_mean():
    hit, miss = (
        make_table([scored(frame="f0"), scored(frame="f1", dice=dice), scored("C3")])["mean"]
        for dice in (0.1, 0.0)
    )
    assert miss["dice"] < hit["dice"]
    assert miss["nsd_2mm"] < hit["nsd_2mm"]
    assert miss["hd95_penalised_px"] > hit["hd95_penalised_px"]


def test_a_structure_never_detected_leaves_the_mean_hd95_unknown_and_says_why():
    found = make_table([scored(dice=0.0), scored("C3")])
    assert found["structures"]["bolus"]["hd95_px"] is None
    assert found["structures"]["bolus"]["miss_rate"] == 1.0
    assert found["mean"]["hd95_px"] is None
    assert found["mean"]["hd95_penalised_px"] == 52.0
    assert any("bolus was never detected" in note for note in found["notes"])


def test_specificity_is_the_share_of_absent_frames_left_empty():
    cases = [scored(), absent(frame="a"), absent(frame="b"), absent(frame="c"), absent(frame="d", area=40)]
    row = make_table(cases)["structures"]["bolus"]
    assert row["specificity"] == 0.75
    assert row["false_area_px"] == 10
    assert row["num_absent_frames"] == 4
    assert make_table([scored()])["structures"]["bolus"]["specificity"] is None


def test_the_headline_leaves_out_what_cannot_be_seen():
    cases = [scored(dice=0.9), scored(frame="f1", dice=0.1, visible=0.2)]
    row = make_table(cases)["structures"]["bolus"]
    assert (row["dice"], row["num_frames"]) == (0.9, 1)
    assert row["dice_any_visibility"] == pytest.approx(0.5)
    everything = make_table(cases, rules=ScoreRules(headline_min_visible=0.0))
    assert everything["structures"]["bolus"]["dice"] == pytest.approx(0.5)


def test_the_groups_have_their_means():
    mean = make_table([scored(dice=0.4), scored("C3", dice=0.6), scored("C4", dice=0.8)])["mean"]
    assert (mean["moving_dice"], mean["static_dice"]) == pytest.approx((0.4, 0.7))
    without = make_table([scored()], groups={})
    assert without["mean"]["moving_dice"] is None
    assert any(note.startswith("moving_dice is null") for note in without["notes"])


FEW_OF_MANY = [scored(patient=f"p{n}", frame=f"p{n}-f0", visible=1.0 if n < 4 else 0.2) for n in range(6)]
NOTE_CASES = {  # name: (cases, words that a note must hold)
    "few patients": (
        [scored()],
        "dice_ci95 is null for the mean and every structure: an interval needs 5 patients",
    ),
    "few patients who count": (FEW_OF_MANY, "dice_ci95 is null for the mean and every structure"),
    "unlabelled": ([scored(), unlabelled("C7")], "No frame counts for C7"),
    "no spacing": ([scored(nsd_1mm=None, nsd_2mm=None)], "1 of 1 frames have no pixel spacing"),
    "nowhere absent": ([scored()], "specificity is null for bolus"),
}


@pytest.mark.parametrize(("cases", "words"), NOTE_CASES.values(), ids=NOTE_CASES)
def test_every_null_is_explained(cases, words):
    if "spacing" in words:
        cases = [Case(**{**vars(case), "spacing_source": "none"}) for case in cases]
    assert any(words in note for note in make_table(cases)["notes"])


def test_a_structure_that_nobody_labelled_is_a_row_but_in_no_mean():
    found = make_table([scored(dice=0.5), unlabelled("C7")])
    assert found["structures"]["C7"]["dice"] is None
    assert found["structures"]["C7"]["num_frames"] == 0
    assert found["mean"]["dice"] == 0.5


def test_nothing_to_score_gives_a_table_of_nulls():
    found = make_table([])
    assert found["structures"] == {}
    assert found["mean"]["dice"] is None
    assert "| **mean** | – |" in table_markdown(found)


def test_without_distances_nothing_is_called_undetected():
    bare = {"hd95_px": None, "hd95_penalised_px": None, "nsd_1mm": None, "nsd_2mm": None}
    found = make_table([scored(**bare)], rules=ScoreRules(has_distances=False))
    assert found["mean"]["hd95_px"] is None
    assert not any("never detected" in note for note in found["notes"])
    assert "HD95 and NSD are null: no distances were measured." in found["notes"]


def test_the_mean_dice_alone_is_the_tables():
    cases = [
        *many_patients(),
        scored(frame="hidden", dice=0.1, visible=0.2),
        scored(patient="p1", swallow="s1", frame="more", dice=0.3),
        absent(area=9),
        unlabelled("C7"),
    ]
    found = make_table(cases)
    mean, by_structure = dice_means(cases, 0.5)
    assert mean == found["mean"]["dice"]
    assert by_structure == {name: row["dice"] for name, row in found["structures"].items()}
    assert by_structure["C7"] is None
    assert dice_means([unlabelled("C7")], 0.5) == (None, {"C7": None})


def test_markdown_names_what_must_be_named():
    text = table_markdown(make_table([*many_patients(), absent()]))
    assert text.startswith("# PHANTOM (synthetic patients): scores on the test split\n")
    for words in (
        "Research use only, not a medical device.",
        "6 patients",
        "Teachers: lab-sam",
        "HD95 mode: pooled",
    ):
        assert words in text
    assert "| bolus | 0.825 | 0.8" in text
    real = table_markdown(make_table(many_patients(), is_phantom=False, teachers=[]))
    assert "PHANTOM" not in real
    assert "Teachers: none (masks alone)" in real


def test_the_file_of_cases_gives_back_what_was_written(tmp_path):
    cases = [scored(dice=0.5), scored(dice=0.0, frame="f1"), absent(area=3), unlabelled("C7")]
    write_cases(tmp_path / "cases.csv", cases)
    assert read_cases(tmp_path / "cases.csv") == cases


def test_a_kept_case_counts_where_the_case_itself_does(tmp_path):
    cases = [scored(visible=0.5 - 1e-9, dice=1 / 3), scored(visible=0.5, frame="f1")]
    write_cases(tmp_path / "cases.csv", cases)
    assert len(headline(read_cases(tmp_path / "cases.csv"), 0.5)) == len(headline(cases, 0.5)) == 1


def test_a_row_that_is_cut_short_is_not_read_as_unknown(tmp_path):
    path = tmp_path / "cases.csv"
    write_cases(path, [scored()])
    path.write_text(path.read_text().rsplit(",", 4)[0])
    with pytest.raises(RunFolderError, match=r"4 cells.*(?s:.)*line 2, nsd_1mm: None"):
        read_cases(path)


def test_a_damaged_file_of_cases_names_every_bad_cell(tmp_path):
    path = tmp_path / "cases.csv"
    write_cases(path, [scored(), absent()])
    lines = path.read_text().splitlines()
    lines[1] = lines[1].replace("0.8", "high", 1)
    lines[2] = lines[2].replace("absent,1.0,", "absent,,")
    path.write_text("\n".join(lines))
    with pytest.raises(
        RunFolderError, match=r"(?s)2 cells.*line 2, dice: 'high'.*line 3, visible_fraction: ''"
    ):
        read_cases(path)
    path.write_text("frame,patient\n")
    with pytest.raises(RunFolderError, match=r"lacks \['swallow', 'structure'"):
        read_cases(path)
    with pytest.raises(RunFolderError, match=r"must hold none.csv"):
        read_cases(tmp_path / "none.csv")


COMPARE_CASES = {  # name: (ours, theirs, verdict)
    "better": (many_patients(0.8), many_patients(0.6), "better"),
    "worse": (many_patients(0.6), many_patients(0.8), "worse"),
    "the same": (many_patients(0.8), many_patients(0.8), "no difference shown"),
    "too few": (
        many_patients(0.8, 2),
        many_patients(0.2, 2),
        "too few patients to say (2; at least 5 are needed)",
    ),
}


@pytest.mark.parametrize(("ours", "theirs", "verdict"), COMPARE_CASES.values(), ids=COMPARE_CASES)
def test_comparison_is_paired_and_honest(ours, theirs, verdict):
    found = compare(ours, theirs)
    assert found is not None
    assert found.verdict == verdict
    assert found.difference == pytest.approx(
        np.mean([a.dice - b.dice for a, b in zip(ours, theirs, strict=True)])
    )


def test_models_scored_on_other_cases_cannot_be_compared():
    with pytest.raises(
        RunFolderError, match=r"only be compared on the same cases, but 2 were scored for the first alone"
    ):
        compare(many_patients(), many_patients()[2:])
    assert compare([], []) is None
