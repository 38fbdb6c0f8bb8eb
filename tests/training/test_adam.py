"""The engine's Adam is torch's, bit for bit, in every layout."""

import pytest
import torch
from torch import nn

from lgbench.training.player import Adam


@pytest.mark.parametrize("layout", [torch.channels_last, torch.contiguous_format], ids=["channels last", "plain"])
def test_adam_makes_torchs_steps_and_keeps_averages_that_torchs_can_go_on_with(layout):
    torch.manual_seed(0)
    networks = [nn.Sequential(nn.Conv2d(3, 7, 4), nn.Conv2d(7, 5, 1), nn.Linear(4, 2)) for _ in range(2)]
    for network in networks:
        network.load_state_dict(networks[0].state_dict())
        network.to(memory_format=layout)
    optimizers = [
        kind(network.parameters(), lr=0.1, fused=True)
        for kind, network in zip((Adam, torch.optim.Adam), networks, strict=True)
    ]
    for turn in range(4):
        if turn == 2:  # each goes on from what the other kept
            states = [optimizer.state_dict() for optimizer in optimizers]
            for optimizer, state in zip(optimizers, reversed(states), strict=True):
                optimizer.load_state_dict(state)
        for ours, theirs in zip(*(network.parameters() for network in networks), strict=True):
            ours.grad = torch.randn_like(ours)
            theirs.grad = ours.grad.clone()
        for optimizer in optimizers:
            optimizer.step()
        for ours, theirs in zip(*(network.parameters() for network in networks), strict=True):
            assert torch.equal(ours, theirs)
