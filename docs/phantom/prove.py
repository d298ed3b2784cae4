"""Prove the phantom: measure it against real frames and the literature, and write the page that says how it did.

    python docs/phantom/prove.py --real ../shared/data --model RUN/model --private FOLDER

does what is not done yet; every part is kept as soon as it is done, so the same command goes on after a kill. A part is done when
it was measured on the phantom as it is now, with the same inputs. Without `--real` the parts that need real frames are left out
or keep what was measured before, and the page says so. No pixel of a real frame is written anywhere but to `--private`.
"""

import argparse
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from proof import charts, grey, motion, noise, page, patches, sheets, transfer
from proof.common import Job, phantom_fingerprint

from agglo.core.files import read_json, write_json, write_text
from agglo.recipes.environment import environment

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
PARTS: Final[Mapping[str, Callable[[Job], dict[str, Any]]]] = {
    "grey": grey.measure,
    "noise": noise.measure,
    "motion": motion.measure,
    "patches": patches.measure,
    "transfer": transfer.measure,
    "sheets": sheets.measure,
}
WHAT: Final = "the phantom against real frames and the literature (PHANTOM; research use only)"
USES_REAL: Final = ("grey", "noise", "patches", "transfer")
OF_THE_MODEL: Final = ("transfer",)
"""Parts that do not look at the phantom, only at a model that has."""
log = logging.getLogger("prove")


def inputs_of(part: str, job: Job) -> dict[str, Any]:
    """Return what a part's figures depend on besides the phantom."""
    inputs: dict[str, Any] = {"preset": job.preset, "effort": job.effort}
    if part in USES_REAL:
        inputs["real"] = job.real is not None
    if part == "transfer" and job.model is not None:
        inputs["model"] = read_json(job.model / "config.json").get("weights_sha256")
    return inputs


def is_done(entry: Mapping[str, Any] | None, inputs: Mapping[str, Any], fingerprint: str) -> bool:
    """Tell whether a part was measured on this phantom with these inputs, or with real frames that are not here now."""
    if entry is None or entry["phantom"] != fingerprint or "skipped" in entry["figures"]:
        return False
    wanted = {**inputs, "real": entry["inputs"]["real"]} if inputs.get("real") is False else dict(inputs)
    if "model" in entry["inputs"]:
        wanted.setdefault("model", entry["inputs"]["model"])
    return wanted == entry["inputs"]


def run_part(part: str, job: Job, fingerprint: str) -> dict[str, Any]:
    """Measure one part; return what is kept of it."""
    started = time.monotonic()
    log.info("%s: measuring", part)
    figures = PARTS[part](job)
    seconds = round(time.monotonic() - started, 1)
    log.info("%s: %s", part, figures.get("skipped", f"done in {seconds} s"))
    return {
        "phantom": fingerprint,
        "inputs": inputs_of(part, job),
        "seconds": seconds,
        "environment": environment(),
        "figures": figures,
    }


def write_page(job: Job, results: Mapping[str, Any]) -> Path:
    """Draw the figures and fill the page; the words around them come from the page in the project."""
    for part, entry in results["parts"].items():
        charts.draw(part, entry["figures"], job.out)
    sections = page.sections(results)
    path = job.out / "README.md"
    source = path if path.exists() else HERE / "README.md"
    write_text(path, page.filled(source.read_text(encoding="utf-8"), sections))
    return path


def results_in(path: Path) -> dict[str, Any]:
    """Return the file of figures, or an empty one."""
    return read_json(path) if path.exists() else {"what": WHAT, "parts": {}}


def prove(job: Job, parts: Sequence[str], *, redo: bool = False) -> Path:
    """Measure the parts that are not done; write figures after each, and the page at the end."""
    latest = phantom_fingerprint()
    results = results_in(job.results)
    for part, entry in results["parts"].items():
        if part not in OF_THE_MODEL and entry["phantom"] != latest:
            log.info("%s: measured on another state of the phantom", part)
    for part in parts:
        state = "" if part in OF_THE_MODEL else latest
        if not redo and is_done(results["parts"].get(part), inputs_of(part, job), state):
            log.info("%s: done before", part)
            continue
        results["parts"][part] = run_part(part, job, state)
        write_json(job.results, results | {"phantom": latest})
    write_json(job.results, results_in(job.results) | {"rules": page.rules_in(ROOT / page.RULE_TESTS)})
    return write_page(job, results_in(job.results))


def job_of(arguments: argparse.Namespace) -> Job:
    """Return the job of a command line.

    Raises:
        SystemExit: a folder is missing, or pictures of real frames would land inside of the project.
    """
    real = arguments.real
    if real is not None and not (real / "vfss_clip" / "images").is_dir():
        raise SystemExit(
            f"--real must be a folder with vfss_clip/images, got {real}; leave it out to do without real frames"
        )
    if arguments.private is not None and arguments.private.resolve().is_relative_to(ROOT):
        raise SystemExit(
            f"--private shows real frames and must lie outside of the project, got {arguments.private}"
        )
    is_trial = arguments.effort < 1
    if is_trial and arguments.out is None:
        raise SystemExit(
            "--effort below 1 is only for trying the script: give --out FOLDER, so that no result is overwritten"
        )
    out = arguments.out or HERE
    results = ROOT / "results" / "phantom-proof.json" if arguments.out is None else out / "phantom-proof.json"
    return Job(out, results, real, arguments.private, arguments.model, arguments.preset, arguments.effort)


def parser() -> argparse.ArgumentParser:
    """Return the command line."""
    made = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--real", type=Path, help="folder of real images (docs/data.md)")
    made.add_argument(
        "--model", type=Path, help="model folder for part `transfer`, trained on phantoms alone"
    )
    made.add_argument(
        "--private", type=Path, help="folder outside of the project for pictures that show real frames"
    )
    made.add_argument(
        "--parts",
        nargs="*",
        choices=list(PARTS),
        default=list(PARTS),
        help="only these; none: only write the page anew",
    )
    made.add_argument("--redo", action="store_true", help="measure anew what is done")
    made.add_argument("--preset", default="standard", help="of the phantom")
    made.add_argument("--out", type=Path, help="another folder for the page, its pictures and figures")
    made.add_argument("--effort", type=float, default=1.0, help="share of the full work, to try the script")
    return made


def main(words: Sequence[str] | None = None) -> None:
    """Run from the command line."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    arguments = parser().parse_args(words)
    path = prove(job_of(arguments), arguments.parts, redo=arguments.redo)
    log.info("wrote %s", path)


if __name__ == "__main__":
    main()
