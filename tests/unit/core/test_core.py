"""The ground floor: seeds, whole-or-absent files, fingerprints, the run log."""

from pathlib import Path

import numpy as np
import pytest

from agglo.core.files import fingerprint, read_json, sha256_of, write_atomic, write_json
from agglo.core.runlog import RunLog, read_log
from agglo.core.seeds import epoch_order, generator, seed_of


def test_streams_belong_to_their_keys() -> None:
    first = generator(1, "view", 2).random(4)
    np.testing.assert_array_equal(first, generator(1, "view", 2).random(4))
    for other in (
        generator(1, "view", 3),
        generator(1, "order", 2),
        generator(2, "view", 2),
        generator(1, 2),
    ):
        assert not np.isclose(first, other.random(4)).any()
    assert seed_of(1, "a") == seed_of(1, "a") != seed_of(1, "b")
    with pytest.raises(ValueError, match="at least one key"):
        generator()


def test_every_epoch_visits_all_samples_in_its_own_order() -> None:
    orders = [list(epoch_order(5, epoch, 20)) for epoch in range(3)]
    assert all(sorted(order) == list(range(20)) for order in orders)
    assert orders[0] != orders[1] != orders[2]


def test_a_file_is_whole_or_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "file.json"
    write_json(path, {"a": 1})

    def fail(temporary: Path) -> None:
        temporary.write_text("half")
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        write_atomic(path, fail)
    assert read_json(path) == {"a": 1}
    assert [file.name for file in path.parent.iterdir()] == ["file.json"]
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(path, float("nan"))


def test_fingerprints_see_values_and_not_the_order_of_keys(tmp_path: Path) -> None:
    assert fingerprint({"a": 1, "b": [2]}) == fingerprint({"b": [2], "a": 1})
    assert fingerprint({"a": 1}) != fingerprint({"a": 1.5})
    (tmp_path / "x").write_bytes(b"abc")
    assert sha256_of(tmp_path / "x") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_a_log_forgets_what_came_after_the_checkpoint_and_torn_lines(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    log = RunLog(path)
    for step in (1, 2, 3, 4):
        log.write(step=step, loss=step / 2)
    with path.open("a") as file:
        file.write('{"step": 5, "lo')
    assert [entry["step"] for entry in read_log(path)] == [1, 2, 3, 4]
    RunLog(path, keep_until_step=2).write(step=3, loss=9.0)
    assert [entry["loss"] for entry in read_log(path)] == [0.5, 1.0, 9.0]
    assert read_log(tmp_path / "absent") == []
