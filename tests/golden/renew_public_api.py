"""Write `public_api.txt` anew from the sources; run it after a change of the public interface that was meant."""

import runpy
from pathlib import Path

TEST = Path(__file__).parents[1] / "arch" / "test_public_api.py"

if __name__ == "__main__":
    names = runpy.run_path(str(TEST))
    names["GOLDEN"].write_text(names["describe_public_api"](), encoding="utf-8")
    print(f"wrote {names['GOLDEN'].name}")
