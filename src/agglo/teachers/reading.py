"""Reading weights files without running anything that is in them; what cannot be read so is refused in one sentence.

What a file is, its first bytes tell, not its name: safetensors, or a torch archive that is read with `weights_only=True`.
"""

import re
import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor

from agglo.core.errors import WeightsError

FOLDER_FILES = ("model.safetensors", "pytorch_model.bin")
SHARDS = tuple(f"{name}.index.json" for name in FOLDER_FILES)
WRAPPERS = ("model", "state_dict")
NUM_NAMED_KEYS = 5

_BEGINNINGS = {
    b"version https://git-lfs": "it is only a pointer of Git LFS, not the file itself; fetch it with `git lfs pull`",
    b"<": "it is a web page, as a failed download leaves it; download the file itself",
}


def find_weights_file(path: Path) -> Path:
    """Return `path` if it is a file, else the weights file inside the folder `path`.

    Raises:
        WeightsError: if there is neither.
    """
    if path.is_file():
        return path
    candidates = [path / name for name in FOLDER_FILES if (path / name).is_file()]
    if candidates:
        return candidates[0]
    if any((path / name).is_file() for name in SHARDS):
        raise WeightsError(
            f"weights must be one file, but {path} holds them in several shards; save them as one model.safetensors "
            "(`save_pretrained(..., max_shard_size='100GB')`)."
        )
    raise WeightsError(
        f"weights must be a .safetensors, .pt, .pth or .bin file, or a folder with one of {list(FOLDER_FILES)}; "
        f"found neither at {path}. Check the path."
    )


def read_state(file: Path) -> dict[str, Tensor]:
    """Read a flat state from a file; a wrapper such as `{"model": state, "epoch": 3}` is opened.

    Raises:
        WeightsError: if the file cannot be read safely, or holds no tensors by name.
    """
    content = _read(file)
    for wrapper in WRAPPERS:
        if isinstance(content, Mapping) and isinstance(content.get(wrapper), Mapping):
            content = content[wrapper]
    if not isinstance(content, Mapping) or not content:
        raise WeightsError(
            f"weights must be a mapping of names to tensors, but {file} holds {_describe(content)}."
        )
    if not all(isinstance(key, str) and isinstance(value, Tensor) for key, value in content.items()):
        raise WeightsError(
            f"weights must be a mapping of names to tensors, but {file} holds {_describe(content)}."
        )
    return dict(content)


def _read(file: Path) -> object:
    """Return what is in a file, as plain data."""
    try:
        with file.open("rb") as opened:
            head = opened.read(4096)
        known = _known_fault(file, head)
        if known is None:
            if file.suffix == ".safetensors" or head[8:9] == b"{":
                return load_file(file)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of files that are refused anyway
                return torch.load(file, map_location="cpu", weights_only=True)
        error: Exception | None = None
        reason = known
    except (
        Exception
    ) as caught:  # broken bytes make the readers raise a dozen kinds: each says the same of the file
        error, reason = caught, _reason(caught)
    raise WeightsError(
        f"weights must be readable as plain tensors, but {file} is not: {reason}. Download it again, or save its "
        "state dictionary with safetensors."
    ) from error


def _known_fault(file: Path, head: bytes) -> str | None:
    """Return what the first bytes say is wrong, if they do."""
    if not head:
        return "it is empty"
    for beginning, fault in _BEGINNINGS.items():
        if head.lstrip().startswith(beginning):
            return fault
    is_text = not any(byte < 9 or byte > 126 for byte in head)
    if is_text and head[8:9] != b"{":
        return "it is a text file"
    if head.startswith(b"PK") and not zipfile.is_zipfile(file):
        return "it is cut off"
    return None


def _reason(error: Exception) -> str:
    """Return in a few words why a file could not be read."""
    text = " ".join(str(error).split())
    if wanted := re.search(r"GLOBAL ([\w.]+) was not an allowed", text):
        return (
            f"it is a pickle that asks for more than tensors ({wanted[1]}), and nothing in a file is ever run"
        )
    if "TorchScript" in text:
        return "it is a TorchScript archive, which holds code, and nothing in a file is ever run"
    if text.startswith("Weights only load failed"):
        return "it is no archive of plain tensors"
    return text[:200].rstrip(".") or type(error).__name__


def _describe(content: object) -> str:
    if not isinstance(content, Mapping):
        return f"a {type(content).__name__}"
    others = sorted(str(key) for key, value in content.items() if not isinstance(value, Tensor))
    return f"entries that are no tensors: {others[:NUM_NAMED_KEYS]}" if others else "nothing"
