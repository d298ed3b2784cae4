"""Stages: never made twice, never silently made from something else."""

from pathlib import Path

import pytest

from agglo.core.errors import RunFolderError
from agglo.recipes.stage import Stage


def stage(folder: Path, **settings: object) -> Stage:
    return Stage("distill", folder, {"steps": 3, "view": {"zoom": (1, 2)}, **settings})


def test_a_stage_is_made_once_and_keeps_its_facts(tmp_path: Path) -> None:
    calls = []

    def work() -> dict[str, object]:
        calls.append(1)
        return {"frames": 7}

    assert stage(tmp_path).run(work)
    assert not stage(tmp_path).run(work)
    assert calls == [1]
    assert stage(tmp_path).facts == {"frames": 7}


def test_a_stage_that_was_stopped_is_not_done(tmp_path: Path) -> None:
    def stopped() -> dict[str, object]:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stage(tmp_path).run(stopped)
    assert not stage(tmp_path).is_done
    assert stage(tmp_path).run(dict)


def test_other_settings_are_refused_by_name(tmp_path: Path) -> None:
    stage(tmp_path).run(dict)
    with pytest.raises(RunFolderError) as caught:
        stage(tmp_path, steps=4, view={"zoom": [1, 3]}, extra=1).run(dict)
    message = str(caught.value)
    assert "stage distill" in message
    assert "(extra: (not there) -> 1, steps: 3 -> 4, view.zoom: [1, 2] -> [1, 3])" in message
    assert "`out=…`" in message
    assert stage(tmp_path).is_done


def test_a_setting_that_was_not_there_is_told_even_where_it_is_none_now(tmp_path: Path) -> None:
    stage(tmp_path).run(dict)
    with pytest.raises(RunFolderError, match=r"\(weights: \(not there\) -> None\)"):
        stage(tmp_path, weights=None).run(dict)


def test_identity_hangs_on_settings_alone(tmp_path: Path) -> None:
    assert stage(tmp_path / "a").identity == stage(tmp_path / "b").identity
    assert stage(tmp_path).identity != stage(tmp_path, steps=4).identity
