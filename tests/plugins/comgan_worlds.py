"""Small ComGANs of every kind, and what feeds and steps them, for the plugin's tests."""

import torch

from lgbench import ImageSpec
from lgbench.game import Step
from lgbench.layers import Batch
from lgbench_comgan.config import ComGANCodesConfig, ComGANConfig, DSComGANConfig, Pi2Config
from lgbench_comgan.model import ComGAN, DSComGAN, Pi1, Pi2, SimpleGAN

SPEC = ImageSpec(32)
CODES = 7
PAINTERS = {
    "simplegan": lambda spec=SPEC, g=8: SimpleGAN(ComGANConfig(g=g), spec),
    "pi1": lambda spec=SPEC, g=8: Pi1(ComGANConfig(g=g), spec),
    "pi2": lambda spec=SPEC, g=8: Pi2(Pi2Config(g=g), spec),
    "pi2-bare": lambda spec=SPEC, g=8: Pi2(Pi2Config(g=g, subnet="none"), spec),
    "pi2-own-z": lambda spec=SPEC, g=8: Pi2(Pi2Config(g=g, shared_z=False), spec),
    "comgan": lambda spec=SPEC, g=8: ComGAN(ComGANCodesConfig(g=g), spec),
    "dscomgan": lambda spec=SPEC, g=8: DSComGAN(DSComGANConfig(g=g, n_codes=CODES), spec),
    "dscomgan-last": lambda spec=SPEC, g=8: DSComGAN(
        DSComGANConfig(g=g, n_codes=CODES, features="last", use_xz=False), spec
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
    real = images(len(layers.image)) if real is None else real
    return Step(0, Batch(real), layers, layers, paint=lambda: (layers, layers))
