"""ELGAN's presets: the ladder of Table 3, A to E, at each size. A preset without a letter is E, the method itself.

`smoke` and `small` always shrink the foreground, on the rungs that scale, with other brightness behind it, a narrow
background, and light terms for code and binary masks: what short trainings in small worlds need (README). `paper` keeps
the paper's values.
"""

from lgbench_segmenters.teaching import AS_PAINTED, ON_PHOTOGRAPHS

__all__ = ["PRESETS"]

DIGITS = ("digits-one", "mnist-one", "mnist-two")
FLORA = ("flora", "flora-wild")  # the wild one has what was found for the other; nothing was sought there yet

# rung A's prior of the objects' size must know the data set: half of what its objects cover
SIZES_OF_OBJECTS = {"digits-one": 0.03, "mnist-one": 0.02, "mnist-two": 0.04, "flora": 0.1, "flora-wild": 0.1}

LADDER = {
    # translation and a penalty on small masks: the counterpart of PerturbGAN
    "a": {
        "method.gamma_r": 0.0,
        "regularizers.mask-size.weight": 2.0,
        "regularizers.perturbation.shrink": 0.0,
        "regularizers.perturbation.grow": 0.0,
        "regularizers.equivariance.weight": 0.0,
    },
    # code recovery in its place
    "b": {
        "regularizers.perturbation.shrink": 0.0,
        "regularizers.perturbation.grow": 0.0,
        "regularizers.equivariance.weight": 0.0,
    },
    "c": {"regularizers.equivariance.weight": 0.0},
    "d": {"regularizers.equivariance.weight": 0.0, "regularizers.perturbation.rotate": 15.0},
    "e": {},
}

ON_FLORA = {
    "regularizers.perturbation.brightness": 0.3,  # its meadows differ no more than that
    "generator.group": 1,  # with several classes to a super class, some super classes had no mask at all
    "method.gamma_r": 0.5,
}
# petals are of many colours; at this width ReLU leaves them four channels
WIDE = {
    "generator.g": 16,
    "generator.g_b": 8,
    "generator.act": "relu",
    "training.steps": 1700,
    "training.channels_last": True,
    "regularizers.equivariance.ramp": 1700,
}

IN_WORLDS = {
    "smoke": {**AS_PAINTED, "segmentation.steps": 600, "segmenter.width": 16},
    "cpu": {**AS_PAINTED, "segmentation.steps": 4000},
    "small": {**AS_PAINTED, "segmentation.steps": 2000, "segmentation.batch": 64},
}

RUNGS = ("", *(f"-{letter}" for letter in LADDER))

SMOKE = {
    "generator.g": 8,
    "generator.g_b": 4,
    "generator.act": "glu",  # ReLU leaves colours so narrow without a slope where it is 0: grey for good
    "generator.n_codes": 10,
    "generator.group": 2,
    "method.d": 16,
    "method.fresh": False,
    "method.colour_aug": False,
    "method.gamma_r": 0.2,
    "training.batch": 32,
    "training.steps": 1500,
    "training.ema": 0.99,
    "training.precision": "fp32",
    "training.channels_last": False,
    "regularizers.perturbation.shrink": 0.9,
    "regularizers.perturbation.grow": -0.3,
    "regularizers.perturbation.brightness": 0.6,
    "regularizers.binarization.weight": 0.5,
    "regularizers.equivariance.ramp": 1500,
    "regularizers.equivariance.distance": "pixel",  # what the critic sees can be deceived: README
    "segmentation.perturbed": True,
    **ON_PHOTOGRAPHS,
    "evaluation.samples": 2000,
}

CPU = {
    **SMOKE,
    "generator.g": 16,
    "generator.g_b": 8,
    "generator.n_codes": 20,
    "method.d": 32,
    "training.steps": 10_000,
    "training.ema": 0.999,
    "training.precision": "auto",
    "training.channels_last": "auto",
    "training.grid_every": 1000,
    "regularizers.equivariance.ramp": 10_000,
}

SIZES = {
    "smoke": SMOKE,
    "small": {
        **SMOKE,
        "generator.g": 32,
        "generator.g_b": 16,
        "generator.act": "relu",
        "generator.n_codes": 20,
        "method.d": 32,
        "method.fresh": True,
        "training.precision": "auto",
        "training.channels_last": "auto",
        "training.steps": 20_000,
        "training.ema": 0.999,
        "regularizers.equivariance.ramp": 10_000,
        "evaluation.samples": 10_000,
    },
    "paper": {
        "training.steps": 252_720,  # 810 epochs of CUB's 10,000 images in batches of 32
        "training.batch": 32,
        "training.crop": 0.8,
        "training.select": "fid",
        "regularizers.equivariance.ramp": 124_800,
        "regularizers.equivariance.distance": "rotnet_vgg16",
        "segmentation.steps": 12_000,
        "segmentation.batch": 95,
        "evaluation.aggregation": "pooled",
        "evaluation.metrics": "default,precision,recall",  # Table 2
    },
}


def _in_world(size: str, rung: str, dataset: str) -> dict[str, object]:
    """What `smoke`, `cpu` and `small` have to know of a data set."""
    settings: dict[str, object] = {**IN_WORLDS[size]}
    if dataset in DIGITS:
        settings |= {
            "generator.group": 1,  # digits are of one colour, so classes of one super class would look alike
            "method.instance_noise": 0.1,
            "segmenter.cut": 0.6,
        }
    if dataset in FLORA:
        settings |= ON_FLORA | (WIDE if size == "smoke" else {})
    if rung == "-a":
        settings |= {"regularizers.mask-size.eta": SIZES_OF_OBJECTS[dataset], "method.gamma_r": 0.0}
    return settings


PRESETS = {
    **SIZES,
    "cpu": CPU,  # twice the width, and the method itself alone
    **{f"{size}-{letter}": {**settings, **rung} for size, settings in SIZES.items() for letter, rung in LADDER.items()},
    "@apc": {"generator.n_codes": 20},
    **{f"@{dataset}": {"resolution": 32} for dataset in FLORA},
    **{f"@{dataset}": {"training.flip": False} for dataset in DIGITS},
    **{
        f"{size}{rung}@{dataset}": _in_world(size, rung, dataset)
        for size in ("smoke", "small")
        for rung in RUNGS
        for dataset in SIZES_OF_OBJECTS
    },
    **{f"cpu@{dataset}": _in_world("cpu", "", dataset) for dataset in SIZES_OF_OBJECTS},
    **{
        f"paper{rung}@lsun-car": {
            "generator.n_codes": 200,
            "training.steps": 80_676,
            "regularizers.equivariance.ramp": 39_840,
            "evaluation.reference_samples": 10_000,  # of 31,893
        }
        for rung in RUNGS
    },
}
