"""Small ComGANs of every kind, and what feeds and steps them, for the plugin's tests."""

import torch

from lgbench import World
from lgbench.game import Step
from lgbench_comgan.config import ComGANCodesConfig, ComGANConfig, DSComGANConfig, Pi2Config
from lgbench_comgan.model import ComGAN, DSComGAN, Pi1, Pi2, SimpleGAN

WORLD = World(32)
CODES = 7
PAINTERS = {
    "simplegan": lambda world=WORLD, g=8: SimpleGAN(ComGANConfig(g=g), world),
    "pi1": lambda world=WORLD, g=8: Pi1(ComGANConfig(g=g), world),
    "pi2": lambda world=WORLD, g=8: Pi2(Pi2Config(g=g), world),
    "pi2-bare": lambda world=WORLD, g=8: Pi2(Pi2Config(g=g, subnet="none"), world),
    "pi2-own-z": lambda world=WORLD, g=8: Pi2(Pi2Config(g=g, shared_z=False), world),
    "comgan": lambda world=WORLD, g=8: ComGAN(ComGANCodesConfig(g=g), world),
    "dscomgan": lambda world=WORLD, g=8: DSComGAN(DSComGANConfig(g=g, n_codes=CODES), world),
    "dscomgan-last": lambda world=WORLD, g=8: DSComGAN(
        DSComGANConfig(g=g, n_codes=CODES, features="last", use_xz=False), world
    ),
}


def images(n=4, side=32):
    return torch.rand(n, 3, side, side) * 2 - 1


def painted(painter, codes=None, n=4):
    """Layers without a graph, in eval mode, and their codes."""
    codes = codes or painter.codes(n)
    with torch.no_grad():
        return painter.eval()(codes), codes


def step_of(layers, real=None):
    return Step(0, images(len(layers.image)) if real is None else real, layers, layers, paint=lambda: (layers, layers))
