"""Where a run computes: what is settled before training is settled before scoring too."""

from collections.abc import Iterator

import pytest
import torch

from agglo.core.errors import ConfigError
from agglo.train import Device
from agglo.train.devices import wait_for


@pytest.fixture
def threads() -> Iterator[int]:
    """The number of threads before; it is restored."""
    before = torch.get_num_threads()
    yield before
    torch.set_num_threads(before)


def test_settling_sets_threads_and_keeps_fp32(threads: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", True)
    assert Device("cpu", threads=threads + 1).settle() == torch.device("cpu")
    assert torch.get_num_threads() == threads + 1
    assert not torch.backends.cudnn.allow_tf32
    Device("cpu").settle()
    assert torch.get_num_threads() == threads + 1


def test_a_device_that_is_not_there_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ConfigError, match=r"cuda is not on this machine \(there is: .*cpu"):
        Device("cuda").settle()


def test_a_gpu_is_waited_for_and_a_cpu_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[torch.device] = []
    monkeypatch.setattr(torch.cuda, "synchronize", waited.append)
    wait_for(torch.device("cpu"))
    assert waited == []
    wait_for(torch.device("cuda", 1))
    assert waited == [torch.device("cuda", 1)]
