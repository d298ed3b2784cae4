"""What every test runs under: no network, no telemetry, two threads, and shapes checked at each call.

The import hook makes beartype check every jaxtyping signature of `agglo`; it must be in place before `agglo` is first imported.
`JAXTYPING_DISABLE=1` switches it off for tests of exported graphs, which cannot be traced through the checks.
"""

import os

os.environ.update(
    {
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

import torch

torch.set_num_threads(2)
