"""The model folder: `config.json`, `model.safetensors` and a model card. It loads anywhere, strictly, or says why not.

config.json         format version, version of Agglo, how to build the parts, structures, provenance; written last
model.safetensors   weights of student and decoder, and of the prompt decoder where there is one
README.md           the card
"""

from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, NamedTuple

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn

from agglo import __version__
from agglo.core.errors import ModelFolderError
from agglo.core.files import read_json, sha256_of, write_atomic, write_json, write_text
from agglo.decoders import Decoder, PromptDecoder, build_decoder
from agglo.students import Student, build_student

FORMAT_VERSION = 1
EXPECTS = {
    "as_is": "",
    "bone_black": ", in which bone is dark (of others say so: `predict(image, is_inverted=True)`, `agglo predict --invert`)",
}


@dataclass(frozen=True)
class ModelConfig:
    """What a model is, JSON-like.

    Attributes:
        name: of the run that made it.
        student: `name`, `neck`, `embed_dim` of `students.build_student`.
        decoder: keyword arguments of `decoders.build_decoder`.
        prompts: those of `decoders.PromptDecoder`; None for a model that cannot be prompted.
        structures: what its masks show, in order.
        input_px: side of the square input.
        mean, std: per channel, in units of [0, 1] intensity.
        polarity: `bone_black` if it expects pictures in which bone is dark; `as_is` if it was trained on whatever its dataset gave.
        threshold: probability over which a pixel belongs to a structure.
        presence_threshold: probability of being there under which a structure's mask is empty; means nothing to a decoder that does
            not tell presence.
        notes: shown on every overlay; among them that it is for research only.
        teachers: what it was distilled from: name, licence, labels seen.
        provenance: dataset, seed, where the student began.
    """

    name: str
    student: dict[str, Any]
    decoder: dict[str, Any]
    structures: tuple[str, ...]
    input_px: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    polarity: str = "as_is"
    threshold: float = 0.5
    presence_threshold: float = 0.5
    notes: tuple[str, ...] = ("Research use only, not a medical device",)
    teachers: tuple[dict[str, Any], ...] = ()
    provenance: dict[str, Any] = field(default_factory=dict)
    prompts: dict[str, Any] | None = None


class Model(NamedTuple):
    """What a model folder holds."""

    student: Student
    decoder: Decoder
    config: ModelConfig
    prompts: PromptDecoder | None = None


def save_model(folder: Path, model: Model) -> Path:
    """Write a model folder; `config.json`, without which it does not load, comes last."""
    config = model.config
    state = {name: tensor.detach().cpu().contiguous() for name, tensor in _parts(model).state_dict().items()}
    weights = folder / "model.safetensors"
    write_atomic(weights, lambda temporary: save_file(state, temporary))
    write_text(folder / "README.md", _card(config))
    content = {
        "format_version": FORMAT_VERSION,
        "agglo_version": __version__,
        **asdict(config),
        "weights_sha256": sha256_of(weights),
    }
    write_json(folder / "config.json", content)
    return folder


def load_model(folder: Path) -> Model:
    """Read a model folder; all parts come in eval mode.

    Raises:
        ModelFolderError: it is not there, of an unknown format, incomplete, or its weights are not those it was saved with.
    """
    content = _read_config(folder)
    weights = folder / "model.safetensors"
    content.pop("agglo_version", None)  # for people: what can be read is a matter of the format
    recorded = content.pop("weights_sha256", None)
    if not weights.exists() or sha256_of(weights) != recorded:
        state = "is absent" if not weights.exists() else "was altered or cut off"
        raise ModelFolderError(
            f"{weights} must be the file that {folder.name} was saved with, but it {state}; copy the folder anew"
        )
    config = _as_config(folder, content)
    prompts = None if config.prompts is None else PromptDecoder(**config.prompts)
    model = Model(build_student(**config.student), build_decoder(**config.decoder), config, prompts)
    parts = _parts(model).eval()
    try:
        parts.load_state_dict(load_file(weights))
    except (RuntimeError, SafetensorError) as problem:
        raise ModelFolderError(f"{weights} does not fit {folder / 'config.json'}: {problem}") from None
    return model


