"""milgan's presets; what is [O] in the paper's specification follows ELGAN, the earlier version of the same work."""

__all__ = ["PRESETS"]

SMOKE = {
    "generator.g": 16,
    "generator.n_codes": 10,
    "method.d": 16,
    "method.fresh": False,
    "training.batch": 32,
    "training.steps": 3000,
    "training.ema": 0.99,
    "training.channels_last": False,
    "regularizers.perturbation.shrink": 0.9,
    "regularizers.perturbation.grow": -0.3,
    "segmentation.steps": 300,
    "segmenter.width": 16,
    "evaluation.samples": 2000,
}

PRESETS = {
    "smoke": SMOKE,
    "small": {
        **SMOKE,
        "generator.g": 32,
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
        "training.rounds": 3,
        "training.crop": 0.8,
        "method.colour_aug": True,
        "regularizers.background.weight": 1.0,
        "segmentation.steps": 12_000,
        "segmentation.round_steps": 4000,
        "segmentation.batch": 95,
        "evaluation.aggregation": "pooled",
    },
    "@flora": {"resolution": 32},
}
