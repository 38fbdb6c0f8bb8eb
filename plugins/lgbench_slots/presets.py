"""Presets of Slot Attention and GENESIS-V2.

None averages the network, which neither paper does, or mirrors pictures. `smoke` and `cpu` have half the width and
pictures of 32 px, for a CPU: minutes, and one to two hours. `paper` is what the authors trained: CLEVR6 with seven
slots, APC with ten components.
"""

__all__ = ["GENESIS", "SLOTS"]

COMMON = {"training.ema": 0.0, "training.flip": False}

SMOKE = {
    **COMMON,
    "resolution": 32,
    "generator.width": 32,
    "training.batch": 16,
    "training.steps": 3000,
    "training.precision": "fp32",
    "training.channels_last": True,
    "training.grid_every": 500,
    "evaluation.samples": 2000,
}

CPU = {
    **SMOKE,
    "training.steps": 20_000,
    "training.precision": "auto",
    "training.channels_last": "auto",
    "training.grid_every": 2000,
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
    "smoke": {**SMOKE, "generator.hidden": 64, "method.warm_up": 300, "method.halve_every": 3000},
    "cpu": {**CPU, "generator.hidden": 64, "method.warm_up": 1000, "method.halve_every": 10_000},
    "small": {**COMMON, "training.steps": 60_000, "method.warm_up": 2500, "method.halve_every": 25_000},
    "paper": {**COMMON, "training.steps": 500_000},
}

GENESIS = {
    **WORLDS,
    "smoke": {**SMOKE, "method.lr": 4e-4},
    "cpu": {**CPU, "method.lr": 4e-4},
    "small": {**COMMON, "training.batch": 32, "training.steps": 60_000},
    "paper": {**COMMON, "training.batch": 32, "training.steps": 500_000},
}
