"""Decoders: from a student's features to masks. Models only: no loss, no threshold, no training.

`StructureDecoder` gives all structures in one pass, `LightDecoder` in a cheaper one that is made to say the same; `PromptDecoder`
answers boxes, points and earlier masks; `ceiling_dice` says how good a grid can be at best.
"""

from agglo.decoders.catalogue import build_decoder
from agglo.decoders.ceiling import ceiling_dice
from agglo.decoders.light import LightDecoder
from agglo.decoders.prompts import PromptAnswer, PromptDecoder
from agglo.decoders.protocol import Decoder, StructureLogits
from agglo.decoders.structures import StructureDecoder

__all__ = [
    "Decoder",
    "LightDecoder",
    "PromptAnswer",
    "PromptDecoder",
    "StructureDecoder",
    "StructureLogits",
    "build_decoder",
    "ceiling_dice",
]
