"""Where a student's first weights come from: ImageNet weights of its backbone, or a file; strictly, and on record.

Every key of a file is either loaded or dropped for a reason that stands in the catalogue; a key that is neither is refused. The
network is asked only where `HF_HUB_OFFLINE=0` says so.
"""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file
from torch import Tensor, nn

from agglo.core.errors import WeightsError
from agglo.core.files import sha256_of
from agglo.core.hub import HOW_TO_DOWNLOAD, NotOnHand, hub_file
from agglo.students.catalogue import StudentEntry

if TYPE_CHECKING:
    from agglo.students.student import Student

FILE = "model.safetensors"
NUM_NAMED_KEYS = 4
BESIDE_BACKBONE = ("neck",)
"""What of a student a backbone's weights leave random."""
DECODER = "the decoder of a model, which is no part of a student"
DECODERS = ("decoder.", "prompts.")


@dataclass(frozen=True)
class Origin:
    """Where a student's first weights came from.

    Attributes:
        init: `random`, `imagenet` or `file`.
        source: the hub's repository, or the name of the file; None for random weights.
        sha256: of the file.
        num_loaded: tensors taken from it.
        dropped: keys that were not taken, by the start that they share: how many, and why.
        random: parts of the student that kept random weights.
    """

    init: str = "random"
    source: str | None = None
    sha256: str | None = None
    num_loaded: int = 0
    dropped: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    random: tuple[str, ...] = ("encoder", "neck")

    def as_facts(self) -> dict[str, Any]:
        """Return it JSON-like, for the facts of a run."""
        return {**asdict(self), "random": list(self.random)}

    @classmethod
    def of_facts(cls, facts: Mapping[str, Any]) -> "Origin":
        """Return what `as_facts` wrote."""
        return cls(**{**facts, "random": tuple(facts["random"])})

    def in_words(self) -> str:
        """Return it as one line, for a model card."""
        if self.source is None:
            return "random weights"
        losses = [
            f"without {fact['tensors']} of {start}* ({fact['why']})" for start, fact in self.dropped.items()
        ]
        random = [f"{' and '.join(self.random)} random"] if self.random else []
        return "; ".join(
            [f"{self.init} {self.source}, sha256 {self.sha256}: {self.num_loaded} tensors", *losses, *random]
        )


def locate(entry: StudentEntry, init: str | Path, *, may_download: bool = True) -> Path | None:
    """Return the file that `init` means, None for random weights; the hub is asked only if `HF_HUB_OFFLINE=0` as well.

    Raises:
        WeightsError: there is no such file; the message says how to get it.
    """
    if init == "random":
        return None
    if init == "imagenet":
        return _imagenet_file(entry, may_download=may_download)
    path = Path(init)
    found = path / FILE if path.is_dir() else path
    if not found.is_file():
        raise WeightsError(
            f"init must be random, imagenet, a model folder, or the safetensors file of a student, of a model folder or of "
            f"timm's {entry.backbone}, got {init}: there is no file {found}; check the path."
        )
    return found


def load_into(student: "Student", init: str | Path) -> Origin:
    """Fill `student` with the weights that `init` means; say what was loaded, and what was dropped and why.

    A file holds a whole student, a model folder's student and decoder, or timm's backbone alone: its keys tell which.

    Raises:
        WeightsError: no such weights, or they do not fit key by key.
    """
    file = locate(student.entry, init)
    if file is None:
        return Origin()
    state = _read(file)
    source = student.entry.imagenet if init == "imagenet" else file.name
    is_backbone = init == "imagenet" or _is_backbone(state)
    target: nn.Module = student.encoder.backbone if is_backbone else student
    reasons = student.entry.imagenet_dropped if is_backbone else dict.fromkeys(DECODERS, DECODER)
    kept, dropped = _part(state, reasons)
    expected = target.state_dict()
    _load(target, {_own_key(key, expected): value for key, value in kept.items()}, student, file)
    return Origin(
        init="imagenet" if init == "imagenet" else "file",
        source=source,
        sha256=sha256_of(file),
        num_loaded=len(kept),
        dropped=dropped,
        random=BESIDE_BACKBONE if is_backbone else (),
    )


