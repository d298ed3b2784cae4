"""Stage 1: a student learns to predict what every teacher sees. Heads, losses, balancers, and the objective that joins them."""

from agglo.distill.balance import BALANCERS, Balancer, Sizes, make_balancer
from agglo.distill.distilled import Distilled, HeadPlan, StandIn, load_distilled, save_heads
from agglo.distill.folding import folded
from agglo.distill.heads import HEADS, Head, make_head
from agglo.distill.losses import LOSSES, Loss
from agglo.distill.objective import SUMMARY, DistilTask, Drawing, Extras, TeacherTarget
from agglo.distill.online import OnlineTask
from agglo.distill.source import DistilSource
from agglo.distill.through_decoder import ThroughDecoder

__all__ = [
    "BALANCERS",
    "HEADS",
    "LOSSES",
    "SUMMARY",
    "Balancer",
    "DistilSource",
    "DistilTask",
    "Distilled",
    "Drawing",
    "Extras",
    "Head",
    "HeadPlan",
    "Loss",
    "OnlineTask",
    "Sizes",
    "StandIn",
    "TeacherTarget",
    "ThroughDecoder",
    "folded",
    "load_distilled",
    "make_balancer",
    "make_head",
    "save_heads",
]
