"""What `agglo phantom` refuses, and that its help states the defaults that hold."""

import re
from pathlib import Path

import pytest

from agglo.cli.phantom import phantom
from agglo.config.schema import PhantomConfig
from agglo.core.errors import ConfigError
from agglo.phantom.cohort import LABELS_VERSION

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize(
    ("words", "options", "named"),
    [([], {"patients": 4}, "patients"), (["masks=visible"], {}, "masks")],
    ids=["option", "setting"],
)
def test_nothing_of_a_named_test_set_can_be_chosen(
    tmp_path: Path, words: list[str], options: dict[str, int], named: str
) -> None:
    with pytest.raises(ConfigError, match=f"got {named} beside --test v1"):
        phantom([str(tmp_path / "out"), *words], test="v1", **options)  # type: ignore[arg-type]
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("option", ["patients", "frames", "size", "seed", "preset"])
def test_the_help_states_the_defaults(option: str) -> None:
    default = PhantomConfig.model_fields[{"size": "size_px"}.get(option, option)].default
    stated = phantom.__annotations__[option].__metadata__[0].help
    assert stated.endswith(f"{default} by default")


def test_cards_state_the_version_of_the_page_on_labels() -> None:
    page = (ROOT / "docs" / "labels.md").read_text("utf-8")
    assert re.search(r"^Version (\d+)\.", page, flags=re.MULTILINE)[1] == str(LABELS_VERSION)  # type: ignore[index]
