"""Weights without silent substitutes: every key is accounted for, every byte can be pinned.

How files are read is `reading`, and how published keys are renamed is `layout`; here is what holds for any network.
"""

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from agglo.core.errors import WeightsError
from agglo.core.files import sha256_of, write_atomic, write_text
from agglo.teachers.entry import FROZEN_HASHES, read_frozen_hashes

NUM_NAMED_KEYS = 5


def fitting_problems(module: nn.Module, state: Mapping[str, Tensor]) -> list[str]:
    """Return why `state` cannot be copied into `module` key by key: absent keys, unknown ones, wrong shapes, wrong kinds."""
    expected = module.state_dict()
    shared = {key: value for key, value in expected.items() if key in state}
    problems = [
        _list_keys("absent keys", expected.keys() - state.keys()),
        _list_keys("unknown keys", state.keys() - expected.keys()),
        _list_keys(
            "wrong shapes",
            [
                f"{key} is {tuple(state[key].shape)}, must be {tuple(value.shape)}"
                for key, value in shared.items()
                if state[key].shape != value.shape
            ],
        ),
        _list_keys(
            "wrong kinds",
            [
                f"{key} is {state[key].dtype}, must be {value.dtype}"
                for key, value in shared.items()
                if state[key].is_floating_point() != value.is_floating_point()
            ],
        ),
    ]
    return [problem for problem in problems if problem]


def load_fitting(module: nn.Module, state: Mapping[str, Tensor], *, where: str) -> None:
    """Copy a state without `fitting_problems` into `module`. Half precision is widened.

    Raises:
        WeightsError: a value is not finite; nothing is loaded.
    """
    infinite = [
        key
        for key, value in state.items()
        if value.is_floating_point() and not bool(torch.isfinite(value.float()).all())
    ]
    if infinite:
        raise WeightsError(
            f"weights must be finite, but {where} has values that are not: {_list_keys('tensors', infinite)}; get it again."
        )
    module.load_state_dict({key: state[key].to(value.dtype) for key, value in module.state_dict().items()})


def load_strict(module: nn.Module, state: Mapping[str, Tensor], *, where: str) -> None:
    """Copy `state` into `module`: the same keys and the same shapes, or nothing is loaded. Half precision is widened.

    Raises:
        WeightsError: naming absent keys, unknown keys and wrong shapes, all in one message, or values that are not finite.
    """
    if problems := fitting_problems(module, state):
        raise WeightsError(
            f"weights must fit the model key by key; {where} does not: "
            + "; ".join(problems)
            + ". Check that the file belongs to this entry of the catalogue."
        )
    load_fitting(module, state, where=where)


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
