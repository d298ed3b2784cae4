"""`agglo ablate GRID`: arms compared over labelled patients and seeds."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from agglo.ablate.grid import Cell, Plan

GridFile = Annotated[Path, typer.Argument(help="a grid file, such as recipes/baselines-phantom.yaml")]
Changes = Annotated[
    list[str] | None,
    typer.Argument(metavar="[KEY=VALUE]…", help="changes, such as seeds=[0] or set.align.steps=50"),
]


def add_to(app: typer.Typer) -> None:
    """Add the verb to the command line."""
    app.command(
        "ablate",
        help="Compare arms over labelled patients and seeds, cell by cell. Goes on where it stopped.",
    )(ablate)


def ablate(
    grid: GridFile,
    changes: Changes = None,
    only: Annotated[str, typer.Option("--only", help="cells whose names match, such as 'all-*-s0'")] = "*",
    budget: Annotated[
        float | None, typer.Option("--budget", min=0, help="minutes; stops between two cells")
    ] = None,
    is_list: Annotated[
        bool, typer.Option("--list", help="say what there is to do, and how long it takes")
    ] = False,
    is_collect: Annotated[
        bool, typer.Option("--collect", help="only make tables of the cells that are there")
    ] = False,
) -> None:
    """Make the cells that are left, then the tables."""
    from agglo.ablate.engine import work_through
    from agglo.ablate.load import load_grid
    from agglo.cli.progress import show

    plan = load_grid(grid, changes or [])
    if is_list:
        _list(plan, only)
        return
    if not is_collect:
        made, left = work_through(plan, only=only, budget_min=budget, tell=show)
        print(
            f"{plan.grid.out}: {made} cells made, {left} left"
            if made or left
            else f"{plan.grid.out}: nothing to do"
        )
    _collect(plan)


def _list(plan: "Plan", only: str) -> None:
    from agglo.ablate.cell import cell_file
    from agglo.ablate.engine import estimate, pending

    left = pending(plan, only)
    for cell in plan.cells(only):
        print(f"{cell.name:<36} {_state(plan, cell)}")
    parts = estimate(plan, left)
    cells = plan.cells(only)
    lacking = sum(plan.lack_of(cell.arm) is not None and not cell_file(plan, cell).exists() for cell in cells)
    gone = f"; {lacking} are not available" if lacking else ""
    print(
        f"\n{len(left)} of {len(cells)} cells are left{gone}: about {parts.total_s / 60:.0f} min by step times measured here "
        f"(distilling {parts.distilling_s / 60:.0f}, choosing rates {parts.tuning_s / 60:.0f}, cells {parts.cells_s / 60:.0f}), "
        "besides making data and extracting features"
    )


def _state(plan: "Plan", cell: "Cell") -> str:
    from agglo.ablate.cell import cell_file, is_done
    from agglo.ablate.engine import cell_s

    if lack := plan.lack_of(
        cell.arm
    ):  # of weights that are not here nobody can tell whether a cell was made from them
        return "done elsewhere" if cell_file(plan, cell).exists() else f"not available: {lack}"
    return "done" if is_done(plan, cell) else f"about {cell_s(plan, cell):.0f} s"


def _collect(plan: "Plan") -> None:
    from agglo.ablate.collect import collect
    from agglo.ablate.page import write_tables

    write_tables(plan.grid.out, collect(plan))
    print((plan.grid.out / "table.md").read_text(encoding="utf-8"))
    print(f"tables and curve: {plan.grid.out / 'table.html'}")
