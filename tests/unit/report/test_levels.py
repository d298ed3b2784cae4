"""What a run may have besides scores: ordered levels, raters, further test sets; each only where it is there."""

import json

from agglo.evaluate.agreement import Agreement, agreement_table
from agglo.evaluate.levels import LevelFrame, Outline, level_table
from agglo.evaluate.markdown import table_markdown
from agglo.report.page import page_of
from agglo.report.run_folder import read_run

TITLES = ("By outline and by level", "Further test sets", "Raters")


def test_sections_appear_only_where_there_is_something(make_run):
    folder = make_run()
    plain = page_of(read_run(folder))
    assert not any(title in plain for title in TITLES)
    path = folder / "evaluate" / "table.json"
    scores = json.loads(path.read_text())
    frames = [LevelFrame("f", "p", "s", {"C3": 1, "C4": None}, Outline(0.875, True, 2.0, 2.0))]
    more = {
        "ordered": level_table(frames, ["C3", "C4"]),
        "raters": agreement_table([Agreement("f", "p", "bolus", 0.625, 0.5)]),
    }
    further = folder / "evaluate" / "unit-b"
    further.mkdir()
    (further / "table.json").write_text(json.dumps({**scores, "split": "unit-b"}))
    path.write_text(json.dumps({**scores, **more}))
    page = page_of(read_run(folder))
    assert all(title in page for title in TITLES)
    for text in ("0.875", "+1 (1)", ">0.625<", ">unit-b<"):
        assert text in page
    written = table_markdown({**scores, **more})
    assert "| C3 | 0.000 | 0.000 | 1.000 | +1 (1) | 1 |" in written
    assert "| C4 | 0.000 | 1.000 | – | – | 1 |" in written
    assert "| bolus | 0.625 | 0.500 | 1 |" in written
