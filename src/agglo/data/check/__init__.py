"""Looking into a dataset's folder for everything that is wrong with it, at once. Nothing is changed, and nothing stops the search.

`survey` reads what the folder states without believing it, `look` opens the files of one frame, `probes` are the checks, `kinds`
says of each kind of problem what must hold and what to do, `text` prints. How to add a check is in CONTRIBUTING.md.
"""

from agglo.data.check.kinds import KINDS, Kind
from agglo.data.check.report import Counts, Problem, Report
from agglo.data.check.run import check_folder
from agglo.data.check.text import render

__all__ = ["KINDS", "Counts", "Kind", "Problem", "Report", "check_folder", "render"]
