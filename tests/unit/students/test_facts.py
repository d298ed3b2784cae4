"""Costs are counted, and agree with what can be counted by hand."""

import torch
from torch import nn

from agglo.students import count_macs, count_parameters

LAYERS = {  # name: (layer, parameters, multiply-adds at 8 px)
    "pointwise": (nn.Conv2d(3, 4, 1, bias=False), 12, 8 * 8 * 12),
    "strided": (nn.Conv2d(3, 4, 3, stride=2, padding=1), 112, 4 * 4 * 4 * 27),
    "norm": (nn.Sequential(nn.Conv2d(3, 2, 1), nn.BatchNorm2d(2)), 12, 8 * 8 * 6),
}


def test_counts_by_hand():
    for name, (layer, parameters, macs) in LAYERS.items():
        assert count_parameters(layer) == parameters, name
        assert count_macs(layer, input_px=8) == macs, name


def test_counting_leaves_mode_and_statistics_alone():
    model = nn.Sequential(nn.Conv2d(3, 2, 1), nn.BatchNorm2d(2)).train()
    count_macs(model, input_px=8)
    assert model.training
    torch.testing.assert_close(model[1].running_mean, torch.zeros(2))
