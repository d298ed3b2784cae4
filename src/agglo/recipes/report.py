"""The report stage: one page about the run, made from the files of its folder alone."""

from agglo.recipes.context import Run
from agglo.recipes.stage import Facts
from agglo.report.page import write_report


def report(run: Run) -> bool:
    """Write `report.html`."""
    stage = run.stage(
        "report", {}, after=["evaluate"], is_whole=lambda: (run.folder / "report.html").exists()
    )

    def work() -> Facts:
        return {"page": write_report(run.folder).name}

    return stage.run(work)
