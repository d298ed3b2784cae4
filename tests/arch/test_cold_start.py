"""`agglo --help` answers at once because nothing heavy is imported before a verb needs it; the cause is checked, not the time."""

import subprocess
import sys

import pytest

HEAVY = {
    "torch",
    "transformers",
    "timm",
    "scipy",
    "matplotlib",
    "zarr",
    "lightning_fabric",
    "torchvision",
    "monai",
}
COMMANDS = {
    "import": "import agglo",
    "help": "import sys; sys.argv = ['agglo', '--help']; from agglo.cli.console import main; main()",
}


@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS)
def test_nothing_heavy_is_imported(command: str) -> None:
    code = f"import atexit, sys\natexit.register(lambda: print('imported:', *sys.modules))\n{command}"
    answer = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    imported = set(answer.stdout.rpartition("imported:")[2].split())
    assert "agglo" in imported
    assert imported & HEAVY == set()
