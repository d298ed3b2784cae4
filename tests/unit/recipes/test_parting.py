"""From `data.split` of a recipe to parts."""

from pathlib import Path

import pytest

from agglo.config.load import validated
from agglo.config.schema import SplitConfig
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


CONFLICTS = {  # name: (settings, text)
    "file_and_more": ({"file": "s.json", "seed": 3}, "`file` is the whole split; leave out seed"),
    "blocks": ({"by": "blocks", "strata": ["sex"]}, "go with `by: patient` or `by: video`"),
    "two_tests": ({"folds": 3, "hold_out": {"unit": ["a"]}}, "both say what the test part is"),
    "fold": ({"folds": 3, "fold": 3}, "`fold` counts from 0 to 2, got 3"),
}


@pytest.mark.parametrize(("settings", "text"), CONFLICTS.values(), ids=CONFLICTS)
def test_settings_that_contradict_each_other(settings: dict[str, object], text: str) -> None:
    with pytest.raises(ConfigError, match=text):
        validated(SplitConfig, settings, where="split")


def test_a_resolved_config_can_be_read_again() -> None:
    config = SplitConfig(file=Path("s.json"))
    assert SplitConfig.model_validate(config.model_dump(mode="json")) == config
