"""Presets of SCGAN, ACWGAN and WGAN-GP: equal steps, batches and widths, so that rows of a board compare the methods.

A step is one batch of real images; the generator moves at every fifth. In `smoke`, `cpu` and `small` it moves at every
one, at five times the paper's rate: there, more moves help more than a critic that is further ahead (README). No preset
mirrors images: left and right mean something in class maps.
"""

__all__ = ["ACWGAN", "SCGAN", "WGAN_GP"]

SMOKE = {
    "evaluation.metrics": "default,spatial-consistency,attribute-accuracy",
    "generator.g": 16,
    "method.d": 16,
    "method.n_repeat": 1,
    "method.lr": 5e-4,
    "method.decay_from": 0.5,
    "training.batch": 8,
    "training.steps": 5000,
    "training.grid_every": 1000,
    "training.precision": "fp32",
    "training.channels_last": False,
    "training.ema": 0.99,
    "training.flip": False,
    "evaluation.samples": 2000,
    "evaluation.judge": "small",
    "evaluation.judge_epochs": 4,
}

CPU = {
    **SMOKE,
    "generator.g": 32,
    "method.d": 32,
    "training.batch": 16,
    "training.steps": 15_000,
    "training.precision": "auto",
    "training.channels_last": "auto",
    "training.ema": 0.999,
}

SMALL = {
    "evaluation.metrics": "default,spatial-consistency,attribute-accuracy",
    "method.n_repeat": 1,
    "method.lr": 5e-4,
    "method.decay_from": 0.5,
    "training.batch": 16,
    "training.steps": 20_000,
    "training.ema": 0.999,
    "training.flip": False,
    "evaluation.samples": 10_000,
}

CELEBA, DEEPFASHION = 202_599 - 2_000, 70_000
"""Training images: CelebA's without those that are held out, DeepFashion's of the official split."""

PAPER = {
    "evaluation.metrics": "default,spatial-consistency,attribute-accuracy",
    "training.batch": 16,
    "training.steps": 20 * CELEBA // 16,
    "training.ema": 0.0,
    "training.flip": False,
}

WGAN_GP = {
    "smoke": SMOKE,
    "cpu": CPU,
    "small": SMALL,
    "paper": PAPER,
    "paper@celeba": {"resolution": 128},
    "paper@deepfashion": {"training.steps": 20 * DEEPFASHION // 16},
}

COLOUR = {"@deepfashion": {"method.cls_loss": "ce"}}  # one of its attributes at a time

ACWGAN = {
    **WGAN_GP,
    **COLOUR,
    "paper": {  # as in the authors' ACWGAN code
        **PAPER,
        "training.batch": 32,
        "training.steps": 20 * CELEBA // 32,
        "method.lr": 2e-4,
        "method.decay_from": 0.5,
    },
    "paper@deepfashion": {"training.steps": 20 * DEEPFASHION // 32},
}

SEGMENTOR = {
    "regularizers.segmentor.width": 16,
    "regularizers.segmentor.lr": 5e-4,
    "regularizers.segmentor.weight": 150.0,
}

SCGAN = {
    **WGAN_GP,
    **COLOUR,
    "smoke": {**SMOKE, **SEGMENTOR},
    "cpu": {**CPU, **SEGMENTOR, "regularizers.segmentor.width": 32},
    "small": {**SMALL, **SEGMENTOR, "regularizers.segmentor.width": 64},
}
