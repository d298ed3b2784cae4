"""Stage 2 with the teachers in view, as a run goes through it."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

import agglo
from agglo.config.load import load_recipe
from agglo.config.schema import Recipe
from agglo.core.errors import ConfigError
from agglo.core.runlog import RunLog, read_log
from agglo.recipes.build import check_names
from agglo.recipes.context import Run
from agglo.recipes.joint import joint_alarm
from agglo.recipes.run import run
from agglo.train.hooks import Hook

RECIPE = Path(__file__).parents[3] / "recipes" / "phantom-quick.yaml"
SMALL = (
    "data.phantom={patients: 6, frames: 2, size_px: 64, seed: 3}",
    "data.split.fractions=[0.5, 0.25, 0.25]",
    "views.per_frame=1",
    "teachers=[{name: lab-dino, input_px: 112}]",
    "student.input_px=64",
    "distill={steps: 6, batch_size: 2, log_every: 1, warmup_steps: 0, ema_decay: null}",
    "align={steps: 4, batch_size: 2, log_every: 1, validations: 1, frozen_share: 0.25, features_weight: 0.5}",
    "supervised.wall_time=none",
)


def test_masks_are_learned_and_the_teacher_is_not_forgotten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    began: list[dict[str, Tensor]] = []

    def watched(recipe: Recipe) -> Callable[[RunLog], Hook]:
        return lambda log: (
            lambda state, outcome: began.append(
                {name: value.clone() for name, value in state.task.distil.balancer.state_dict().items()}
            )
        )

    monkeypatch.setattr("agglo.recipes.align.joint_alarm", watched)
    recipe = load_recipe(RECIPE, [f"out={tmp_path / 'run'}", *SMALL])
    run(recipe, last="align")
    kept = load_file(tmp_path / "run" / "distill" / "balancer.safetensors")
    assert kept.keys() == began[0].keys()
    assert all(torch.equal(began[0][name], value) for name, value in kept.items()), (
        "the balancer goes on from where stage 1 ended: in the first step masks alone are learned"
    )
    assert not all(torch.equal(began[-1][name], value) for name, value in kept.items())
    found = Run(recipe)
    steps = [entry for entry in read_log(found.folder / "align" / "log.jsonl") if "bce" in entry]
    assert ["features_loss" in entry for entry in steps] == [False, True, True, True], (
        "once the encoder is tuned"
    )
    assert steps[1]["loss"] == pytest.approx(
        steps[1]["bce"] + steps[1]["dice_loss"] + 0.5 * steps[1]["features_loss"],
        rel=1e-4,
    )
    assert set(agglo.load(found.folder / "model").predict(found.dataset.image(0))) == set(
        found.dataset.structures
    )


def test_a_teacher_that_takes_over_is_told_of_in_the_joint_stage(tmp_path: Path) -> None:
    recipe = load_recipe(RECIPE, ["distill.log_every=3", "align.log_every=7", "distill.on_collapse=stop"])
    alarm = joint_alarm(recipe)
    assert alarm is not None
    hook = alarm(RunLog(tmp_path / "log.jsonl"))
    assert (hook.every, hook.is_stopping, hook.kinds) == (7, True, ("dominates",))
    assert joint_alarm(load_recipe(RECIPE, ["distill.balance=uniform"])) is None


@pytest.mark.parametrize("frozen", ["align.encoder=frozen", "align.frozen_share=1"])
def test_features_for_an_encoder_that_stands_still_are_refused(frozen: str) -> None:
    with pytest.raises(
        ConfigError, match=r"must go with `encoder: finetune`.*, got an encoder that is frozen to the end"
    ):
        load_recipe(RECIPE, ["align.features_weight=0.5", frozen])


def test_features_of_one_teacher_after_the_other_are_refused() -> None:
    recipe = load_recipe(RECIPE, ["align.features_weight=0.5", "distill.balance=sequential"])
    with pytest.raises(
        ConfigError, match=r"needs all teachers at once, but `distill.balance: sequential` has one"
    ):
        check_names(recipe)
