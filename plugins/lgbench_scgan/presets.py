"""Presets of SCGAN, ACWGAN and WGAN-GP: equal steps, batches and widths, so that rows of a board compare the methods.

A step is one batch of real images; the generator moves at every fifth. No preset mirrors images: left and right mean
something in class maps.
"""

__all__ = ["ACWGAN", "SCGAN", "WGAN_GP"]

SMOKE = {
    "generator.g": 32,
    "method.d": 32,
    "training.batch": 16,
    "training.steps": 3000,
    "training.precision": "fp32",
    "training.channels_last": False,
    "training.ema": 0.99,
    "training.flip": False,
    "evaluation.samples": 2000,
}

SMALL = {
    "training.batch": 16,
    "training.steps": 20_000,
    "training.precision": "auto",
    "training.ema": 0.999,
    "training.flip": False,
    "evaluation.samples": 10_000,
}

EPOCH = 200_599  # CelebA's 202,599 images without the 2,000 that are held out

PAPER = {
    "training.batch": 16,
    "training.steps": 20 * EPOCH // 16,
    "training.ema": 0.0,
    "training.flip": False,
}

WGAN_GP = {"smoke": SMOKE, "small": SMALL, "paper": PAPER}

ACWGAN = {
    **WGAN_GP,
    "paper": {  # as in the authors' ACWGAN code
        **PAPER,
        "training.batch": 32,
        "training.steps": 20 * EPOCH // 32,
        "method.lr": 2e-4,
        "method.decay_from": 0.5,
    },
}

SCGAN = {**WGAN_GP, "smoke": {**SMOKE, "regularizers.segmentor.width": 16}}
