"""Stage 1: a student learns to predict what every teacher sees. Heads, losses, balancers, and the objective that joins them."""

from agglo.distill.balance import BALANCERS, Balancer, Sizes, make_balancer
from agglo.distill.heads import HEADS, make_head
from agglo.distill.losses import LOSSES
from agglo.distill.objective import DistilTask, TeacherTarget
from agglo.distill.source import DistilSource

__all__ = [
    "BALANCERS",
    "HEADS",
    "LOSSES",
    "Balancer",
    "DistilSource",
    "DistilTask",
    "Sizes",
    "TeacherTarget",
    "make_balancer",
    "make_head",
]
