"""The one training loop of the house, and what it needs: schedule, EMA, checkpoints, devices, processes, batches, hooks.

Every stage (distil, align, lab teachers, baselines) trains through `fit`. Nothing here knows what is trained.
"""

from agglo.train.batches import SampleSource
from agglo.train.devices import Device
from agglo.train.loop import Interrupted, Place, Watch, fit
from agglo.train.plan import Plan
from agglo.train.task import Outcome, Task

__all__ = ["Device", "Interrupted", "Outcome", "Place", "Plan", "SampleSource", "Task", "Watch", "fit"]
