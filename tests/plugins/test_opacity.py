"""What squashes masks leaves autocast first: in bf16 a foreground that is sure of itself would never learn again."""

from __future__ import annotations

import pytest
import torch
from milgan_worlds import recipe_of
from torch.overrides import TorchFunctionMode

from lgbench import ImageSpec
from lgbench.layers import Batch
from lgbench.nn import opacity
from lgbench.plugins import registry

SIDE, SURE = 32, 8.0

SWITCHES = {
    "lrgan": [{}, {"generator.conditional": True}, {"generator.transform": "none"}],
    "perturbgan": [{}, {"generator.backbone": "dcgan"}, {"generator.heads": "comgan"}],
    "perturbgan-full": [{"generator.width": 16, "generator.nz": 16}],
    "pi2": [{}, {"generator.subnet": "none"}],
    "comgan": [{}, {"generator.n_codes": 5}],
}
"""Settings under which a method's generator squashes its masks elsewhere; of all others, the preset's."""

LAYERED = [
    (name, settings)
    for name, method in registry().methods.items()
    if registry().generator_of(method).layered
    for settings in SWITCHES.get(name, [{}])
]
SQUASHES = ("sigmoid", "expit", "softmax")


class Sure(TorchFunctionMode):
    """Whatever squashes a mask gets logits of `SURE` in their own type; `logits` keeps them, with their gradients."""

    def __init__(self) -> None:
        super().__init__()
        self.logits: list[torch.Tensor] = []

    def __torch_function__(self, func, types, args=(), kwargs=None):
        if squashes_a_mask(func.__name__.removesuffix("_"), args):
            sure = (args[0].detach() * 0 + SURE).requires_grad_()
            self.logits.append(sure)
            args = (sure, *args[1:])
        return func(*args, **(kwargs or {}))


def squashes_a_mask(name, args):
    """Whether a call squashes maps of the image's size; a gated unit's sigmoid has many channels."""
    if name not in SQUASHES or args[0].ndim < 4 or args[0].shape[-1] != SIDE:
        return False
    return name == "softmax" or args[0].shape[-3] == 1


@pytest.mark.parametrize(("method", "settings"), LAYERED, ids=str)
def test_a_sure_mask_still_learns_under_autocast(method, settings):
    torch.manual_seed(0)
    recipe = recipe_of(method, settings)
    spec = ImageSpec(SIDE, classes=10, segments=3, attributes=4)
    painter = recipe.generator.build(recipe.generator_config, spec)
    maps = torch.zeros(2, SIDE, SIDE, dtype=torch.uint8)
    given = Batch(torch.rand(2, 3, SIDE, SIDE), segments=maps, attributes=torch.zeros(2, 4), labels=torch.arange(2))
    with torch.autocast("cpu", torch.bfloat16), Sure() as sure:
        layers = painter(painter.codes(2, given))
    assert sure.logits, "no sigmoid of a mask was met: does this generator squash it in another way?"
    assert layers.alphas.dtype == torch.float32
    layers.alphas.sum().backward()
    for logits in sure.logits:
        assert logits.grad is not None
        assert logits.grad.abs().max() > 0


def test_without_autocast_an_opacity_is_the_sigmoid_to_the_last_bit():
    logits = 20 * torch.randn(1000)
    assert torch.equal(opacity(logits), torch.sigmoid(logits))


def test_with_autocast_it_is_that_of_the_logits_that_came():
    logits = torch.tensor([-8.0, 0.3, 6.5, 8.0, 12.0], dtype=torch.bfloat16, requires_grad=True)
    with torch.autocast("cpu", torch.bfloat16):
        alpha = opacity(logits)
    alpha.sum().backward()
    assert torch.equal(alpha, torch.sigmoid(logits.float()))
    assert (alpha < 1).all()
    assert (logits.grad > 0).all()