def left_random(entry: StudentEntry, init: str | Path) -> tuple[str, ...]:
    """Return the parts of a student that keep random weights with `init`, as its `Origin` will say; looks at a file's keys only.

    Raises:
        WeightsError: there is no such file, or it cannot be read.
    """
    if init == "imagenet":
        return BESIDE_BACKBONE
    file = locate(entry, init)
    if file is None:
        return Origin().random
    try:
        with safe_open(file, framework="pt") as kept:
            return BESIDE_BACKBONE if _is_backbone(kept.keys()) else ()
    except (SafetensorError, OSError) as error:
        raise _unreadable(file, error) from error


def _is_backbone(keys: Iterable[str]) -> bool:
    """Return whether keys are those of timm's backbone alone."""
    return not any(key.startswith(("encoder.", "neck.", "student.")) for key in keys)


def _imagenet_file(entry: StudentEntry, *, may_download: bool) -> Path:
    """Return timm's weights of the backbone from the local cache of the hub, or from the hub if the user asks for that."""
    try:
        return hub_file(entry.imagenet, FILE, may_download=may_download)
    except NotOnHand as reason:
        raise WeightsError(
            f"init: imagenet needs timm's weights of {entry.backbone} ({FILE} of {entry.imagenet} on the Hugging Face hub), "
            f"but {reason}. {HOW_TO_DOWNLOAD}, or fetch that file by other means and give its path as init, or choose "
            "init: random."
        ) from reason


def _read(file: Path) -> dict[str, Tensor]:
    try:
        return load_file(file)
    except (SafetensorError, OSError) as error:
        raise _unreadable(file, error) from error


def _unreadable(file: Path, error: Exception) -> WeightsError:
    return WeightsError(
        f"init must be a safetensors file, but {file} cannot be read as one ({error}); get or save it again."
    )


def _part(
    state: Mapping[str, Tensor], reasons: Mapping[str, str]
) -> tuple[dict[str, Tensor], dict[str, dict[str, Any]]]:
    """Return what is to be loaded, and what is left out by which reason."""
    kept: dict[str, Tensor] = {}
    dropped: dict[str, dict[str, Any]] = {}
    for key, value in state.items():
        start = next((start for start in reasons if key.startswith(start)), None)
        if start is None:
            kept[key] = value
        else:
            dropped.setdefault(start, {"tensors": 0, "why": reasons[start]})["tensors"] += 1
    return kept, dropped


def _own_key(key: str, expected: Mapping[str, Tensor]) -> str:
    """Return the key under which a student keeps what a file calls `key`.

    A model folder puts `student.` before it; timm's whole models write `stages.0` where its feature extractors write `stages_0`.
    """
    for own in (key, key.removeprefix("student."), key.replace(".", "_", 1)):
        if own in expected:
            return own
    return key


def _load(target: nn.Module, state: Mapping[str, Tensor], student: "Student", file: Path) -> None:
    """Copy `state` into `target`: the same keys and shapes, or nothing is loaded."""
    expected = target.state_dict()
    shapes = [
        f"{key} is {tuple(state[key].shape)}, must be {tuple(value.shape)}"
        for key, value in expected.items()
        if key in state and state[key].shape != value.shape
    ]
    lists = {
        "absent": sorted(expected.keys() - state.keys()),
        "unknown": sorted(state.keys() - expected.keys()),
        "of another shape": shapes,
    }
    problems = [
        f"{len(names)} {what} ({', '.join(names[:NUM_NAMED_KEYS])}{', …' if len(names) > NUM_NAMED_KEYS else ''})"
        for what, names in lists.items()
        if names
    ]
    if problems:
        raise WeightsError(
            f"weights must fit student {student.entry.name} with neck {student.neck_name} key by key; {file} does not: "
            f"{'; '.join(problems)}. Check name, neck and embed_dim."
        )
    target.load_state_dict(state)
