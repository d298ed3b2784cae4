"""Reading and writing weights without silent substitutes: every key is accounted for, every byte can be pinned.

Files are `safetensors`, or torch archives read with `weights_only=True` (nothing in them is ever executed). Renaming keys of a
published layout is the business of each family; here is only what holds for all of them.
"""

import hashlib
import pickle
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from agglo.core.errors import WeightsError
from agglo.core.files import sha256_of, write_atomic, write_text
from agglo.teachers.catalogue import FROZEN_HASHES, read_frozen_hashes

FOLDER_FILES = ("model.safetensors", "pytorch_model.bin")
NUM_NAMED_KEYS = 5


def find_weights_file(path: Path) -> Path:
    """Return `path` if it is a file, else the weights file inside the folder `path`.

    Raises:
        WeightsError: if there is neither.
    """
    if path.is_file():
        return path
    candidates = [path / name for name in FOLDER_FILES if (path / name).is_file()]
    if not candidates:
        raise WeightsError(
            f"weights must be a .safetensors, .pt, .pth or .bin file, or a folder with one of {list(FOLDER_FILES)}; "
            f"found neither at {path}. Check the path."
        )
    return candidates[0]


def read_state(file: Path) -> dict[str, Tensor]:
    """Read a flat state from a file; a wrapper such as `{"model": state, "epoch": 3}` is opened.

    Raises:
        WeightsError: if the file cannot be read safely, or holds no tensors by name.
    """
    try:
        if file.suffix == ".safetensors":
            return load_file(file)
        content = torch.load(file, map_location="cpu", weights_only=True)
    except (
        SafetensorError,
        pickle.UnpicklingError,
        zipfile.BadZipFile,
        RuntimeError,
        EOFError,
        OSError,
    ) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise WeightsError(
            f"weights must be readable as plain tensors, but {file} is not: {reason}. Download it again, or save its "
            "state dictionary with safetensors."
        ) from error
    for wrapper in ("model", "state_dict"):
        if isinstance(content, Mapping) and isinstance(content.get(wrapper), Mapping):
            content = content[wrapper]
    if not isinstance(content, Mapping) or not all(isinstance(value, Tensor) for value in content.values()):
        raise WeightsError(
            f"weights must be a mapping of names to tensors, but {file} holds {_describe(content)}."
        )
    return dict(content)


def _describe(content: object) -> str:
    if isinstance(content, Mapping):
        others = sorted(str(key) for key, value in content.items() if not isinstance(value, Tensor))
        return f"entries that are no tensors: {others[:NUM_NAMED_KEYS]}"
    return f"a {type(content).__name__}"


def load_strict(module: nn.Module, state: Mapping[str, Tensor], *, where: str) -> None:
    """Copy `state` into `module`: the same keys and the same shapes, or nothing is loaded. Half precision is widened.

    Raises:
        WeightsError: naming absent keys, unknown keys and wrong shapes, all in one message.
    """
    expected = module.state_dict()
    problems = [
        _list_keys("absent keys", expected.keys() - state.keys()),
        _list_keys("unknown keys", state.keys() - expected.keys()),
        _list_keys(
            "wrong shapes",
            [
                f"{key} is {tuple(state[key].shape)}, must be {tuple(value.shape)}"
                for key, value in expected.items()
                if key in state and state[key].shape != value.shape
            ],
        ),
    ]
    found = [problem for problem in problems if problem]
    if found:
        raise WeightsError(
            f"weights must fit the model key by key; {where} does not: "
            + "; ".join(found)
            + ". Check that the file belongs to this entry of the catalogue."
        )
    module.load_state_dict({key: state[key].to(value.dtype) for key, value in expected.items()})


def _list_keys(label: str, keys: Iterable[str]) -> str:
    names = sorted(keys)
    if not names:
        return ""
    more = f" and {len(names) - NUM_NAMED_KEYS} more" if len(names) > NUM_NAMED_KEYS else ""
    return f"{len(names)} {label} ({', '.join(names[:NUM_NAMED_KEYS])}{more})"


def check_sha256(file: Path, expected: str) -> None:
    """Raise `WeightsError` unless the bytes of `file` have the SHA-256 `expected`."""
    found = sha256_of(file)
    if found != expected:
        raise WeightsError(
            f"{file} must have the SHA-256 {expected}, found {found}: it is damaged or was changed after it was frozen. "
            "Get it again, or give another file as `weights`."
        )


def save_weights(path: Path, module: nn.Module, *, metadata: Mapping[str, str]) -> None:
    """Write the state of `module` as a half-precision safetensors file, whole or not at all; integers stay as they are.

    Raises:
        WeightsError: if a value is not finite in half precision.
    """
    state = {
        key: (value.detach().half() if value.is_floating_point() else value.detach()).cpu().contiguous()
        for key, value in module.state_dict().items()
    }
    infinite = sorted(key for key, value in state.items() if not bool(torch.isfinite(value).all()))
    if infinite:
        raise WeightsError(
            f"weights must be finite in half precision, but these are not: {infinite}; train again."
        )
    write_atomic(path, lambda temporary: save_file(state, temporary, metadata=dict(metadata)))


def freeze_file(file: Path) -> str:
    """Enter the SHA-256 of `file` into the list `SHA256SUMS` beside it, and return it: from now on the file is pinned."""
    hashes = file.with_name(FROZEN_HASHES)
    digests = read_frozen_hashes(hashes) | {file.name: sha256_of(file)}
    write_text(hashes, "".join(f"{digest}  {name}\n" for name, digest in sorted(digests.items())))
    return digests[file.name]


def state_sha256(module: nn.Module) -> str:
    """Return a SHA-256 of names, shapes, types and bytes of a module's state: the identity of weights, whatever their file."""
    digest = hashlib.sha256()
    for key, value in sorted(module.state_dict().items()):
        tensor: Any = value.detach().cpu().contiguous()
        digest.update(f"{key}|{tuple(tensor.shape)}|{tensor.dtype}|".encode())
        digest.update(tensor.view(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
