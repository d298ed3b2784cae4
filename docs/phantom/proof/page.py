"""The page `docs/phantom/README.md`: words written by hand, and between markers what the script found.

No figure stands in the words; whatever stands between two markers is overwritten by the next run.
"""

import ast
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from proof.motion import MEASURES
from proof.transfer import READINGS

RULE_TESTS = "tests/unit/phantom/test_event_order.py"
YES_NO: Final = {True: "inside", False: "**outside**", None: "unknown"}
Figures = Mapping[str, Any]


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table in Markdown, the first column to the left and the others to the right."""
    lines = ["| " + " | ".join(head) + " |", "|---|" + "---:|" * (len(head) - 1)]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows])


def number(value: float | None, digits: int = 2) -> str:
    """Return a figure as text, or a dash for one that is unknown."""
    return "–" if value is None else f"{value:.{digits}f}"


def span(row: Figures, digits: int = 2) -> str:
    """Return the 5 to 95 % range as text."""
    return "–" if row["p05"] is None else f"{row['p05']:.{digits}f} to {row['p95']:.{digits}f}"


def _count(rows: Figures, key: str) -> str:
    judged = [row[key] for row in rows.values() if row[key] is not None]
    return f"{sum(judged)} of {len(judged)}"


def grey(figures: Figures) -> str:
    """Return the table of grey levels."""
    rows = figures["rows"]
    body = []
    for name, r in rows.items():
        digits = 1 if name.endswith("SD") else 0
        middle = f"{number(r['p25'], digits)} to {number(r['p75'], digits)}"
        same_rule = [number(r["real_measured"], digits), YES_NO[r["measured_inside"]]]
        by_eye = [number(r["real_listed"], digits), YES_NO[r["listed_inside"]]]
        body.append(
            [name, number(r["p50"], digits), middle, span(r, digits), *same_rule, *by_eye, str(r["n"])]
        )
    head = [
        "region",
        "phantom median",
        "middle half",
        "5 to 95 %",
        "real, same rule",
        "",
        "real, by eye",
        "",
        "patients",
    ]
    return (
        f"{figures['patients']} patients, {figures['frames_per_patient']} frames each; a figure a patient. *Inside* means that the "
        "real clip could be one of the phantom's patients: its figure lies between their 5 and 95 % quantiles. "
        f"Measured by the same rule {_count(rows, 'measured_inside')} are inside, "
        f"read off by eye {_count(rows, 'listed_inside')}.\n\n"
        f"{table(head, body)}\n\n![Grey levels of eight regions.](grey.png)"
    )


def _listed(value: Any) -> str:
    if isinstance(value, list | tuple):
        return f"{value[0]} to {value[1]}"
    return number(value)


def noise(figures: Figures) -> str:
    """Return the table of noise."""
    rows = figures["rows"]
    body = [
        [
            r["words"],
            number(r["p50"]),
            span(r),
            number(r["real_measured"]),
            YES_NO[r["measured_inside"]],
            _listed(r["real_listed"]),
            str(r["n"]),
        ]
        for r in rows.values()
    ]
    head = [
        "noise",
        "phantom median",
        "5 to 95 %",
        "real, same rule",
        "",
        "real, as first listed",
        "patients",
    ]
    return (
        f"{figures['patients']} patients, {figures['pictures']} successive pictures each; "
        f"{_count(rows, 'measured_inside')} inside.\n\n"
        f"{table(head, body)}\n\n![Radial power spectrum and correlations of the noise.](noise.png)"
    )


def motion(figures: Figures) -> str:
    """Return the table of kinematic measures."""
    rows = figures["rows"]
    body = [
        [
            about.words + ", " + about.unit,
            number(rows[name]["p05"]),
            number(rows[name]["p50"]),
            number(rows[name]["p95"]),
            f"{about.bounds[0]:g} to {about.bounds[1]:g}",
            about.about,
            "–" if rows[name]["share_inside"] is None else f"{100 * rows[name]['share_inside']:.1f} %",
            str(rows[name]["n"]),
        ]
        for name, about in MEASURES.items()
    ]
    head = ["measure", "5 %", "median", "95 %", "range", "range given for", "share inside", "swallows"]
    return f"{figures['swallows']} swallows, two a patient.\n\n{table(head, body)}\n\n![Twelve histograms.](motion.png)"


def rules_in(path: Path) -> list[str]:
    """Return the rules of order that a file of tests holds: the names in its `RULES`; none when there is no such file."""
    if not path.exists():
        return []
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and [t.id for t in node.targets if isinstance(t, ast.Name)] == [
            "RULES"
        ]:
            return [name.id for name in ast.walk(node.value) if isinstance(name, ast.Name)]
    return []


def rules(names: Sequence[str]) -> str:
    """Return the rules of order in words, and where they are tested."""
    if not names:
        return "*No tested rules were found.*"
    listed = "\n".join(f"{at}. {name.replace('_', ' ')}" for at, name in enumerate(names, start=1))
    return (
        f"Rules that every swallow keeps, held by `{RULE_TESTS}` on the outlines that are drawn:\n\n{listed}"
    )


def patches(figures: Figures) -> str:
    """Return the table of AUCs."""
    splits = ("within", "across: clip to other", "across: other to clip")
    body = [
        [
            name,
            row["words"],
            f"{row['side_mm']:.0f}",
            *("{:.3f} ({:.3f} to {:.3f})".format(*row[split]["auc"]) for split in splits),
        ]
        for name, row in figures["rows"].items()
    ]
    head = ["patches", "what is left in them", "side, mm", *splits]
    return (
        f"{figures['patients']} phantom patients, two real recordings, {figures['steps']} steps of training a cell. "
        "Intervals (95 %) are over real frames and phantom patients; none says what a third recording would give.\n\n"
        f"{table(head, body)}\n\n![AUC of each look and split.](patches.png)"
    )


def transfer(figures: Figures) -> str:
    """Return the table of Dice on the real clip."""
    body = [
        [
            part,
            str(row["pharynx"]["n"]),
            *(f"{number(row[name]['mean'], 3)} ({number(row[name]['median'], 3)})" for name in READINGS),
        ]
        for part, row in figures["rows"].items()
    ]
    head = ["frames", "number", *(f"{name}: mean (median)" for name in READINGS)]
    model = figures["model"]
    known = figures["trained_on_the_clip"]
    beside = ""
    if known:
        listed = ", ".join(f"{value:.3f} on the split *{name}*" for name, value in known.items())
        beside = (
            f"\n\nFor comparison, models trained on labelled frames of this very clip: {listed} (`results/`)."
        )
    return (
        f"Model `{model['name']}` (recipe of that name), student {model['student']} at {model['input_px']} px, "
        f"trained on phantoms alone: dataset {model['made_from'].get('dataset_fingerprint', 'unknown')}.\n\n"
        f"{table(head, body)}{beside}\n\n![Dice frame by frame.](transfer.png)"
    )


SHEETS: Final = {
    "patients": "Twelve phantom patients, each at another moment of a swallow.",
    "swallow": "One phantom swallow in order of time: as it is, and below with the outlines of its masks.",
    "odd": "Things that lie in the picture, then frames that are of no use (preset `hard`).",
}


def sheets(figures: Figures) -> str:
    """Return the pictures."""
    return "\n\n".join(f"{SHEETS[name]}\n\n![{SHEETS[name]}]({name}.png)" for name in figures["bytes"])


SECTIONS: Final[Mapping[str, Callable[[Figures], str]]] = {
    "grey": grey,
    "noise": noise,
    "motion": motion,
    "patches": patches,
    "transfer": transfer,
    "sheets": sheets,
}


def section(part: str, entry: Figures | None, *, latest: str) -> str:
    """Return what stands between the markers of a part; says so when it was skipped, tried out, or measured on another phantom."""
    if entry is None:
        return "*Not measured yet.*"
    figures = entry["figures"]
    if "skipped" in figures:
        return f"*Not measured: {figures['skipped']}.*"
    remarks = []
    if entry["inputs"]["effort"] < 1:
        remarks.append(
            f"*A trial with {100 * entry['inputs']['effort']:.0f} % of the work: not a result.*\n\n"
        )
    if entry["phantom"] not in ("", latest):
        remarks.append("*Measured on an earlier state of the phantom than the latest part of this page.*\n\n")
    return "".join(remarks) + SECTIONS[part](figures)


def sections(results: Figures) -> dict[str, str]:
    """Return all sections: a pure function of the file of figures."""
    made = {
        part: section(part, results["parts"].get(part), latest=results.get("phantom", ""))
        for part in SECTIONS
    }
    return made | {"rules": rules(results.get("rules", [])), "state": state(results)}


def state(results: Figures) -> str:
    """Return which phantom, by what it draws, and which preset the latest figures are of."""
    if not results["parts"]:
        return "*Nothing was measured yet.*"
    presets = sorted({entry["inputs"]["preset"] for entry in results["parts"].values()})
    return (
        f"Measured: preset {', '.join(f'`{name}`' for name in presets)}, phantom `{results['phantom']}` (by what it draws). "
        "`python docs/phantom/prove.py --parts` says which parts were measured on another phantom than the one that is here."
    )


def filled(text: str, sections: Mapping[str, str]) -> str:
    """Return a page with all that stands between `<!-- proof: NAME -->` and `<!-- end -->` replaced; each section has one place."""
    for name, content in sections.items():
        pattern = re.compile(rf"(<!-- proof: {name} -->\n).*?(<!-- end -->)", flags=re.DOTALL)
        if len(pattern.findall(text)) != 1:
            raise ValueError(
                f"the page must have exactly one place `<!-- proof: {name} -->` … `<!-- end -->`; add it."
            )
        text = pattern.sub(lambda match, content=content: f"{match[1]}{content}\n{match[2]}", text)
    return text
