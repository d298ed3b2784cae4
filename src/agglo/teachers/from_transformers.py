"""`hf:NAME_OR_FOLDER`: a vision model of `transformers` whose last hidden state is a map or tokens in rows; no foreign code runs.

Tokens before the patches (class, registers) are left out of the map; the first of them is the summary, without any there is none.
Names of the hub are taken from the local cache, or fetched where `HF_HUB_OFFLINE=0` says so.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from agglo.core.errors import ConfigError, FeatureMismatch, WeightsError
from agglo.core.files import sha256_of
from agglo.core.hub import HOW_TO_DOWNLOAD, NotOnHand, hub_file
from agglo.teachers.custom import family, own_entry
from agglo.teachers.entry import TeacherEntry
from agglo.teachers.licences import CARD, restriction_of, stated_in
from agglo.teachers.protocol import tokens_to_map
from agglo.teachers.reading import FOLDER_FILES, find_weights_file, read_state

CONFIG, PREPROCESSING = "config.json", "preprocessor_config.json"


class TransformersNetwork(nn.Module):
    """A model of `transformers` that gives its last hidden state as a map, and its first extra token."""

    def __init__(self, model: nn.Module, stride_px: int) -> None:
        """Keep the model and how many pixels a cell of its map is wide."""
        super().__init__()
        self.model = model
        self.stride_px = stride_px

    def forward(self, images: Float[Tensor, "batch 3 rows cols"]) -> Tensor | tuple[Tensor, Tensor]:
        seen = self.model(pixel_values=images).last_hidden_state
        if seen.ndim == 4:
            return seen
        rows, cols = (side // self.stride_px for side in images.shape[-2:])
        num_extra = seen.shape[1] - rows * cols
        if num_extra < 0:
            raise FeatureMismatch(
                f"{type(self.model).__name__} must give at least {rows} x {cols} tokens, got {seen.shape[1]}."
            )
        found = tokens_to_map(seen[:, num_extra:], rows=rows, cols=cols)
        return (found, seen[:, 0]) if num_extra else found


def build_encoder(architecture: Mapping[str, Any]) -> TransformersNetwork:
    """Build a model of `transformers` with random weights.

    Args:
        architecture: `folder`, with its `config.json`, and `stride_px`.
    """
    from transformers import AutoConfig, AutoModel

    config = AutoConfig.from_pretrained(
        architecture["folder"], local_files_only=True, trust_remote_code=False
    )
    try:
        model = AutoModel.from_config(config, add_pooling_layer=False)
    except TypeError:  # only some models know the option
        model = AutoModel.from_config(config)
    return TransformersNetwork(model.float(), architecture["stride_px"])  # a folder may say half precision


def read_converted(file: Path) -> dict[str, Tensor]:
    """Return the state of a folder's model under the names of today, as `transformers` itself converts older ones.

    What it would leave out without a word keeps its place in the state, so that strict loading speaks of it.

    Raises:
        WeightsError: the file cannot be read safely.
    """
    from transformers import AutoModel

    taken = find_weights_file(file.parent)
    if file != taken:  # it is the folder that `transformers` reads
        raise WeightsError(
            f"weights of an hf: teacher must be the file that its folder is read from, {taken.name}, got {file}; put it alone "
            f"into a folder with its {CONFIG}"
        )
    raw = read_state(file)  # refuses what is no plain tensors before anyone else opens it
    try:
        model, report = AutoModel.from_pretrained(
            file.parent, local_files_only=True, trust_remote_code=False, output_loading_info=True
        )
    except (OSError, RuntimeError, ValueError) as problem:
        said = " ".join(str(problem).split())[:300]
        raise WeightsError(
            f"weights must fit the {CONFIG} beside them, but {file} does not: {said}"
        ) from problem
    absent = {*report["missing_keys"], *(entry[0] for entry in report["mismatched_keys"])}
    state = {key: value for key, value in model.state_dict().items() if key not in absent}
    return state | {key: raw[key] for key in report["unexpected_keys"] if key in raw}


def entry(name: str) -> TeacherEntry:
    """Return the entry of `hf:NAME_OR_FOLDER`, from its `config.json` and, where they are there, its `preprocessor_config.json`
    and the licence that its card states.

    Raises:
        ConfigError: there is no such folder and no such model on hand, or it is no vision model.
        WeightsError: the folder holds no weights.
    """
    folder = Path(name) if Path(name).is_dir() else _from_hub(name)
    config = _config(folder)
    lacking = [
        key for key in ("hidden_size", "patch_size") if not isinstance(getattr(config, key, None), int)
    ]
    if lacking:
        raise ConfigError(
            f"a teacher hf:{name} must be a vision model, but {folder / CONFIG} has no {' and no '.join(lacking)}."
        )
    seen_as = _preprocessing(folder)
    num_merges = len(config.depths) - 1 if hasattr(config, "depths") else 0
    stride_px = config.patch_size * 2**num_merges
    facts: dict[str, Any] = {
        key: tuple(seen_as[theirs])
        for key, theirs in {"mean": "image_mean", "std": "image_std"}.items()
        if theirs in seen_as
    }
    licences = stated_in(folder)
    built_from = {"folder": str(folder), "stride_px": stride_px, "config_sha256": sha256_of(folder / CONFIG)}
    return own_entry(
        f"hf:{name}",
        architecture=built_from,
        dim=config.hidden_size,
        stride_px=stride_px,
        input_px=_input_px(getattr(config, "image_size", 224), seen_as) // stride_px * stride_px,
        summary_dim=_summary_dim(built_from, config),
        weights_path=find_weights_file(folder),
        licence=", ".join(licences) or f"unknown: no {CARD} beside the weights states one",
        restriction=restriction_of(licences),
        **facts,
    )


def _summary_dim(architecture: Mapping[str, Any], config: Any) -> int | None:
    """Return the width of the first extra token, by a look of the network without numbers; None where it gives patches alone.

    What cannot look without numbers has one by its kind, which `checking` holds against the look itself: flat ones mostly have.
    """
    size_px = getattr(config, "image_size", None)
    side = size_px if isinstance(size_px, int) else architecture["stride_px"] * 4
    try:
        with torch.device("meta"), torch.no_grad():
            seen = build_encoder(architecture).eval()(torch.zeros(1, 3, side, side))
    except (NotImplementedError, RuntimeError, ValueError, FeatureMismatch):
        return None if hasattr(config, "depths") else int(config.hidden_size)
    return int(seen[1].shape[1]) if isinstance(seen, tuple) else None


def _input_px(made_for: int, seen_as: Mapping[str, Any]) -> int:
    """Return the side of the input: what it is cropped to, else resized to, else what the network was made for."""
    size = seen_as.get("crop_size") or seen_as.get("size") or made_for
    if isinstance(size, Mapping):
        size = size.get("height") or size.get("shortest_edge") or made_for
    return int(size)


def _from_hub(name: str) -> Path:
    try:
        folder = hub_file(name, CONFIG).parent
    except (NotOnHand, ValueError) as reason:
        raise ConfigError(
            f"a teacher hf:NAME_OR_FOLDER must be a folder or a model of the hub that is on hand, got {name!r}: {reason}. "
            f"{HOW_TO_DOWNLOAD}, or give the path of its folder."
        ) from reason
    for file in (PREPROCESSING, CARD, *FOLDER_FILES):
        try:
            hub_file(name, file)
        except NotOnHand:
            continue  # not every model has each of them; what is missing is told when it is needed
        if file in FOLDER_FILES:
            return folder
    raise WeightsError(
        f"a teacher hf:{name} must have one of {list(FOLDER_FILES)} on the hub, found neither."
    )


def _config(folder: Path) -> Any:
    from transformers import AutoConfig

    try:
        return AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    except (OSError, ValueError, KeyError) as problem:
        raise ConfigError(
            f"a teacher hf:FOLDER must have the {CONFIG} of a model that transformers knows, but {folder}: {problem}."
        ) from problem


def _preprocessing(folder: Path) -> dict[str, Any]:
    path = folder / PREPROCESSING
    if not path.is_file():
        return {}
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except ValueError as problem:
        raise ConfigError(f"a teacher hf:FOLDER must have a readable {path}: {problem}.") from problem


FAMILY = family(build_encoder, inner="model", read=read_converted)
