"""Presets of pix2pix and CycleGAN.

None averages the generator, which neither paper does, or mirrors pictures: left and right mean something in class maps.
`smoke` and `small` leave batch norm to its running statistics when they sample, so that a picture depends on its class
map and noise alone; `paper` samples as it trains, by the statistics of each batch (Isola et al., Sec. 3.3).

`paper` has the 200 epochs of both papers, each of every training picture once: those of `faces`, and on the two data
sets of SCGAN's paper, where these methods are rivals, their own.
"""

__all__ = ["CYCLEGAN", "PIX2PIX"]

COMMON = {
    "training.ema": 0.0,
    "training.flip": False,
    "evaluation.metrics": "default,spatial-consistency",
}

SMOKE = {
    **COMMON,
    "training.batch": 8,
    "training.steps": 5000,  # as many moves of the generator, of as many pictures, as SCGAN's preset has
    "training.precision": "fp32",
    "training.channels_last": True,
    "training.grid_every": 1000,
    "evaluation.samples": 2000,
    "evaluation.judge": "small",
    "evaluation.judge_epochs": 4,
}

SMALL = {**COMMON, "training.batch": 16, "training.steps": 20_000, "training.precision": "auto"}

PAPER = {
    **COMMON,
    "resolution": 128,
    "training.batch": 2,  # 1 in the papers; 2 is the least that this engine trains with
    "training.steps": 200 * 8_000 // 2,
}

EPOCHS = {
    "paper@celeba": {"training.steps": 200 * 200_599 // 2},  # without the 2,000 pictures that are held out
    "paper@deepfashion": {"training.steps": 200 * 70_000 // 2},
}

PIX2PIX = {
    "smoke": {**SMOKE, "generator.ngf": 32, "method.ndf": 32},
    "small": SMALL,
    "paper": {**PAPER, "evaluation.sample_bn": "batch", "evaluation.batch": 2},
    **EPOCHS,
}

CYCLEGAN = {
    "smoke": {**SMOKE, "generator.ngf": 16, "method.ndf": 16},
    "small": SMALL,
    "paper": PAPER,
    **EPOCHS,
}
