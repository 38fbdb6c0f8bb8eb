"""What only a GPU can show: it trains what the CPU trains, resumes with the same bits, and its memory is told.

    python3 -m pytest -o addopts="" -m gpu tests/gpu

needs lgbench importable, pytest, and torch as the machine has it. LGBENCH_TEST_DEVICE=cpu tries the tests themselves.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.overrides import TorchFunctionMode

from lgbench.cli.cost import noise
from lgbench.data import DataHome
from lgbench.features import load_extractor
from lgbench.lookup import look_up
from lgbench.offers import ImageSpec
from lgbench.plugins import registry
from lgbench.progress import Quiet
from lgbench.recipe import Recipe, Request
from lgbench.run import Place, run
from lgbench.runtime import Runtime
from lgbench.stages import build_game
from lgbench.trained import load_run
from lgbench.training import Schedule
from lgbench.training.player import Player
from lgbench.training.stream import Stream

DEVICE = torch.device(os.environ.get("LGBENCH_TEST_DEVICE", "cuda"))
pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(DEVICE.type == "cuda" and not torch.cuda.is_available(), reason="there is no GPU here"),
]
STEPS, BATCH = 20, 8
COMPILED = ("dscomgan", "lrgan")
METHODS = sorted(registry().methods)
TOLERANCE = {"fp32": 0.05, "bf16": 0.25}
"""Of the mean of a loss over the steps, as a share of its size on the CPU in fp32, or of 1 where it is smaller."""
SPEC = ImageSpec(32, 3, classes=5, segments=4, attributes=3, landmarks=68)


ALIKE = {torch.randn_like: torch.randn, torch.rand_like: torch.rand}
DRAWN = (torch.rand, torch.randn, torch.randint, torch.randperm)


class DrawnOnTheCPU(TorchFunctionMode):
    """Random numbers are the CPU's whatever the device, so that two devices train on the same ones."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Mapping[str, Any] | None = None) -> Any:
        named = dict(kwargs or {})
        if func in ALIKE:
            return ALIKE[func](args[0].shape, dtype=args[0].dtype).to(args[0].device)
        if func in DRAWN and "generator" not in named:
            place = named.pop("device", None)
            return func(*args, **named).to(place or "cpu")
        return func(*args, **named)


def recipe(method: str, **settings: object) -> Recipe:
    """Of the method's smoke preset, at 32 px."""
    found = registry()
    needs = found.generators[found.methods[method].generator].needs
    dataset = "flora" if needs <= found.datasets["flora"].provides else "faces"
    return look_up(Request(method, dataset, "smoke", 0, 32, settings), DataHome())


def losses(made: Recipe, runtime: Runtime) -> dict[str, float]:
    """Means of a method's losses over its first steps."""
    runtime.set_up()
    player = Player(build_game(made, SPEC), Schedule(STEPS, BATCH, ema=0.99), runtime)
    reals, order = noise(4 * BATCH, SPEC), Schedule(STEPS, BATCH, flip=False)
    stream = Stream(reals, order, runtime, player.reads, player.game.batches)
    told: dict[str, list[float]] = {}
    torch.manual_seed(0)
    with DrawnOnTheCPU() if not runtime.compile else nullcontext():
        for number in range(STEPS):
            for name, value in player.play(number, stream(number), looking=False).items():
                told.setdefault(name, []).append(float(value))
    return {name: float(np.mean(values)) for name, values in told.items()}


@pytest.fixture(scope="module")
def on_the_cpu() -> dict[str, dict[str, float]]:
    """Losses in fp32 on the CPU, method by method, as they are asked for."""
    return {}


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("method", METHODS)
def test_a_method_loses_what_it_loses_on_the_cpu(on_the_cpu, method: str, precision: str):
    if method not in on_the_cpu:
        on_the_cpu[method] = losses(recipe(method), Runtime(torch.device("cpu"), channels_last=False))
    expected = on_the_cpu[method]
    told = losses(recipe(method), Runtime(DEVICE, precision, channels_last=precision == "bf16"))
    assert told.keys() == expected.keys()
    for name, value in told.items():
        assert abs(value - expected[name]) <= TOLERANCE[precision] * max(abs(expected[name]), 1), (name, expected[name])


@pytest.mark.parametrize("method", COMPILED)
def test_a_compiled_method_trains(method: str):
    told = losses(recipe(method), Runtime(DEVICE, "bf16", channels_last=True, compile=True))
    assert all(np.isfinite(value) for value in told.values())


class Interrupting(Quiet):
    """Stops a training, once, as a user would."""

    def __init__(self) -> None:
        self.name, self.stopped = "", False

    def stage(self, name: str, total: int, done: int = 0) -> None:
        self.name = name

    def advance(self, done: int, values: Mapping[str, float] | None = None) -> None:
        if self.name == "train" and done == 3 and not self.stopped:
            self.stopped = True
            raise OSError("nobody reads on")  # a checkpoint is written first


SHORT = {
    "training.steps": 6,
    "training.batch": BATCH,
    "segmentation.steps": 4,
    "segmentation.batch": BATCH,
    "evaluation.samples": 16,
    "evaluation.metrics": "iou,coverage,fid-random",
    "data.images": 40,
    "data.test_images": 12,
}


@pytest.mark.parametrize("method", ["comgan", "dscomgan"])
def test_a_deterministic_run_that_is_resumed_has_the_same_bits_and_tells_its_memory(tmp_path: Path, method: str):
    made, records = recipe(method, **SHORT), []
    for name, reporter in (("whole", Quiet()), ("cut", Interrupting())):
        place = Place(tmp_path / name, DataHome(), DEVICE, deterministic=True)
        if isinstance(reporter, Interrupting):
            with pytest.raises(OSError, match="nobody reads on"):
                run(made, place, {}, registry().plugins, reporter)
        path = run(made, place, {"coverage": registry().metrics["coverage"]}, registry().plugins, reporter)
        records.append(json.loads(path.read_text()))
    torch.use_deterministic_algorithms(False)
    assert records[0]["artefacts"] == records[1]["artefacts"]
    assert records[0]["training"]["peak_memory_mb"] > 0
    trained = load_run(path.parent, str(DEVICE))
    layers = trained.painter(trained.painter.codes(4))
    assert layers.image.device.type == DEVICE.type
    assert trained.segmenter is not None
    assert trained.segmenter.predict(layers.image).shape == (4, 1, 32, 32)


def test_features_are_the_cpus():
    images = torch.randint(0, 256, (4, 3, 32, 32), dtype=torch.uint8)
    ours, theirs = (load_extractor("random", device=place)(images).cpu() for place in (torch.device("cpu"), DEVICE))
    torch.testing.assert_close(theirs, ours, rtol=1e-3, atol=1e-4)
