"""`agglo data check|split FOLDER`."""

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="Look into a dataset.", no_args_is_help=True)
Folder = Annotated[Path, typer.Argument(help="a dataset's folder")]


@app.command(
    "check",
    help="Every problem at once, by kind, then how many frames have which label. Exit code 2 if there is an error, 0 if there are "
    "only warnings.",
)
def check(
    folder: Folder,
    as_json: Annotated[bool, typer.Option("--json", help="for programs")] = False,
    show_all: Annotated[bool, typer.Option("--all", help="list every problem and every patient")] = False,
    split_file: Annotated[
        list[Path] | None, typer.Option("--split", help="a split to look into; repeatable")
    ] = None,
) -> None:
    """Read every file of a dataset and say what is wrong."""
    import json
    import shutil
    import sys

    from agglo.cli.progress import show
    from agglo.recipes.data import look_into, told

    found = look_into(folder, splits=split_file or [], progress=show("check"))
    if as_json:
        print(json.dumps(found.to_json(), indent=2))
    else:
        columns = min(120, shutil.get_terminal_size((100, 24)).columns)
        _say(told(found, width=columns, show_all=show_all, colour=sys.stdout.isatty()), sys.stdout.encoding)
    if found.errors:
        raise typer.Exit(2)


_IN_ASCII = str.maketrans({"─": "-", "·": "-", "•": "*", "→": ">", "✓": "+", "✗": "x", "…": "..."})


def _say(text: str, encoding: str) -> None:
    """Print a report also where the terminal has no lines and bullets, or a file's name is in no encoding at all."""
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        text = text.translate(_IN_ASCII) if encoding.lower() not in ("utf-8", "utf8") else text
        text = text.encode(encoding, errors="backslashreplace").decode(encoding)
    print(text)


@app.command(
    "split",
    help="Part a dataset into train, val and test, and keep it in a file that recipes take as `data.split.file`.",
)
def split(
    folder: Folder,
    out: Annotated[
        Path, typer.Option("--out", "-o", help="the JSON file; with --folds OUT-0.json, OUT-1.json ...")
    ],
    setting: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[key=value]...",
            help="any of `data.split`: strata=[sex,present:bolus] min_per_stratum=1 hold_out={unit: [b]} ...",
        ),
    ] = None,
    by: Annotated[str, typer.Option(help="patient, video or blocks")] = "patient",
    fractions: Annotated[tuple[float, float, float], typer.Option(help="train, val, test")] = (0.6, 0.1, 0.3),
    seed: Annotated[int, typer.Option(min=0)] = 0,
    folds: Annotated[
        int | None, typer.Option(help="make this many splits, each part in turn for testing")
    ] = None,
) -> None:
    """Write a split."""
    from agglo.config.load import read_settings, validated
    from agglo.config.split import SplitConfig
    from agglo.recipes.data import part

    given = {"by": by, "fractions": fractions, "seed": seed, "folds": folds} | read_settings(setting or [])
    config = validated(SplitConfig, given, where="split")
    for path, parts in part(folder, config, out).items():
        counts = (
            f"{name} {part['frames']} frames of {part['patients']} patients" for name, part in parts.items()
        )
        print(f"{path}: " + ", ".join(counts))
