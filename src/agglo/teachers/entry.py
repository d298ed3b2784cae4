"""What is known of one teacher, as a record: nothing is built here, and torch is not imported.

Which teachers there are is `catalogue`; those that a recipe names by `timm:`, `hf:` or `python:` get an entry of the same kind
from `custom`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from agglo.core.errors import ConfigError

SHIPPED_FOLDER = Path(__file__).parent / "weights"
FROZEN_HASHES = "SHA256SUMS"  # beside the weights it pins


@dataclass(frozen=True)
class MapChoice:
    """One of the dense maps that a teacher can give.

    Attributes:
        dim: channels.
        stride_px: input pixels per cell.
        what: what it is, in words.
        architecture: what the encoder needs for it on top of the entry's `architecture`.
    """

    dim: int
    stride_px: int
    what: str
    architecture: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class HubFile:
    """A file of the Hugging Face hub.

    Attributes:
        repository: as `owner/name`.
        name: of the file.
        revision: the commit it is taken from; None where none is known, and the newest is taken.
    """

    repository: str
    name: str
    revision: str | None = None


@dataclass(frozen=True)
class TeacherEntry:
    """One teacher, as data.

    Attributes:
        name: unique in the catalogue.
        family: architecture, a key of `build.FAMILIES`.
        input_px: side of the square input it is meant for.
        mean, std: per channel, for images in `[0, 1]`.
        intensity: `as_is`, or `minmax` when each image is stretched to its own full range first.
        dim: channels of its map.
        stride_px: input pixels per cell of its map.
        input_multiple_px: any input whose sides are multiples of this runs.
        architecture: keyword arguments of the family's `build_encoder`.
        num_parameters: of the encoder that makes the map (decoders, text towers and heads are not counted); 0: not counted.
        licence: of the weights.
        source: where the weights come from.
        weights_file: name of the published file, or of the shipped file.
        is_shipped: whether the weights come with Agglo.
        sha256: of the published weights file, where it is pinned; shipped files are pinned by `weights/SHA256SUMS`.
        labels_seen: which annotations its training has seen.
        command: of Agglo that makes the weights, where they neither ship nor can be downloaded.
        map: which of `maps` it gives.
        maps: the maps it can give, by name, the usual one first.
        summary_dim: width of its one vector per image; None where it has none.
        restriction: why a student of it may not be free to use or pass on; None where nothing is known that says so.
        hub: where the weights lie on the Hugging Face hub.
        weights_path: where the weights lie on this machine, where the name itself says so.
        needs_file: False where it has its weights without one.
        is_custom: whether a recipe brings it, rather than the catalogue.
    """

    name: str
    family: str
    input_px: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    intensity: Literal["as_is", "minmax"]
    dim: int
    stride_px: int
    input_multiple_px: int
    architecture: Mapping[str, Any]
    num_parameters: int
    licence: str
    source: str
    weights_file: str
    is_shipped: bool
    sha256: str | None
    labels_seen: str
    command: str | None = None
    map: str = "last"
    maps: Mapping[str, MapChoice] = field(default_factory=dict)
    summary_dim: int | None = None
    restriction: str | None = None
    hub: HubFile | None = None
    weights_path: Path | None = None
    needs_file: bool = True
    is_custom: bool = False

    @property
    def is_restrictive(self) -> bool:
        """Whether something is known that may keep a student of it from being used or passed on freely."""
        return self.restriction is not None

    @property
    def has_usual_map(self) -> bool:
        """Whether it gives the first of its maps."""
        return not self.maps or self.map == next(iter(self.maps))

    @property
    def shipped_path(self) -> Path:
        """Where the weights lie when they come with Agglo."""
        return SHIPPED_FOLDER / self.weights_file

    @property
    def pinned_sha256(self) -> str | None:
        """SHA-256 that the weights file must have, or None where it is not pinned."""
        if not self.is_shipped:
            return self.sha256
        return read_frozen_hashes(self.shipped_path.with_name(FROZEN_HASHES)).get(self.weights_file)

    @property
    def how_to_get(self) -> str:
        """One sentence that says how to come by the weights."""
        if self.is_shipped:
            return f"it comes with Agglo, and its card says how it was made; `agglo lab train {self.name}` trains one anew."
        if self.command is not None:
            return f"make {self.weights_file} by `{self.command}` and give its path as `weights`."
        by_hand = f"download {self.weights_file} from {self.source} and give its path as `weights`"
        return f"{by_hand}, or run once with HF_HUB_OFFLINE=0." if self.hub is not None else f"{by_hand}."

    def with_map(self, name: str | None) -> "TeacherEntry":
        """Return the entry that gives map `name`; None means the usual one.

        Raises:
            ConfigError: it has no such map.
        """
        if name is None or name == self.map:
            return self
        if name not in self.maps:
            known = ", ".join(self.maps) or self.map
            raise ConfigError(f"map of teacher {self.name} must be one of {known}, got {name}.")
        choice = self.maps[name]
        architecture = {**self.architecture, **choice.architecture}
        return replace(self, map=name, dim=choice.dim, stride_px=choice.stride_px, architecture=architecture)


def read_frozen_hashes(path: Path) -> dict[str, str]:
    """Return file name -> SHA-256 from a `sha256sum` list; an absent list gives an empty mapping."""
    if not path.exists():
        return {}
    lines = path.read_text(encoding="utf-8").splitlines()
    return {name: digest for digest, name in (line.split() for line in lines if line.strip())}
