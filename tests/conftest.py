"""What every test runs under: no network, no telemetry, few threads, and shapes checked at each call.

The import hook makes beartype check every jaxtyping signature of `agglo`; it must be in place before `agglo` is first imported.
`JAXTYPING_DISABLE=1` switches it off for tests of exported graphs, which cannot be traced through the checks.
"""

import os
from pathlib import Path

# Two threads; one for each of several workers, because threads that wait for each other's core slow both down many times over.
THREADS = 1 if "PYTEST_XDIST_WORKER" in os.environ else 2

os.environ.update(
    {
        "OMP_WAIT_POLICY": "PASSIVE",
        "HF_HUB_OFFLINE": "1",
        "TRANSFORMERS_OFFLINE": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "DO_NOT_TRACK": "1",
        "MPLBACKEND": "Agg",
        "COLUMNS": "120",  # the width to which the command line wraps its help
    }
)

from jaxtyping import install_import_hook

install_import_hook(["agglo"], "beartype.beartype")

import pytest
import torch

torch.set_num_threads(THREADS)

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="session")
def real_data_folder() -> Path:
    """Return the folder of the real images that docs/data.md describes; skips the test where there is none."""
    folder = Path(os.environ.get("AGGLO_REAL_DATA") or ROOT.parent / "shared" / "data")
    if not folder.is_dir():
        pytest.skip("needs real images: set AGGLO_REAL_DATA (docs/data.md)")
    return folder
