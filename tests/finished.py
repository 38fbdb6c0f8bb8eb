"""A run of a paper's method, finished in seconds, for tests of what is done with finished runs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from click.testing import CliRunner, Result

from lgbench.cli import group

SETTINGS = {
    "training.steps": 2,
    "training.batch": 4,
    "training.precision": "fp32",
    "segmentation.steps": 2,
    "segmentation.batch": 4,
    "evaluation.samples": 12,
    "data.images": 24,
    "data.test_images": 12,
    "generator.ngf": 4,
    "generator.floor": 8,
    "generator.bg_floor": 8,
    "method.ndf": 4,
    "segmenter.width": 4,
}


def lgbench(*arguments: object) -> Result:
    """A command of a user's."""
    return CliRunner().invoke(group, [*map(str, arguments)], standalone_mode=False)


def altered(path: Path) -> None:
    """One bit of a stored array is another; the file is as sound as before."""
    with np.load(path) as stored:
        arrays = dict(stored)
    array = next(array for array in arrays.values() if array.ndim)
    array.view(np.uint8).reshape(-1)[0] ^= 1
    np.savez(path, **arrays)  # pyright: ignore[reportArgumentType]


def finished(runs: Path, metrics: str, dataset: str = "flora", **data: object) -> Path:
    """The folder of a run of LR-GAN; `data` are settings of the data set."""
    settings = SETTINGS | {f"data.{name}": value for name, value in data.items()}
    flags = [part for setting in settings.items() for part in ("--set", "{}={}".format(*setting))]
    command = ["run", "--method", "lrgan", "--dataset", dataset, "--preset", "smoke", "--resolution", 32]
    result = lgbench(*command, *flags, "--set", f"evaluation.metrics={metrics}", "--device", "cpu", "--runs", runs)
    assert result.exception is None, result.output
    (record,) = runs.glob("*/record.json")
    return record.parent
