"""The decoders of structures by name, as a model folder names them."""

from collections.abc import Mapping
from typing import Any

from agglo.core.errors import ConfigError
from agglo.decoders.light import LightDecoder
from agglo.decoders.protocol import Decoder
from agglo.decoders.structures import StructureDecoder

DECODERS: Mapping[str, type[Decoder]] = {"structures": StructureDecoder, "light": LightDecoder}


def build_decoder(*, kind: str = "structures", **options: Any) -> Decoder:
    """Build the decoder `kind` of `DECODERS` with its own keyword arguments.

    Raises:
        ConfigError: there is no such kind, or an argument cannot be used.
    """
    if kind not in DECODERS:
        raise ConfigError(f"a decoder must be one of {', '.join(DECODERS)}, got {kind!r}.")
    return DECODERS[kind](**options)
