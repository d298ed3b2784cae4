"""An alarm for agglomeration that no longer agglomerates: one teacher takes all the weight, or one is no longer learned from.

It is raised from what is logged and from nothing else, so that a resumed training, and a report, see the same. It is for
balancers that find their weights (not `balance.GIVEN`): who chose them, uniform or not, is not to be told of it. Of those that
make up for losses of different scale (`balance.BY_SCALE`), a teacher's share of the weighted loss is judged in place of its weight.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from agglo.core.errors import TrainingCollapsed
from agglo.core.runlog import RunLog, read_log
from agglo.distill.balance.learned import FLOOR
from agglo.train import Outcome
from agglo.train.hooks import State, nested

DOMINATES_OVER = 0.9
"""Share of the highest weight that a floor leaves to be had: with three teachers and a floor of 0.05, 0.81."""
AT_LEAST = 0.5
"""What a weight that dominates is over in any case: a floor for each of many teachers leaves less than that, or nothing."""
LONG = 0.1
"""Share of all steps for which something must last."""
LOOKS = 100
"""How often a training is looked at, about: a long log is not gone through at every entry."""
LEAST_ENTRIES = 5
"""Logged steps for which it must last, where the share is less."""
NEGLECTED_UNDER = 0.5
"""Share of the uniform weight under which a teacher is neglected."""
STALLED_UNDER = 0.01
"""Rise of a cosine, from the middle of what is logged to its end, under which a teacher is not learned from."""

Entry = Mapping[str, Any]
Kind = Literal["dominates", "neglected"]
KINDS: tuple[Kind, ...] = ("dominates", "neglected")


@dataclass(frozen=True)
class Alarm:
    """What is wrong with whom, since when."""

    kind: Kind
    teacher: str
    step: int

    def in_words(self) -> str:
        """Say it, and what to do."""
        found = {
            "dominates": f"the balancer gives nearly all weight to {self.teacher}: the others hardly count",
            "neglected": f"{self.teacher} has little weight, and the student no longer learns from it",
        }[self.kind]
        return f"since step {self.step}, {found}; try `distill.balance: uniform`"


def alarms_of(log: Sequence[Entry], *, steps: int, is_by_scale: bool = False) -> list[Alarm]:
    """Return the alarms of a log of stage 1, one at most for every kind and teacher; none without teachers, or with one alone.

    Args:
        log: entries `{step, teachers: {name: {weight, cosine}}}` in order; others are passed over.
        steps: of the whole training.
        is_by_scale: whether weights make up for losses of different scale; then entries have each teacher's `loss`, too.
    """
    looks = [_look(entry, is_by_scale=is_by_scale) for entry in log if "teachers" in entry]
    names = list(looks[-1].shares) if looks else []
    if len(names) < 2:
        return []
    found = [_dominates(looks, name, steps) for name in names]
    found += [_neglected(looks, name, steps) for name in names]
    return [alarm for alarm in found if alarm is not None]


class _Look(NamedTuple):
    """An entry of the log: how much each teacher counts, and how near the student is to it."""

    step: int
    shares: Mapping[str, float]
    cosines: Mapping[str, float]


def _look(entry: Entry, *, is_by_scale: bool) -> _Look:
    teachers = entry["teachers"]
    cosines = {name: each["cosine"] for name, each in teachers.items()}
    if not is_by_scale:
        return _Look(entry["step"], {name: each["weight"] for name, each in teachers.items()}, cosines)
    weighted = {name: each["weight"] * each["loss"] for name, each in teachers.items()}
    total = sum(weighted.values())
    shares = {name: each / total if total else 1 / len(weighted) for name, each in weighted.items()}
    return _Look(entry["step"], shares, cosines)


def _dominates(looks: Sequence[_Look], name: str, steps: int) -> Alarm | None:
    """Return an alarm where a share has stayed over the threshold for long, up to the end of the log."""
    highest = 1 - FLOOR * (len(looks[-1].shares) - 1)
    limit = max(AT_LEAST, DOMINATES_OVER * highest)
    stretch = _last_stretch(looks, lambda look: look.shares[name] > limit)
    return Alarm("dominates", name, stretch[0].step) if _is_long(stretch, steps) else None


def _neglected(looks: Sequence[_Look], name: str, steps: int) -> Alarm | None:
    """Return an alarm where a teacher of little share has not come closer in the second half of the stretch."""
    least = NEGLECTED_UNDER / len(looks[-1].shares)
    stretch = _last_stretch(looks, lambda look: look.shares[name] < least)
    if not _is_long(stretch, steps):
        return None
    cosines = [look.cosines[name] for look in stretch]
    half = len(cosines) // 2
    rise = sum(cosines[half:]) / (len(cosines) - half) - sum(cosines[:half]) / half
    return Alarm("neglected", name, stretch[0].step) if rise < STALLED_UNDER else None


def _last_stretch(looks: Sequence[_Look], holds: Callable[[_Look], bool]) -> Sequence[_Look]:
    """Return the looks at the end of the log for which something holds without a break."""
    first = len(looks)
    while first > 0 and holds(looks[first - 1]):
        first -= 1
    return looks[first:]


def _is_long(stretch: Sequence[_Look], steps: int) -> bool:
    return len(stretch) >= LEAST_ENTRIES and stretch[-1].step - stretch[0].step >= LONG * steps


class AlarmHook:
    """Looks at what has been logged, writes each alarm once into the log, says it aloud, and stops the training if asked to."""

    def __init__(
        self,
        log: RunLog,
        *,
        every: int,
        is_stopping: bool,
        tell: Callable[[str], None],
        kinds: Sequence[Kind] = KINDS,
        is_by_scale: bool = False,
    ) -> None:
        """Go on from what the log already holds.

        Args:
            log: of the training, which a `LogHook` writes before this hook is asked.
            every: steps between two entries.
            is_stopping: whether an alarm ends the training.
            tell: called with every new alarm in words.
            kinds: of alarms that count.
            is_by_scale: as for `alarms_of`.
        """
        self.kinds, self.is_by_scale = kinds, is_by_scale
        self.log, self.every, self.is_stopping, self.tell = log, every, is_stopping, tell
        self.entries = list(read_log(log.path)) if log.path.exists() else []
        self.raised = {
            (entry["alarm"]["kind"], entry["alarm"]["teacher"]) for entry in self.entries if "alarm" in entry
        }

    def __call__(self, state: State, outcome: Outcome) -> None:
        if state.step % self.every and not state.is_last and state.step != 1:
            return
        self.entries.append(
            {"step": state.step, **nested({name: float(value) for name, value in outcome.scalars.items()})}
        )
        if len(self.entries) % max(1, state.steps // self.every // LOOKS) and not state.is_last:
            return
        for alarm in alarms_of(self.entries, steps=state.steps, is_by_scale=self.is_by_scale):
            if alarm.kind not in self.kinds or (alarm.kind, alarm.teacher) in self.raised:
                continue
            self.raised.add((alarm.kind, alarm.teacher))
            told = {"kind": alarm.kind, "teacher": alarm.teacher, "since": alarm.step}
            self.log.write(step=state.step, alarm={**told, "words": alarm.in_words()})
            self.tell(alarm.in_words())
            if self.is_stopping:
                raise TrainingCollapsed(
                    f"no teacher may take over, but {alarm.in_words()} (`distill.on_collapse: stop`; the last checkpoint is kept)"
                )
