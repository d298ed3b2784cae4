"""What every student promises to whoever trains and keeps it: bit-equal resume, round trips, exact arithmetic where it matters."""

import pytest
import torch
from timm.models.efficientvit_mit import LiteMLA

from agglo.align import AlignTask, EncoderTuning
from agglo.decoders import StructureDecoder
from agglo.predict import Model, ModelConfig, load_model, save_model
from agglo.students import CATALOGUE, build_student
from agglo.train import Device, Place, Plan, fit
from contracts.narrow import narrow

PLAN = Plan(steps=4, batch_size=2, learning_rate=0.01, warmup_steps=1, ema_decay=0.9, checkpoint_every_s=0.0)
DECODER = {"num_structures": 2, "embed_dim": 16, "grid_stride": 16, "high_res_dims": None}


class Noise:
    """Six random pictures with random masks."""

    def __len__(self):
        return 6

    def sample(self, index, turn):
        generator = torch.Generator().manual_seed(10 * turn + index)
        return {
            "grey": torch.rand(64, 64, generator=generator),
            "coverage": torch.rand(2, 32, 32, generator=generator),
            "inside": torch.ones(32, 32),
            "known": torch.tensor([True, index != 3]),
        }


def make_task(name):
    student = narrow(name)
    return AlignTask(
        student, StructureDecoder(**DECODER), encoder=EncoderTuning(tuned_from=0, norms="trained")
    )


def die_at_step_2(module, inputs):
    if inputs[1] == 2:
        raise KeyboardInterrupt


@pytest.mark.parametrize("name", CATALOGUE)
def test_an_interrupted_training_ends_in_the_same_bits(name, tmp_path):
    device = Device(accelerator="cpu", threads=1)
    whole, cut, resumed = (make_task(name) for _ in range(3))
    fit(whole, Noise(), PLAN, Place(tmp_path / "whole", device=device))
    cut.register_forward_pre_hook(die_at_step_2)
    with pytest.raises(KeyboardInterrupt):
        fit(cut, Noise(), PLAN, Place(tmp_path / "cut", device=device))
    fit(resumed, Noise(), PLAN, Place(tmp_path / "cut", device=device))
    begun = make_task(name).state_dict()
    for key, value in whole.state_dict().items():
        assert torch.equal(value, resumed.state_dict()[key]), key
    assert not torch.equal(whole.state_dict()["student.neck.norm.weight"], begun["student.neck.norm.weight"])


@pytest.mark.parametrize("name", CATALOGUE)
@torch.no_grad()
def test_a_model_folder_gives_the_same_student_back(name, tmp_path):
    student, decoder = build_student(name, embed_dim=16).eval(), StructureDecoder(**DECODER).eval()
    entry = student.entry
    config = ModelConfig("test", student.arguments, DECODER, ("a", "b"), 64, entry.mean, entry.std)
    model = load_model(save_model(tmp_path / "model", Model(student, decoder, config)))
    loaded, found = model.student, model.config
    assert found.student == student.arguments
    images = torch.randn(2, 3, 64, 64)
    for own, again in zip(student(images), loaded(images), strict=True):
        assert torch.equal(own, again)


@torch.no_grad()
def test_linear_attention_is_computed_in_float32_under_autocast(monkeypatch):
    """Its sums over all cells, and the division by one of them, do not bear eight bits of mantissa."""
    student = narrow("efficientvit").eval()
    seen = []
    products = LiteMLA._attn

    def spy(self, q, k, v):
        seen.append(torch.is_autocast_enabled("cpu"))
        found = products(self, q, k, v)
        assert torch.equal(found, in_float32(q, k, v, self.eps).to(found.dtype))
        return found

    monkeypatch.setattr(LiteMLA, "_attn", spy)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        student(torch.randn(2, 3, 64, 64))
    assert seen == [False]


def in_float32(q, k, v, eps):
    q, k, v = q.float(), k.float(), v.float()
    out = q @ (k.transpose(-1, -2) @ v)
    return out[..., :-1] / (out[..., -1:] + eps)
