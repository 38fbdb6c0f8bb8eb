"""Presets of Slot Attention and GENESIS-V2.

None averages the network, which neither paper does, or mirrors pictures. `smoke` has half the width and pictures of 32
px, for a CPU. `paper` is what the authors trained: CLEVR6 with seven slots, APC with ten components.
"""

__all__ = ["GENESIS", "SLOTS"]

COMMON = {"training.ema": 0.0, "training.flip": False}

SMOKE = {
    **COMMON,
    "resolution": 32,
    "training.batch": 32,
    "training.precision": "fp32",
    "training.channels_last": True,
    "training.grid_every": 1000,
    "evaluation.samples": 2000,
}

WORLDS = {  # the most objects, and one
    "@mnist-two": {"generator.slots": 3},
    "@flora": {"data.flowers": 3, "generator.slots": 4},
    "@flora-wild": {"data.flowers": 3, "generator.slots": 4},
    "@clevr6": {"resolution": 128, "generator.slots": 7},
    "@apc": {"resolution": 128, "generator.slots": 10},
}

SLOTS = {
    **WORLDS,
    "smoke": {
        **SMOKE,
        "generator.width": 32,
        "generator.hidden": 64,
        "training.steps": 6000,
        "method.warm_up": 500,
        "method.halve_every": 5000,
    },
    "small": {**COMMON, "training.steps": 60_000, "method.warm_up": 2500, "method.halve_every": 25_000},
    "paper": {**COMMON, "training.steps": 500_000},
}

GENESIS = {
    **WORLDS,
    "smoke": {**SMOKE, "generator.width": 32, "training.steps": 6000},
    "small": {**COMMON, "training.batch": 32, "training.steps": 60_000},
    "paper": {**COMMON, "training.batch": 32, "training.steps": 500_000},
}