def model_sha256(folder: Path) -> str:
    """Return the SHA-256 of a model folder's `config.json`, thresholds and all; it states that of the weights, which `load_model`
    checks."""
    return sha256_of(folder / "config.json")


def _parts(model: Model) -> nn.ModuleDict:
    parts = nn.ModuleDict({"student": model.student, "decoder": model.decoder})
    if model.prompts is not None:
        parts["prompts"] = model.prompts
    return parts


def _read_config(folder: Path) -> dict[str, Any]:
    path = folder / "config.json"
    if not path.exists():
        raise ModelFolderError(
            f"{folder} must be a model folder, but has no config.json; `agglo run RECIPE` makes one in RUN/model"
        )
    try:
        content: dict[str, Any] = read_json(path)
    except ValueError as problem:
        raise ModelFolderError(f"{path} must be JSON, but cannot be read: {problem}") from None
    version = content.pop("format_version", None)
    if version != FORMAT_VERSION:
        raise ModelFolderError(
            f"{path} has format_version {version}, this version of Agglo reads {FORMAT_VERSION}; "
            "update Agglo or save the model anew"
        )
    return content


def _as_config(folder: Path, content: dict[str, Any]) -> ModelConfig:
    known = {item.name for item in fields(ModelConfig)}
    required = {"name", "student", "decoder", "structures", "input_px", "mean", "std"}
    missing, unknown = sorted(required - content.keys()), sorted(content.keys() - known)
    if missing or unknown:
        raise ModelFolderError(
            f"{folder / 'config.json'} must have the keys of a model, but lacks {missing} and has unknown {unknown}"
        )
    lists = {"structures", "mean", "std", "notes", "teachers"}
    for options in (content["decoder"], content.get("prompts") or {}):
        if options.get("high_res_dims") is not None:
            options["high_res_dims"] = tuple(options["high_res_dims"])
    values: dict[str, Any] = {key: tuple(value) if key in lists else value for key, value in content.items()}
    return ModelConfig(**values)


def _card(config: ModelConfig) -> str:
    teachers = "\n".join(_card_line(teacher) for teacher in config.teachers)
    return (
        f"# {config.name}\n\n"
        f"Segments {len(config.structures)} structures ({', '.join(config.structures)}) in grey images, "
        f"letterboxed to {config.input_px} px{EXPECTS[config.polarity]}. {'. '.join(config.notes)}.\n\n"
        f"Student `{config.student['name']}` (neck `{config.student['neck']}`) with a {_kind_of(config)} structure decoder"
        f"{'' if config.prompts is None else ' and a decoder for boxes and clicks'}.\n\n"
        f"## Teachers\n\n{teachers or 'None: trained on masks alone.'}\n\n"
        "## Use\n\n```python\nimport agglo\n\n"
        'masks = agglo.load("THIS_FOLDER").predict(image)  # {structure: bool [H, W]}\n```\n\n'
        f"## Made from\n\n- agglo: {__version__}\n"
        + "".join(f"- {key}: {value}\n" for key, value in config.provenance.items())
    )


def _kind_of(config: ModelConfig) -> str:
    return "light" if config.decoder.get("kind") == "light" else "one-pass"


def _card_line(teacher: dict[str, Any]) -> str:
    """Return a teacher's line of the card: its licence, what may restrict a student of it, and what it has seen."""
    restriction = teacher.get("restriction")
    return (
        f"- {teacher['name']}: licence {teacher['licence']}"
        + (f"; MAY RESTRICT THIS MODEL: {restriction}" if restriction else "")
        + f"; labels it has seen: {teacher['labels_seen']}"
    )
