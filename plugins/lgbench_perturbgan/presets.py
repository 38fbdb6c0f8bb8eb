"""PerturbGAN's presets.

`smoke` and `small` always shrink the foreground, shift the background's brightness and teach the pairs that the critic
saw: in small worlds with plain backgrounds the paper's shift and contrast show nothing, and the layers come out
inverted (README). They have a narrower background generator, half the width of the other for the light version (a
quarter on digits) and a quarter for the full one, and a binarization of 0.5, where the paper has equal widths and 2.
Those of the light version also have the hinge loss with a spectrally normalised critic in place of WGAN-GP; `smoke` of
the full one has four times the paper's learning rate. `cpu`, of the light version, is its `smoke` at twice the width
and eight times the length. `paper` keeps the paper's perturbation, losses and weights.
"""

from lgbench_segmenters.teaching import AS_PAINTED, ON_PHOTOGRAPHS

__all__ = ["FULL", "LIGHT"]

SHRINKING = {
    "regularizers.perturbation.form": "affine",
    "regularizers.perturbation.shrink": 0.9,
    "regularizers.perturbation.grow": -0.3,
    "regularizers.perturbation.brightness": 0.6,
    "segmentation.perturbed": True,
}

# eta, the paper's prior of the objects' size, must know the data set; here what is left of its objects after shrinking
SIZES = {"digits-one": 0.04, "mnist-one": 0.03, "mnist-two": 0.06, "flora": 0.1, "flora-wild": 0.1}

DIGITS = ("digits-one", "mnist-one", "mnist-two")
FLORA = ("flora", "flora-wild")  # the wild one has what was found for the other; nothing was sought there yet
ON_DIGITS = {"method.instance_noise": 0.2, "segmenter.cut": 0.6}
ON_FLORA = {"regularizers.perturbation.brightness": 0.3, "segmenter.cut": 0.6}  # its meadows differ no more than that
IN_WORLD = {**dict.fromkeys(DIGITS, ON_DIGITS), **dict.fromkeys(FLORA, ON_FLORA)}

SMALL_WORLDS = {
    f"{preset}@{dataset}": {"regularizers.mask-size.eta": eta, **IN_WORLD[dataset]}
    for preset in ("smoke", "small")
    for dataset, eta in SIZES.items()
}
CPU_WORLDS = {key.replace("small", "cpu"): each for key, each in SMALL_WORLDS.items() if key.startswith("small")}

WORLDS = {
    **{f"@{dataset}": {"resolution": 32} for dataset in FLORA},
    **{f"@{dataset}": {"training.flip": False} for dataset in DIGITS},
    **SMALL_WORLDS,
}

# half the width of other worlds (one and two channels before the head): with more, it painted pale digits (README)
GREY_BACKGROUNDS = {
    f"{preset}@{dataset}": {**(SMALL_WORLDS | CPU_WORLDS)[f"{preset}@{dataset}"], "generator.g_b": g_b}
    for preset, g_b in (("smoke", 4), ("cpu", 8), ("small", 8))
    for dataset in DIGITS
}

IN_WORLDS = {
    "smoke": {**AS_PAINTED, "segmentation.steps": 900, "segmenter.width": 16},
    "cpu": {**AS_PAINTED, "segmentation.steps": 4000},
    "small": {**AS_PAINTED, "segmentation.steps": 2000, "segmentation.batch": 64},
}

SMOKE = {
    **SHRINKING,
    "generator.g": 16,
    "generator.g_b": 8,
    "regularizers.binarization.weight": 0.5,
    "method.d": 16,
    "method.gan_loss": "hinge",
    "method.fresh": False,
    "training.batch": 32,
    "training.steps": 3000,
    "training.ema": 0.99,
    "training.precision": "fp32",
    "training.channels_last": False,
    **ON_PHOTOGRAPHS,
    "evaluation.samples": 2000,
}

LIGHT = {
    "smoke": SMOKE,
    "cpu": {
        **SMOKE,
        "generator.g": 32,
        "generator.g_b": 16,
        "method.d": 32,
        "training.steps": 25_000,
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
        "training.steps": 20_000,
        "training.ema": 0.999,
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
        "segmentation.flip": False,
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
    **{
        key: {**IN_WORLDS.get(key.partition("@")[0], {}), **settings}
        for key, settings in {**WORLDS, **CPU_WORLDS, **GREY_BACKGROUNDS}.items()
    },
}

FULL = {
    "smoke": {
        **SHRINKING,
        "generator.width": 32,
        "generator.width_b": 8,
        "generator.nz": 64,
        "regularizers.binarization.weight": 0.5,
        "method.d": 32,
        "method.lr": 4e-3,  # equalised weights move by the rate itself a step: the paper's 1e-3 is for 200,000 steps
        "method.phase_steps": 240,  # five sides, 8 to 128
        "method.fresh": False,
        "training.batch": 16,
        "training.steps": 2200,
        "training.ema": 0.99,
        "training.precision": "fp32",
        "training.channels_last": False,
        "segmentation.steps": 600,
        "segmentation.batch": 32,
        "segmenter.width": 16,
        "evaluation.samples": 2000,
    },
    "small": {
        **SHRINKING,
        "generator.width": 128,
        "generator.width_b": 32,
        "regularizers.binarization.weight": 0.5,
        "method.d": 128,
        "method.phase_steps": 2400,
        "training.batch": 32,
        "training.steps": 24_000,
        "segmentation.steps": 2000,
        "segmentation.batch": 64,
        "segmenter.width": 32,
        "evaluation.samples": 10_000,
    },
    "paper": {
        "method.d": 512,  # the critic's widths are the generator's
        "method.first_batch": 8,  # --sched: batches of 256, 128, 64, 32 and 32
        "training.batch": 32,
        "training.steps": 107_814,  # 6,000,000 images for the five sides 8 to 128
        "training.flip": False,
        "training.crop": 0.79,
        "training.crop_ratio": 1.0,
        "segmentation.steps": 12_000,
        "segmentation.batch": 95,
        "segmentation.flip": False,
        "evaluation.aggregation": "pooled",
    },
    **WORLDS,
}
