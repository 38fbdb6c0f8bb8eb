"""Small LR-GANs, and random images for them, for the plugin's tests."""

from dataclasses import replace

import torch

from lgbench import ImageSpec
from lgbench.layers import Batch
from lgbench_lrgan.config import LRGANConfig, LRGANMethod
from lgbench_lrgan.game import lrgan

# the framework's weights: with dcgan's an untrained generator in eval mode paints nearly nothing
SMALL = LRGANConfig(ngf=4, floor=8, bg_floor=8, enc_width=4, init="torch_default")
METHOD = LRGANMethod(ndf=4)
SPEC = ImageSpec(32)


def images(n=4, side=32):
    return torch.rand(n, 3, side, side) * 2 - 1


def small(**changes):
    return lrgan(replace(SMALL, **changes), SPEC)


def painted(painter, n=4):
    """Layers, in eval mode, and the codes they were painted from."""
    codes = painter.eval().codes(n, Batch(images(n)))
    with torch.no_grad():
        return painter(codes), codes
