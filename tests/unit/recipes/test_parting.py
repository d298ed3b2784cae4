"""From `data.split` of a recipe to parts."""

from pathlib import Path

import pytest

from agglo.config.load import validated
from agglo.config.split import SplitConfig
from agglo.core.errors import ConfigError, DataError
from agglo.data import open_dataset
from agglo.recipes.data import part
from agglo.recipes.parting import parted
from unit.data.spoiling import write_sound


def test_what_was_written_is_what_a_recipe_gets(tmp_path: Path) -> None:
    folder = write_sound(tmp_path / "d", patients=6).path
    config = SplitConfig(strata=("present:bolus",), seed=4)
    (told,) = part(folder, config, tmp_path / "s.json").values()
    given = parted(open_dataset(folder, structures=("C1",)), SplitConfig(file=tmp_path / "s.json"))
    assert given.parts == parted(open_dataset(folder), config).parts
    assert {name: len(given[name]) for name in given} == {name: each["frames"] for name, each in told.items()}


def test_every_fold_has_its_file(tmp_path: Path) -> None:
    folder = write_sound(tmp_path / "d", patients=6).path
    told = part(folder, SplitConfig(folds=3), tmp_path / "s.json")
    assert [path.name for path in told] == ["s-0.json", "s-1.json", "s-2.json"]
    assert [each["test"]["patients"] for each in told.values()] == [2, 2, 2]


def test_a_split_of_other_frames_is_refused(tmp_path: Path) -> None:
    part(write_sound(tmp_path / "d", patients=6).path, SplitConfig(), tmp_path / "s.json")
    other = open_dataset(write_sound(tmp_path / "e", patients=7).path)
    with pytest.raises(
        DataError, match="every frame of sound must be in a part, p6_f0, p6_f1, p6_f2 is in none"
    ):
        parted(other, SplitConfig(file=tmp_path / "s.json"))


DEALT = "go with `by: patient` or `by: video`, and mean nothing with `by: "
RANGES = {"train": [[0, 1]], "val": [[2, 3]], "test": [[4, 5]]}
CONFLICTS = {  # name: (settings, text)
    "file_and_more": ({"file": "s.json", "seed": 3}, "`file` is the whole split; leave out seed"),
    "blocks": ({"by": "blocks", "strata": ["sex"]}, f"`strata` {DEALT}blocks`; leave"),
    "a minimum in blocks": (
        {"by": "blocks", "min_per_stratum": 2},
        f"`min_per_stratum` {DEALT}blocks`; leave",
    ),
    "a minimum in time": (
        {"by": "time", "ranges": RANGES, "min_per_stratum": 2, "seed": 1},
        f"`seed`, `min_per_stratum` {DEALT}time`; leave",
    ),
    "fractions of time": (
        {"by": "time", "ranges": RANGES, "fractions": [0.5, 0.2, 0.3]},
        f"`fractions` {DEALT}time`",
    ),
    "ranges of blocks": (
        {"by": "blocks", "ranges": RANGES},
        "`ranges` are given with `by: time`, and only then",
    ),
    "a minimum of nothing": ({"min_per_stratum": 2}, "counts the values of `strata`, and none are given"),
    "two_tests": ({"folds": 3, "hold_out": {"unit": ["a"]}}, "both say what the test part is"),
    "fold": ({"folds": 3, "fold": 3}, "`fold` counts from 0 to 2, got 3"),
    "fold of nothing": ({"fold": 1}, "`fold` goes with `folds`, which are not given, got 1"),
}
USABLE = {  # name: settings
    "blocks": {"by": "blocks", "fractions": [0.5, 0.25, 0.25]},
    "time": {"by": "time", "ranges": RANGES},
    "strata": {"by": "video", "strata": ["sex"], "min_per_stratum": 2, "seed": None},
    "folds": {"folds": 3, "fold": 2},
}


@pytest.mark.parametrize("settings", USABLE.values(), ids=USABLE)
def test_settings_that_go_together(settings: dict[str, object]) -> None:
    config = validated(SplitConfig, settings, where="split")
    assert SplitConfig.model_validate(config.model_dump(mode="json")) == config


@pytest.mark.parametrize(("settings", "text"), CONFLICTS.values(), ids=CONFLICTS)
def test_settings_that_contradict_each_other(settings: dict[str, object], text: str) -> None:
    with pytest.raises(ConfigError, match=text):
        validated(SplitConfig, settings, where="split")


def test_a_resolved_config_can_be_read_again() -> None:
    config = SplitConfig(file=Path("s.json"))
    assert SplitConfig.model_validate(config.model_dump(mode="json")) == config
