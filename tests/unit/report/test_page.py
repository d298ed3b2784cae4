"""The page holds what it promises, opens on its own, says PHANTOM where it must, and never breaks for a part that is missing."""

import json
import re
import shutil
from html.parser import HTMLParser

import pytest

from agglo.core.errors import RunFolderError
from agglo.report.page import write_report

MAX_BYTES = 5_000_000


class WellFormed(HTMLParser):
    """Fails on a tag that is not closed in turn."""

    VOID = ("img", "meta", "br", "hr", "link")

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []

    def handle_starttag(self, tag, attrs):
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        pass

    def handle_endtag(self, tag):
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag


def report_of(folder) -> str:
    text = write_report(folder).read_text(encoding="utf-8")
    parser = WellFormed()
    parser.feed(text)
    assert parser.open == []
    assert len(text.encode()) < MAX_BYTES
    assert not re.search(r"""(src|href)=["'](?!data:|#)""", text), "the page must open without a network"
    assert "Research use only, not a medical device." in text
    return text


def test_a_whole_run(make_run):
    folder = make_run()
    text = report_of(folder)
    assert text == report_of(folder), "the same run gives the same page"
    assert "<title>PHANTOM: run · Agglo</title>" in text
    for name in ("bolus", "C7", "lab-sam", "lab-dino", "lab-clip"):
        assert f">{name}<" in text
    for words in (
        "the same wall time",
        "paired by patient",
        "95% interval",
        "masks of random scenes",
        "Apache-2.0",
        "4.1 M",
        "repvit",
        "512 px",
        "5.48 M",
        "ceiling Dice",
        "0.953",
        "sha256 d8d5901f6e2c…",
    ):
        assert words in text
    for rank in ("best", "median", "worst"):
        assert f'class="rank {rank}"' in text
    assert text.count('class="predicted"') > 30
    assert text.count('class="map"') == 12
    assert "torch" in text
    assert "agglo run recipe.yaml" in text


def test_a_phantom_run_that_has_seen_real_images_does_not_call_them_synthetic(make_run):
    folder = make_run()
    assert "All frames are synthetic" in report_of(folder)
    (folder / "CONTAINS_PATIENT_DATA").touch()
    text = report_of(folder)
    assert "All frames are synthetic" not in text
    assert "treat this as patient data" in text


def test_foreign_text_is_escaped(make_run):
    folder = make_run()
    assert "name: fake &lt;run&gt;" in report_of(folder)
    path = folder / "evaluate" / "teachers.json"
    teachers = json.loads(path.read_text())
    teachers[0]["licence"] = "<script>alert(1)</script>"
    path.write_text(json.dumps(teachers))
    text = report_of(folder)
    assert "<script" not in text
    assert "&lt;script&gt;" in text


MISSING = {  # name: (switches, words that must stand on the page, words that must not)
    "no supervised arm": (
        {"has_supervised": False},
        "There is no arm trained on masks alone in this run, so it does not show what distilling adds.",
        "Dice, masks alone",
    ),
    "no teachers": ({"teachers": ()}, "No teacher took part in this run.", "lab-sam"),
    "no pictures": (
        {"has_pictures": False},
        "No frames are shown: the run holds no evaluate/pictures.npz",
        "image/png",
    ),
    "no maps": ({"has_pictures": False}, "No feature maps are shown", 'class="map"'),
    "no logs": ({"has_logs": False}, "no distillation log", 'class="panel"'),
    "nothing but scores": (
        {"has_logs": False, "has_facts": False, "has_pictures": False},
        "The run holds no recipe.yaml.",
        "agglo run",
    ),
    "teachers without facts": ({"has_facts": False}, "not stated", "Apache-2.0"),
    "no spacing": (
        {"spacing_mm": None},
        "12 of 12 frames have no pixel spacing",
        "Pixel spacing comes from: header",
    ),
    "few patients": (
        {"num_patients": 2},
        "too few patients to say (2; at least 5 are needed)",
        "no difference shown",
    ),
    "one structure": ({"structures": ("lumen",)}, "over 1 structure.", "over 1 structures"),
    "seventeen structures": (
        {"structures": tuple(f"T{i}" for i in range(17))},
        "over 17 structures",
        "bolus",
    ),
    "no structure": (
        {"structures": ()},
        "The dataset has no labelled structure, so nothing was scored.",
        "NaN",
    ),
    "real data": ({"is_phantom": False}, "treat it as patient data", "PHANTOM"),
    "real data without pictures": (
        {"is_phantom": False, "has_pictures": False},
        "This file shows no frames.",
        "treat it as patient data",
    ),
}


