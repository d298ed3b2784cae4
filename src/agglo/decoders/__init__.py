"""Decoders: from a student's features to masks. Models only: no loss, no threshold, no training.

`StructureDecoder` gives all structures in one pass; `PromptDecoder` answers boxes, points and earlier masks; `ceiling_dice` says
how good a grid can be at best.
"""

from agglo.decoders.ceiling import ceiling_dice
from agglo.decoders.prompts import PromptAnswer, PromptDecoder
from agglo.decoders.structures import StructureDecoder, StructureLogits

__all__ = ["PromptAnswer", "PromptDecoder", "StructureDecoder", "StructureLogits", "ceiling_dice"]
