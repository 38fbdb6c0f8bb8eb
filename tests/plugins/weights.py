"""What a network holds, copied aside, to tell whether a step changed it."""

import torch


def weights(network):
    """Copies of its parameters, by name."""
    return {name: p.detach().clone() for name, p in network.named_parameters()}


def state(network):
    """The same with its buffers."""
    return {name: tensor.clone() for name, tensor in network.state_dict().items()}


def same(before, after):
    """Whether two such copies are equal to the last bit."""
    return before.keys() == after.keys() and all(torch.equal(before[name], after[name]) for name in before)