@pytest.mark.parametrize(("switches", "words", "not_words"), MISSING.values(), ids=MISSING)
def test_what_is_missing_becomes_a_sentence(make_run, switches, words, not_words):
    text = report_of(make_run(**switches))
    assert words in text
    assert not_words not in text


def test_arms_that_were_scored_on_other_frames_are_not_compared(make_run):
    folder = make_run()
    path = folder / "evaluate" / "supervised" / "cases.csv"
    path.write_text("\n".join(path.read_text().splitlines()[:-5]) + "\n")
    assert (
        "The arm on masks alone cannot be compared: two models can only be compared on the same cases"
        in report_of(folder)
    )


def test_a_light_decoder_is_held_against_the_one_that_taught_it(make_run):
    folder = make_run()
    shutil.copytree(folder / "evaluate" / "supervised", folder / "evaluate" / "light")
    text = report_of(folder)
    assert "The distilled student with the light decoder reaches <strong>" in text
    (ours,) = re.findall(r"Difference, paired by patient: ([+−-])(\d\.\d+)", text)
    (light,) = re.findall(r"Light minus one-pass, paired by patient: ([+−-])(\d\.\d+)", text)
    assert ours[0] != light[0]
    assert ours[1] == light[1]


def test_unequal_wall_times_are_called_so(make_run):
    folder = make_run()
    path = folder / "supervised" / "stage.json"
    path.write_text(json.dumps({"facts": {"wall_s": 100.0}}))
    assert (
        "for another wall time (100 s, against 8.9 min for extracting, distilling and aligning: not an equal match)"
        in report_of(folder)
    )


def test_what_a_loss_may_be_is_drawn_behind_its_curve_and_told(make_run):
    folder = make_run()
    text = report_of(folder)
    told = "What a loss may be: a perfect prediction has 0; one of zeros 0.942 (dashed); trainings that explain half to nine tenths"
    assert told in text
    assert "end at 0.051 to 0.287 (grey)." in text
    assert 'aria-label="Directions that the embedding uses"' in text
    stage = folder / "distill" / "stage.json"
    content = json.loads(stage.read_text())
    content["facts"]["expected_loss"] |= {"zero": None, "typical": None}
    stage.write_text(json.dumps(content))
    without = report_of(folder)
    assert "What a loss may be: a perfect prediction has 0." in without
    assert len(without) < len(text)


def test_a_run_of_an_older_version_says_nothing_of_either(make_run):
    folder = make_run()
    stage, log = folder / "distill" / "stage.json", folder / "distill" / "log.jsonl"
    content = json.loads(stage.read_text())
    del content["facts"]["expected_loss"]
    stage.write_text(json.dumps(content))
    entries = [json.loads(line) for line in log.read_text().splitlines()]
    log.write_text("".join(json.dumps({**entry, "embedding": {}}) + "\n" for entry in entries))
    text = report_of(folder)
    assert "What a loss may be" not in text
    assert "Directions that the embedding uses" not in text


def test_a_collapse_stands_at_the_head_of_the_page(make_run):
    folder = make_run()
    assert "hardly count" not in report_of(folder)
    with (folder / "distill" / "log.jsonl").open("a") as log:
        log.write(
            json.dumps(
                {"step": 400, "alarm": {"words": "lab-sam has all the weight: the others hardly count"}}
            )
            + "\n"
        )
    with (folder / "align" / "log.jsonl").open("a") as log:
        log.write(json.dumps({"step": 90, "alarm": {"words": "lab-dino has it in the joint stage"}}) + "\n")
    head = report_of(folder).partition("<main>")[0]
    assert "Distillation: </strong>lab-sam has all the weight: the others hardly count" in head
    assert "Alignment: </strong>lab-dino has it in the joint stage" in head


def test_a_run_without_scores_is_refused(tmp_path):
    with pytest.raises(RunFolderError, match=r"needs evaluate/table.json.*run the evaluation first"):
        write_report(tmp_path)


@pytest.mark.parametrize(
    "name", ["evaluate/pictures.npz", "evaluate/features.npz", "evaluate/table.json", "environment.json"]
)
def test_a_damaged_file_is_named(make_run, name):
    folder = make_run()
    (folder / name).write_bytes(b"{ half")
    with pytest.raises(RunFolderError, match=name.split("/")[-1]):
        write_report(folder)
