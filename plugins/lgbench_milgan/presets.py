"""milgan's presets; where the paper is silent they follow ELGAN, the earlier version of the same work.

`smoke` and `small` always shrink the foreground over a background of other brightness, and have a background branch of
half the width: with the paper's range of scales the layers come out inverted in small worlds, and with equal widths
sometimes (README). `cpu` is `smoke` at twice the width and more than four times the length. `paper` keeps the paper's
values, and `ils` is the recipe of ILSGAN (Zou et al., AAAI 2023) on milgan's networks, critic and optimiser.
"""

from lgbench_segmenters.teaching import AS_PAINTED, ON_PHOTOGRAPHS

__all__ = ["PRESETS"]

DIGITS = ("digits-one", "mnist-one", "mnist-two")
FLORA = ("flora", "flora-wild")  # the wild one has what was found for the other; nothing was sought there yet

SMOKE = {  # for photographs; worlds need less
    "generator.g": 8,
    "generator.g_b": 4,
    "generator.n_codes": 10,
    "method.d": 16,
    "method.fresh": False,
    "training.batch": 32,
    "training.steps": 4000,
    "training.ema": 0.99,
    "training.precision": "fp32",  # many processors have no instructions for bf16
    "training.channels_last": True,
    "regularizers.perturbation.shrink": 0.9,
    "regularizers.perturbation.grow": -0.3,
    "regularizers.perturbation.brightness": 0.6,
    "segmentation.perturbed": True,
    **ON_PHOTOGRAPHS,
    "evaluation.samples": 2000,
}

IN_WORLDS = {
    "training.steps": 2000,
    "training.channels_last": False,
    "segmentation.steps": 600,
    "segmenter.width": 16,
    **AS_PAINTED,
}

LONGER = {**AS_PAINTED, "segmentation.steps": 2000, "segmentation.batch": 64}  # of `small`, in worlds

# one exact grey behind the digits: without noise the critic wins by the faintest ripple (LR-GAN's README)
ON_DIGITS = {"method.instance_noise": 0.2, "segmenter.cut": 0.6}
ON_FLORA = {
    "regularizers.perturbation.brightness": 0.3,  # its meadows differ no more than that
    # flowers are petals of many colours: at full weight masks stay sheets with ripples that spell the code (README)
    "method.gamma_mi": 0.3,
    "regularizers.binarization.weight": 0.5,
}

PRESETS = {
    "smoke": SMOKE,
    "cpu": {
        **SMOKE,
        "generator.g": 16,
        "generator.g_b": 8,
        "generator.n_codes": 20,
        "method.d": 32,
        "training.steps": 18_000,
        "training.ema": 0.999,
        "training.precision": "auto",
        "training.channels_last": "auto",
        "training.grid_every": 1000,
    },
    "small": {
        **SMOKE,
        "generator.g": 32,
        "generator.g_b": 16,
        "method.d": 32,
        "training.precision": "auto",
        "training.channels_last": "auto",
        "method.fresh": True,
        "generator.n_codes": 20,
        "training.steps": 20_000,
        "training.rounds": 2,
        "regularizers.background.weight": 1.0,
        "training.ema": 0.999,
        "evaluation.samples": 10_000,
    },
    "paper": {
        "training.steps": 250_000,
        "training.batch": 32,
        "training.rounds": 3,
        "training.crop": 0.8,
        "training.select": "fid",
        "method.colour_aug": True,
        "regularizers.background.weight": 1.0,
        "segmentation.steps": 12_000,
        "evaluation.reference": "all",
        "segmentation.batch": 95,
        "evaluation.metrics": "default,fid-train",  # `fid` is of all images, training and test
        "evaluation.aggregation": "pooled",
    },
    "ils": {
        "training.steps": 250_000,
        "training.batch": 32,
        "training.ema": 0.9978,  # half of it is gone after 10,000 images
        "training.select": "fid",
        "method.gamma_mi": 0.0,
        "regularizers.layer-independence.weight": 1.0,
        "regularizers.mask-size.weight": 2.0,
        "regularizers.mask-size.eta": 0.25,
        "regularizers.binarization.weight": 2.0,
        "regularizers.binarization.on": "perturbed",
        "regularizers.perturbation.form": "shift",
        "segmentation.steps": 6000,
        "segmentation.batch": 64,
        "segmenter.drop": 1.0,
        "segmenter.colours": True,
        "evaluation.aggregation": "pooled",
    },
    "paper@apc": {"generator.n_codes": 20},
    "paper@lsun-car": {"generator.n_codes": 200},
    **{f"@{dataset}": {"resolution": 32} for dataset in FLORA},
    **{f"@{dataset}": {"training.flip": False} for dataset in DIGITS},
    **{f"smoke@{dataset}": {**IN_WORLDS, **ON_DIGITS} for dataset in DIGITS},
    **{f"cpu@{dataset}": {**AS_PAINTED, **ON_DIGITS, "segmentation.steps": 4000} for dataset in DIGITS},
    **{f"small@{dataset}": {**LONGER, **ON_DIGITS} for dataset in DIGITS},
    **{f"smoke@{dataset}": {**IN_WORLDS, **ON_FLORA, "generator.g": 16, "generator.g_b": 8} for dataset in FLORA},
    **{f"cpu@{dataset}": {**AS_PAINTED, **ON_FLORA, "segmentation.steps": 4000} for dataset in FLORA},
    **{f"small@{dataset}": {**LONGER, **ON_FLORA} for dataset in FLORA},
}
