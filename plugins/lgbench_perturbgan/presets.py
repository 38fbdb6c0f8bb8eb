"""PerturbGAN's presets."""

__all__ = ["FULL", "LIGHT"]

SMOKE = {
    "generator.g": 32,
    "method.d": 16,
    "method.gan_loss": "hinge",
    "training.batch": 32,
    "training.steps": 3000,
    "training.ema": 0.99,
    "training.channels_last": False,
    "segmentation.steps": 300,
    "segmenter.width": 16,
    "evaluation.samples": 2000,
}

LIGHT = {
    "smoke": SMOKE,
    "small": {
        **SMOKE,
        "method.d": 32,
        "training.precision": "auto",
        "training.channels_last": True,
        "training.steps": 20_000,
        "training.ema": 0.999,
        "segmentation.steps": 2000,
        "segmenter.width": 32,
        "evaluation.samples": 10_000,
    },
    "paper": {
        "training.steps": 250_000,
        "training.batch": 32,
        "training.flip": False,
        "training.crop": 0.79,  # squares of side 1 / 1.125
        "training.crop_ratio": 1.0,
        "segmentation.steps": 12_000,
        "segmentation.batch": 95,
        "evaluation.aggregation": "pooled",
    },
    # what ComGAN compares itself with under this name: no shift, no size term (its failure says nothing about either)
    "pi2_comgan": {
        "generator.n_generators": 3,
        "generator.heads": "comgan",
        "generator.z_scale": 4.0,
        "method.gan_loss": "nonsat",
        "method.d": 32,
        "training.batch": 90,
        "training.steps": 58_500,
        "regularizers.perturbation.weight": 0.0,
        "regularizers.mask-size.weight": 0.0,
        "regularizers.binarization.weight": 0.1,
        "regularizers.binarization.form": "entropy",
    },
    "@flora": {"resolution": 32},
}

FULL = {
    "smoke": {
        "generator.width": 32,
        "generator.nz": 64,
        "method.d": 32,
        "method.phase_steps": 300,
        "training.batch": 16,
        "training.steps": 1800,
        "training.ema": 0.99,
        "training.channels_last": False,
        "segmentation.steps": 300,
        "segmenter.width": 16,
        "evaluation.samples": 2000,
    },
    "small": {
        "generator.width": 128,
        "method.d": 128,
        "method.phase_steps": 3000,
        "training.batch": 32,
        "training.steps": 24_000,
        "segmentation.steps": 2000,
        "segmenter.width": 32,
        "evaluation.samples": 10_000,
    },
    "paper": {
        "method.final_lr": 1.5,
        "training.batch": 32,
        "training.steps": 187_500,  # 6,000,000 images for the five sides 8 to 128
        "training.flip": False,
        "training.crop": 0.79,
        "training.crop_ratio": 1.0,
        "segmentation.steps": 12_000,
        "segmentation.batch": 95,
        "evaluation.aggregation": "pooled",
    },
    "@flora": {"resolution": 32},
}
