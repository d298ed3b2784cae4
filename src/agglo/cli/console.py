"""The command `agglo`: its verbs, and how errors reach the user: one message, exit code 2, no traceback."""

import errno
import logging
import os
import sys
from collections.abc import Mapping
from typing import Annotated

import typer

from agglo.cli import ablate, bench, catalogue, data, lab, phantom, predict, run, store
from agglo.core.errors import AggloError

app = typer.Typer(
    name="agglo",
    help="Distil several large vision encoders into one small one, and segment with it. Research use only.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _version(is_asked: bool) -> bool:
    if is_asked:
        from importlib.metadata import version

        print(f"agglo {version('agglo')}")
        raise typer.Exit
    return is_asked


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_version, help="say which version this is")
    ] = False,
) -> None:
    """Take what is asked of no verb."""


run.add_to(app)
predict.add_to(app)
phantom.add_to(app)
catalogue.add_to(app)
app.add_typer(store.app, name="store")
app.add_typer(data.app, name="data")
app.add_typer(lab.app, name="lab")
ablate.add_to(app)
bench.add_to(app)

OFFLINE = {"HF_HUB_DISABLE_TELEMETRY": "1", "DO_NOT_TRACK": "1", "HF_HUB_OFFLINE": "1"}
"""Libraries make no call over the network on their own account; who wants the hub sets HF_HUB_OFFLINE=0."""

OF_THE_MACHINE: Mapping[int, str] = {
    errno.EACCES: "choose a place that you may read and write",
    errno.EPERM: "choose a place that you may read and write",
    errno.EROFS: "choose a place that can be written to",
    errno.ENOSPC: "make room on the disk, or choose another",
    errno.EDQUOT: "make room in your quota, or choose another disk",
    errno.EMFILE: "allow more open files (`ulimit -n`)",
}
"""What the user can do about errors that are the machine's, and no bug of ours."""


def main() -> None:
    """Run the command line and exit: 0 done, 2 the user must change something, 1 our own bug, 130 stopped by Ctrl-C."""
    for name, value in OFFLINE.items():
        os.environ.setdefault(name, value)
    logging.basicConfig(level=logging.WARNING, format="%(message)s", stream=sys.stderr)
    try:
        app()
    except AggloError as problem:
        print(f"agglo: {problem}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt as stop:
        print(
            f"agglo: {stop}" if str(stop) else "agglo: stopped; the same command goes on from here",
            file=sys.stderr,
        )
        sys.exit(130)
    except BrokenPipeError:
        sys.exit(0)
    except OSError as problem:
        if problem.errno not in OF_THE_MACHINE:
            raise
        print(f"agglo: {machine_message(problem)}", file=sys.stderr)
        sys.exit(2)


def machine_message(problem: OSError) -> str:
    """Return what a disk or its rights refused, where, and what to do."""
    where = f" ({problem.filename})" if problem.filename else ""
    return (
        f"{problem.strerror or problem}{where}: {OF_THE_MACHINE[problem.errno or 0]}; what is whole already is kept, and the same "
        "command goes on from there"
    )
