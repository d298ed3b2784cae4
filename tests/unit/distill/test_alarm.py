"""The alarm: raised once for what lasts, silent about what passes, and the same after a resumption."""

from pathlib import Path
from typing import Any

import pytest
import torch

from agglo.core.errors import TrainingCollapsed
from agglo.core.runlog import RunLog, read_log
from agglo.distill.alarm import AlarmHook, Kind, alarms_of
from agglo.train import Outcome, Task
from agglo.train.hooks import State

STEPS = 200


def log_of(weights: list[float], cosines: list[float] | None = None) -> list[dict[str, object]]:
    """Return a log of two teachers, an entry every ten steps, from the weight and the cosine of the first."""
    cosines = cosines or [0.01 * place for place in range(len(weights))]
    return [
        {
            "step": 10 * (place + 1),
            "teachers": {
                "a": {"weight": weight, "cosine": cosine},
                "b": {"weight": 1 - weight, "cosine": 0.05 * place},
            },
        }
        for place, (weight, cosine) in enumerate(zip(weights, cosines, strict=True))
    ]


CASES = {  # name: (weights of a, cosines of a, what is raised: (kind, teacher, since))
    "uniform and flat": ([0.5] * 20, [0.3] * 20, []),
    "one for long": ([0.5] * 10 + [0.95] * 10, None, [("dominates", "a", 110)]),
    "one for a moment": ([0.5] * 17 + [0.95] * 3, None, []),
    "one, and back again": ([0.95] * 10 + [0.5] * 10, None, []),
    "the other": ([0.02] * 20, None, [("dominates", "b", 10)]),
    "little weight and no progress": ([0.2] * 20, [0.3] * 20, [("neglected", "a", 10)]),
    "little weight but progress": ([0.2] * 20, None, []),
    "nothing": ([], None, []),
}


@pytest.mark.parametrize(("weights", "cosines", "expected"), CASES.values(), ids=CASES)
def test_what_is_raised(
    weights: list[float], cosines: list[float] | None, expected: list[tuple[str, str, int]]
) -> None:
    found = alarms_of(log_of(weights, cosines), steps=STEPS)
    assert [(alarm.kind, alarm.teacher, alarm.step) for alarm in found] == expected


def test_nobody_of_many_dominates_with_an_equal_weight() -> None:
    """A floor of 0.05 for each of 22 teachers would leave less than nothing to be had."""
    teachers = {f"t{number}": {"weight": 1 / 22, "cosine": 0.3} for number in range(22)}
    log = [{"step": 10 * place, "teachers": teachers} for place in range(1, 21)]
    assert alarms_of(log, steps=STEPS) == []


def test_one_teacher_alone_raises_nothing() -> None:
    log = [{"step": 10 * place, "teachers": {"a": {"weight": 1.0, "cosine": 0.5}}} for place in range(1, 21)]
    assert alarms_of(log, steps=STEPS) == []


SCALES = (0.01, 1.0)  # of the losses of two teachers
BY_SCALE = {  # name: (weights, what is raised: (kind, teacher))
    "made up for": ((0.99, 0.01), []),
    "not made up for": ((0.5, 0.5), [("dominates", "b"), ("neglected", "a")]),
    "nothing is left to learn": ((0.0, 0.0), []),
}


@pytest.mark.parametrize(("weights", "expected"), BY_SCALE.values(), ids=BY_SCALE)
def test_weights_that_make_up_for_scale_are_judged_by_what_they_weigh(
    weights: tuple[float, float], expected: list[tuple[str, str]]
) -> None:
    teachers = {
        name: {"weight": weight, "loss": loss, "cosine": 0.3}
        for name, weight, loss in zip("ab", weights, SCALES, strict=True)
    }
    log = [{"step": 10 * place, "teachers": teachers} for place in range(1, 21)]
    found = alarms_of(log, steps=STEPS, is_by_scale=True)
    assert [(alarm.kind, alarm.teacher) for alarm in found] == expected


class Nothing(Task):
    """A task that nobody trains."""

    def forward(self, batch: Any, step: int) -> Outcome:
        raise AssertionError("nobody trains this")


def outcome(weight: float, step: int) -> Outcome:
    rising = step / 1000
    figures = {
        "a/weight": weight,
        "b/weight": 1 - weight,
        "a/cosine": rising,
        "b/cosine": rising,
        "a/loss": 1.0,
    }
    return Outcome(
        torch.tensor(1.0), {f"teachers/{name}": torch.tensor(value) for name, value in figures.items()}
    )


def write(log: RunLog, hook: AlarmHook, steps: range, weight: float) -> None:
    """Log steps as a training does, and let the hook look."""
    for step in steps:
        log.write(step=step, teachers=log_of([weight])[0]["teachers"])
        hook(State(Nothing(), STEPS, step=step), outcome(weight, step))


def test_an_alarm_is_told_once_also_after_a_resumption(tmp_path: Path) -> None:
    told: list[str] = []
    path = tmp_path / "log.jsonl"
    log = RunLog(path)
    write(log, AlarmHook(log, every=10, is_stopping=False, tell=told.append), range(10, 110, 10), 0.95)
    assert len(told) == 1
    assert told[0].startswith(
        "since step 10, the balancer gives nearly all weight to a: the others hardly count; try"
    )
    raised = [entry["alarm"] for entry in read_log(path) if "alarm" in entry]
    assert [{key: alarm[key] for key in ("kind", "teacher", "since")} for alarm in raised] == [
        {"kind": "dominates", "teacher": "a", "since": 10}
    ]
    assert raised[0]["words"] == told[0]
    log = RunLog(path, keep_until_step=100)
    write(log, AlarmHook(log, every=10, is_stopping=False, tell=told.append), range(110, 210, 10), 0.95)
    assert len(told) == 1


def test_only_the_kinds_that_count_are_told(tmp_path: Path) -> None:
    told: list[str] = []
    log = RunLog(tmp_path / "log.jsonl")
    kinds: list[Kind] = ["neglected"]
    hook = AlarmHook(log, every=10, is_stopping=True, tell=told.append, kinds=kinds)
    write(log, hook, range(10, 210, 10), 0.95)
    assert told == []


def test_a_recipe_may_ask_to_stop(tmp_path: Path) -> None:
    log = RunLog(tmp_path / "log.jsonl")
    hook = AlarmHook(log, every=10, is_stopping=True, tell=lambda text: None)
    with pytest.raises(
        TrainingCollapsed, match=r"no teacher may take over, but since step 10, .*last checkpoint is kept"
    ):
        write(log, hook, range(10, 210, 10), 0.99)
