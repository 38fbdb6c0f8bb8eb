"""Presets of the ComGAN family (comgan: Ding et al., NeurIPS 2022)."""

from lgbench_segmenters.teaching import AS_PAINTED, ON_PHOTOGRAPHS

__all__ = ["DS_PRESETS", "PRESETS"]

DIGITS = ("digits-one", "mnist-one", "mnist-two")
FLORA = ("flora", "flora-wild")
WORLDS = (*FLORA, *DIGITS)  # their pictures are whole as they are: nothing is cut from them

TAUGHT = {  # on photographs, at any size
    "segmentation.name": "unet-s",  # the family's own, as wide as two cores can teach, learn nothing in this time
    "segmentation.polarity": "border",  # nothing in the losses tells the layers apart
    **ON_PHOTOGRAPHS,
}

SMOKE = {  # for photographs; worlds need less
    "generator.g": 16,
    "method.d": 16,
    "training.batch": 16,
    "training.channels_last": True,
    "training.ema": 0.99,
    "training.precision": "fp32",  # many processors have no instructions for bf16
    "training.steps": 800,
    **TAUGHT,
    "evaluation.samples": 2000,
}

BY_ITS_OWN = {**AS_PAINTED, "segmentation.name": "auto", "segmentation.polarity": "painted"}  # the family's segmenters

IN_WORLDS = {
    "training.channels_last": False,
    "training.steps": 1500,
    "segmentation.batch": 16,
    "segmentation.steps": 300,
    "segmenter.width": 16,
    "segmenter.dm_width": 16,  # where two-alignment is asked for, or DS-ComGAN's
    **BY_ITS_OWN,
}

# As the public code trains all of them: 450 epochs of CUB's 11,788 images in batches of 90, cut to 256 of 304 pixels
AS_PUBLISHED = {
    "training.steps": 58_500,
    "training.batch": 90,
    "training.crop": (256 / 304) ** 2,
    "training.crop_ratio": 1.0,
    "segmentation.batch": 90,
    "evaluation.samples": 20_000,
}

CPU = {  # for photographs, too
    **SMOKE,
    "generator.g": 32,
    "method.d": 32,
    "training.batch": 32,
    "training.channels_last": "auto",
    "training.ema": 0.999,
    "training.grid_every": 1000,
    "training.precision": "auto",
    "training.steps": 15_000,
}

PHOTOGRAPHS: dict[str, dict[str, object]] = {
    **{f"paper@{dataset}": {"data.test_crop": "middle"} for dataset in ("cub", "cars", "dogs")},
    "paper@flowers": {"resolution": 128, "data.test_crop": "middle"},
    "paper@fs-100": {"resolution": 128},
}

PRESETS = {
    "smoke": SMOKE,
    "cpu": CPU,
    "small": {
        "generator.g": 32,
        "training.steps": 20_000,
        **TAUGHT,
        "evaluation.samples": 10_000,
    },
    "paper": AS_PUBLISHED,
    **{f"@{dataset}": {"resolution": 32} for dataset in FLORA},
    **{f"@{dataset}": {"training.flip": False} for dataset in DIGITS},
    **{f"smoke@{dataset}": IN_WORLDS for dataset in WORLDS},
    **{f"small@{dataset}": {**BY_ITS_OWN, "segmentation.steps": 4000, "segmentation.batch": 64} for dataset in WORLDS},
    **{f"paper@{dataset}": {"training.crop": 1.0} for dataset in (*WORLDS, "clevr6")},  # clevr6's are cut already
    **{f"cpu@{dataset}": {**BY_ITS_OWN, "segmentation.steps": 4000} for dataset in WORLDS},
    **PHOTOGRAPHS,
}

DS_PRESETS = {
    **PRESETS,
    # The paper has a binary term on some data sets only; without it short trainings end with masks grey all over.
    "smoke": {
        **SMOKE,
        "generator.n_codes": 20,  # as many as can be told apart in 800 steps, however many classes there are
        "regularizers.binarization.weight": 1.0,
        "regularizers.mi-recovery.width": 16,
    },
    "small": {**PRESETS["small"], "regularizers.binarization.weight": 1.0, "regularizers.mi-recovery.width": 32},
    "cpu": {
        **CPU,
        "generator.n_codes": 20,
        "training.batch": 16,  # with as many networks a step takes twice as long
        "training.steps": 12_000,
        "regularizers.binarization.weight": 1.0,
        "regularizers.mi-recovery.width": 32,
    },
    # of objects that nearly fill the frame
    "@cars": {"regularizers.binarization.weight": 1.0, "segmenter.lambda_cons": 10.0},
    "@flowers": {"generator.n_codes": 102, "regularizers.binarization.weight": 1.0, "segmenter.lambda_cons": 10.0},
    **{
        f"@{dataset}": {"resolution": 32, "generator.n_codes": 20, "regularizers.binarization.weight": 1.0}
        for dataset in FLORA
    },
    "@apc": {"generator.n_codes": 20},
    **{f"smoke@{dataset}": IN_WORLDS for dataset in FLORA},
    **{f"smoke@{dataset}": {**IN_WORLDS, "generator.n_codes": 0} for dataset in DIGITS},
    "smoke@flowers": {"generator.n_codes": 20},
    "cpu@flowers": {"generator.n_codes": 20},
    "paper@lsun-car": {"generator.n_codes": 200},
}
