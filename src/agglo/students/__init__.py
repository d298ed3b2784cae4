"""Students: small encoders that give one embedding of stride 8, whatever their backbone.

A student is composed of an encoder (timm) and a neck; which combinations exist is data. Heads, decoders and losses are elsewhere.
"""

from agglo.students.catalogue import CATALOGUE, EMBED_DIM, StudentEntry, describe
from agglo.students.facts import count_macs, count_parameters
from agglo.students.necks import NECKS, Neck
from agglo.students.norms import calibrate_norms, freeze_norms, sync_norms
from agglo.students.student import Student, build_student, compose
from agglo.students.weights import Origin, locate

__all__ = [
    "CATALOGUE",
    "EMBED_DIM",
    "NECKS",
    "Neck",
    "Origin",
    "Student",
    "StudentEntry",
    "build_student",
    "calibrate_norms",
    "compose",
    "count_macs",
    "count_parameters",
    "describe",
    "freeze_norms",
    "locate",
    "sync_norms",
]
