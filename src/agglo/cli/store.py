"""`agglo store info|verify|prune|requantise STORE`."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

app = typer.Typer(help="Look into a feature store, mend it, shrink it.", no_args_is_help=True)
Folder = Annotated[Path, typer.Argument(help="a feature store, such as RUN/features")]
AsJson = Annotated[bool, typer.Option("--json", help="for programs")]


@app.command("info", help="Samples, columns, sizes, what is missing, effective ranks.")
def info(
    store: Folder,
    plot: Annotated[
        Path | None,
        typer.Option(
            "--plot", metavar="PNG", help="draw whether the teachers are complementary or redundant"
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Say what a store holds."""
    from agglo.recipes.store import store_info

    found = store_info(store)
    if plot is not None:
        from agglo.cli.progress import show
        from agglo.recipes.compare_teachers import compare_teachers

        found["compared"] = compare_teachers(store, plot, progress=show("compare"))
    if as_json:
        print(json.dumps(found, indent=2))
        return
    print(f"{store}: {found['frames']} frames x {found['views_per_frame']} views")
    for row in found["columns"]:
        _tell_column(row)
    for row in found["online"]:
        _tell_online(row)
    if plot is not None:
        print(f"{found['compared']['verdict']}\ndrawn in {plot}")


def _tell_column(row: dict[str, Any]) -> None:
    missing = f", {row['missing_blocks']} MISSING" if row["missing_blocks"] else ""
    size = "x".join(str(cells) for cells in (row["dim"], *row["grid"]))
    print(
        f"  {row['teacher']:<12} {size} {row['dtype']}, {row['blocks']} blocks{missing}, {row['megabytes']} MB"
    )
    if "basis" in row:
        print(
            f"    {row['codes']} codes a token ({row['basis']}) keep {row['energy']:.2%} of the variance; clipped: "
            f"{row['clipped_mean']:.1e} of all values, {row['clipped_worst_block']:.1e} in the worst block"
        )
    _tell_figures(row)


def _tell_online(row: dict[str, Any]) -> None:
    known = "its pilot is under way" if row["needs_pilot"] else f"normalised by {row['views']} views"
    print(f"  {row['teacher']:<12} {row['dim']} wide, looks at each batch anew; {known}")
    _tell_figures(row)


def _tell_figures(row: dict[str, Any]) -> None:
    if "precision" in row:
        near = row["precision"]
        print(
            f"    looked in bf16: cosine to fp32 {near['cosine_mean']:.5f} (1st percentile {near['cosine_percentile_1']:.5f}), "
            f"relative error {near['relative_error']:.4f}, {near['speedup']:.2f} times as fast"
        )
    if "spectrum" in row:
        spectrum = row["spectrum"]
        print(
            f"    effective rank {spectrum['effective_rank']:.1f} of {row['dim']}; {spectrum['components_90']} directions hold 90 %"
            f" of the variance, {spectrum['components_99']} hold 99 %; the mean token is {spectrum['mean_share']:.0%} of the energy"
        )


@app.command(
    "verify",
    help="Read every byte: missing, damaged and foreign blocks, what was left over. Exit code 2 if anything is wrong.",
)
def verify(
    store: Folder,
    recipe: Annotated[
        Path | None, typer.Option("--recipe", help="also compare columns with this recipe's teachers")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Check a store."""
    from agglo.config.load import load_recipe
    from agglo.core.errors import StoreError
    from agglo.recipes.store import store_problems

    problems = store_problems(store, load_recipe(recipe, []) if recipe else None)
    if as_json:
        print(json.dumps({"problems": [problem.to_json() for problem in problems]}, indent=2))
        if problems:
            raise typer.Exit(2)
        return
    if problems:
        lines = "\n  ".join(str(problem) for problem in problems)
        raise StoreError(
            f"{store}: {len(problems)} problems; `agglo store prune {store}` removes what does not hold, then extract again\n"
            f"  {lines}"
        )
    print(f"{store}: every block of every column is whole")


@app.command(
    "prune",
    help="Remove damaged and foreign blocks and what killed processes left, or one whole column; extracting again heals.",
)
def prune(
    store: Folder,
    column: Annotated[str | None, typer.Option("--column", help="remove this column, whole as it is")] = None,
    as_json: AsJson = False,
) -> None:
    """Remove what does not hold, or what is named."""
    from agglo.recipes.store import prune_store

    found = prune_store(store, column)
    if as_json:
        print(json.dumps(found, indent=2))
        return
    for line in found["removed"]:
        print(f"removed  {line}")
    print(f"{store}: {len(found['removed'])} removed, {found['freed_bytes'] / 1e6:.1f} MB freed")


@app.command(
    "requantise",
    help="Make smaller or plainer columns from those that are there, without the teachers. Goes on where it stopped.",
)
def requantise(
    store: Folder,
    dtype: Annotated[str, typer.Option("--dtype", help="fp16 | int8 | int8-zstd")],
    pca: Annotated[int | None, typer.Option("--pca", help="codes a token; all by default")] = None,
    column: Annotated[
        list[str] | None, typer.Option("--column", help="repeatable; all columns by default")
    ] = None,
    name: Annotated[
        str | None, typer.Option("--name", help="of the new column; COLUMN-DTYPE by default")
    ] = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="put the new column in the old one's place, which is removed")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Keep columns otherwise."""
    from agglo.cli.progress import show
    from agglo.recipes.store import requantise_store, storage_of

    kept = storage_of(dtype, pca)
    made = requantise_store(
        store, column or [], kept, name=name, is_replacing=replace, progress=show("requantise")
    )
    if as_json:
        print(json.dumps(made, indent=2))
        return
    for row in made:
        cosine = (
            f", cosine to it {row['cosine_mean']:.5f} (1st percentile {row['cosine_percentile_1']:.5f})"
            if "cosine_mean" in row
            else ""
        )
        print(f"{row['column']}: {row['megabytes']} MB, from {row['from']}{cosine}")
