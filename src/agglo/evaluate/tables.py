"""From cases to the table of a model: `table.json` as a dict.

Figures are averaged frame -> swallow -> patient -> structure -> mean; `miss_rate` and `specificity` are plain shares of frames.
What is unknown is None, and `notes` says why. Nothing is read from a model or a dataset here: the cases hold all.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from agglo.evaluate.aggregate import (
    Measure,
    dice_of,
    headline,
    mean_of_known,
    patient_matrix,
    structure_mean,
    structures_of,
)
from agglo.evaluate.bootstrap import MIN_PATIENTS, Interval, interval
from agglo.evaluate.cases import Case
from agglo.evaluate.scoring import ScoreRules

MEASURES: dict[str, Measure] = {
    "dice": dice_of,
    "nsd_1mm": lambda case: case.nsd_1mm,
    "nsd_2mm": lambda case: case.nsd_2mm,
    "hd95_px": lambda case: case.hd95_px,
    "hd95_penalised_px": lambda case: case.hd95_penalised_px,
}


def table(
    cases: Sequence[Case],
    *,
    split: str,
    groups: Mapping[str, Sequence[str]],
    teachers: Sequence[str],
    is_phantom: bool,
    rules: ScoreRules | None = None,
) -> dict[str, Any]:
    """Return the scores of one model as `table.json` holds them.

    Args:
        cases: of every frame of the split and every structure; all structures appear, scored or not.
        split: name of the part that was scored.
        groups: `moving` and `static` structures, as the dataset names them; either may be missing.
        teachers: names of those that made the model; empty for one trained on masks alone.
        is_phantom: the frames are synthetic; every table says so.
        rules: under which the cases were scored.
    """
    rules = rules or ScoreRules()
    counted = headline(cases, rules.headline_min_visible)
    rows = {name: _structure_row(name, cases, counted) for name in structures_of(cases)}
    notes: list[str] = []
    mean = _mean_row(rows, counted, groups, notes)
    notes += _case_notes(cases, counted, rows, rules)
    return {
        "split": split,
        "is_phantom": is_phantom,
        "mean": mean,
        "structures": rows,
        "num_frames": len({case.frame for case in cases}),
        "num_patients": len({case.patient for case in cases}),
        "hd95_mode": rules.hd95_mode,
        "teachers": list(teachers),
        "headline_min_visible": rules.headline_min_visible,
        "spacing_source": sorted({case.spacing_source for case in cases}),
        "notes": notes,
    }


def _structure_row(name: str, cases: Sequence[Case], counted: Sequence[Case]) -> dict[str, Any]:
    of_name = [case for case in cases if case.structure == name]
    scored = [case for case in counted if case.structure == name]
    absent = [case for case in of_name if case.false_area_px is not None]
    patients = sorted({case.patient for case in scored})
    return {
        **{key: structure_mean(scored, measure) for key, measure in MEASURES.items()},
        "dice_ci95": _as_list(interval([patient_matrix(scored, patients, [name])], keys=("structure", name))),
        "dice_any_visibility": structure_mean(of_name, dice_of),
        "miss_rate": _share([not case.is_detected for case in scored]),
        "specificity": _share([not case.is_detected for case in absent]),
        "false_area_px": structure_mean(absent, lambda case: case.false_area_px),
        "false_area_mm2": structure_mean(absent, lambda case: case.false_area_mm2),
        "num_frames": len(scored),
        "num_absent_frames": len(absent),
        "num_patients": len(patients),
    }


def _mean_row(
    rows: Mapping[str, Mapping[str, Any]],
    counted: Sequence[Case],
    groups: Mapping[str, Sequence[str]],
    notes: list[str],
) -> dict[str, Any]:
    scored = {name: row for name, row in rows.items() if row["num_frames"]}
    mean: dict[str, Any] = {key: _mean_of(scored, key) for key in (*MEASURES, "dice_any_visibility")}
    never = [name for name, row in scored.items() if row["miss_rate"] == 1.0]
    if never:
        mean["hd95_px"] = None
        notes.append(
            f"Mean hd95_px is null: {', '.join(never)} was never detected, and leaving it out would make the mean look better; "
            "see hd95_penalised_px."
        )
    patients = sorted({case.patient for case in counted})
    mean["dice_ci95"] = _as_list(interval([patient_matrix(counted, patients, list(scored))], keys=("mean",)))
    for group in ("moving", "static"):
        members = {name: scored[name] for name in groups.get(group, ()) if name in scored}
        mean[f"{group}_dice"] = _mean_of(members, "dice")
        if not members:
            notes.append(f"{group}_dice is null: the dataset names no {group} structure that was scored.")
    return mean


def _case_notes(
    cases: Sequence[Case], counted: Sequence[Case], rows: Mapping[str, Mapping[str, Any]], rules: ScoreRules
) -> list[str]:
    notes = []
    if not rules.has_distances:
        notes.append("HD95 and NSD are null: no distances were measured.")
    unscored = [name for name, row in rows.items() if not row["num_frames"]]
    if unscored:
        notes.append(
            f"No frame counts for {', '.join(unscored)}: nowhere present with a mask and at least "
            f"{rules.headline_min_visible:.0%} visible. They are in no mean."
        )
    few = [name for name, row in rows.items() if 0 < row["num_patients"] < MIN_PATIENTS]
    if few:
        num_patients = len({case.patient for case in counted})
        listed = "the mean and every structure" if num_patients < MIN_PATIENTS else ", ".join(few)
        notes.append(
            f"dice_ci95 is null for {listed}: an interval needs {MIN_PATIENTS} patients with a scored frame."
        )
    no_spacing = {case.frame for case in cases if case.spacing_source == "none"}
    if no_spacing:
        notes.append(
            f"{len(no_spacing)} of {len({case.frame for case in cases})} frames have no pixel spacing: "
            "figures in mm leave them out, and are null where none has any."
        )
    never_absent = [name for name, row in rows.items() if row["num_frames"] and not row["num_absent_frames"]]
    if never_absent:
        notes.append(
            f"specificity is null for {', '.join(never_absent)}: no frame is labelled as without it."
        )
    hollow = Counter(case.structure for case in cases if case.state == "present" and not case.is_scored)
    if hollow:
        listed = ", ".join(f"{name} ({count})" for name, count in hollow.items())
        notes.append(f"Called present but with an empty reference mask, so in no figure (frames): {listed}.")
    return notes


def _mean_of(rows: Mapping[str, Mapping[str, Any]], key: str) -> float | None:
    return mean_of_known(row[key] for row in rows.values())


def _share(truths: Sequence[bool]) -> float | None:
    return sum(truths) / len(truths) if truths else None


def _as_list(found: Interval | None) -> list[float] | None:
    return None if found is None else [found.low, found.high]
