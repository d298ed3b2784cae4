"""Frozen teachers: what they are (`catalogue`, `custom`), what they promise (`protocol`), how they are built and loaded.

A teacher turns preprocessed images into one dense map and, where it has one, a vector per image. Nothing here caches a map,
normalises it or compares it with anything.
"""

from agglo.teachers.build import build_encoder, build_from_entry, build_teacher, describe, entry_of, spec_of
from agglo.teachers.catalogue import CATALOGUE, TeacherEntry
from agglo.teachers.checking import lacks_of
from agglo.teachers.custom import OwnTeacher
from agglo.teachers.protocol import Teacher, preprocess

__all__ = [
    "CATALOGUE",
    "OwnTeacher",
    "Teacher",
    "TeacherEntry",
    "build_encoder",
    "build_from_entry",
    "build_teacher",
    "describe",
    "entry_of",
    "lacks_of",
    "preprocess",
    "spec_of",
]
