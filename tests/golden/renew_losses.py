"""Renew `losses.json`: `python tests/golden/renew_losses.py`, in a commit that says why the curves have changed."""

import json
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))

from flow.command_line import agglo, losses_of, tiny


def main() -> None:
    """Make a tiny run and keep its losses."""
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder) / "tiny"
        done = agglo(*tiny(run, "supervised.wall_time=none"))
        if done.returncode:
            sys.exit(done.stderr)
        (HERE / "losses.json").write_text(json.dumps(losses_of(run), indent=1) + "\n")
    print("wrote losses.json")


if __name__ == "__main__":
    main()
