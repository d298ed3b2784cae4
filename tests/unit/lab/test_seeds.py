"""The lab's seeds are its own: no recipe comes near them, and no two purposes share one."""

import re
from pathlib import Path

import numpy as np
import pytest

from agglo.core.errors import ConfigError
from agglo.lab.amounts import LARGE, SHIPPED, amount_of
from agglo.lab.seeds import FIRST_LAB_SEED, LAB_SEEDS, is_reserved, training_seed
from agglo.phantom import render_study, sample_study

RECIPES = sorted((Path(__file__).parents[3] / "recipes").glob("*.yaml"))


def test_every_seed_of_the_lab_is_reserved_and_used_once() -> None:
    assert all(is_reserved(seed) for seed in LAB_SEEDS.values())
    assert len(set(LAB_SEEDS.values())) == len(LAB_SEEDS)
    assert not is_reserved(FIRST_LAB_SEED - 1)


def test_no_recipe_uses_a_reserved_seed() -> None:
    for recipe in RECIPES:
        seeds = [
            int(number) for number in re.findall(r"seed\w*:\s*(\d+)", recipe.read_text(encoding="utf-8"))
        ]
        assert not any(is_reserved(seed) for seed in seeds), recipe.name


def test_plans_draw_from_the_teachers_own_seed() -> None:
    for amounts in (SHIPPED, LARGE):
        for name, amount in amounts.items():
            assert amount.plan.seed == LAB_SEEDS[name]


def test_the_labs_patients_are_nobody_elses() -> None:
    def picture(seed: int) -> np.ndarray:
        return next(iter(render_study(sample_study(seed, 0), frames=1, size_px=64))).image

    assert not np.array_equal(picture(LAB_SEEDS["phantom, training"]), picture(0))
    assert not np.array_equal(
        picture(LAB_SEEDS["phantom, training"]), picture(LAB_SEEDS["phantom, measuring"])
    )


def test_sisters_of_a_teacher_have_seeds_that_nobody_else_has() -> None:
    seeds = [
        training_seed(name, repeat) for name in ("lab-sam", "lab-dino", "lab-clip") for repeat in range(5)
    ]
    assert len(set(seeds)) == len(seeds)
    assert set(seeds) & set(LAB_SEEDS.values()) == {
        LAB_SEEDS[name] for name in ("lab-sam", "lab-dino", "lab-clip")
    }
    sister = amount_of("lab-sam", repeat=2)
    assert sister.plan.seed == training_seed("lab-sam", 2)
    assert sister.command == "agglo lab train lab-sam --seed 2"
    with pytest.raises(ConfigError, match="must be from 0 to 999, got -1"):
        amount_of("lab-sam", repeat=-1)
