"""The report stage: one page about the run, made from the files of its folder alone."""

from dataclasses import replace

from agglo.recipes.context import Run
from agglo.recipes.stage import Facts
from agglo.report.page import write_report


def report(run: Run) -> bool:
    """Write `report.html`."""
    page = run.folder / "report.html"
    stage = replace(run.stage("report", {}, after=["evaluate"], is_whole=page.exists), is_view=True)

    def work() -> Facts:
        return {"page": write_report(run.folder).name}

    return stage.run(work)
