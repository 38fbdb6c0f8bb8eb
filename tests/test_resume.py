"""Whatever ends a run, and in whatever stage: the same command ends with the bits of a run that nothing ended."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import pytest
import torch

from lgbench.data import DataHome
from lgbench.lookup import look_up
from lgbench.plugins import registry
from lgbench.progress import Quiet, Reporter
from lgbench.recipe import Recipe, Request
from lgbench.run import Place, chosen_metrics, run

SHORT = {
    "training.steps": 4,
    "training.batch": 4,
    "training.log_every": 2,
    "training.grid_every": 2,
    "training.checkpoint_seconds": 0,
    "segmentation.steps": 3,
    "segmentation.batch": 4,
    "evaluation.samples": 8,
    "evaluation.metrics": "iou,coverage",
    "data.images": 24,
    "data.test_images": 6,
}
OWN = {
    "dscomgan": {
        "generator.g": 8,
        "method.d": 4,
        "segmenter.width": 4,
        "regularizers.mi-recovery.width": 4,
    },
    "lrgan": {"training.select": "fid-random", "training.select_every": 2, "training.select_samples": 8},
    "milgan": {"training.rounds": 2},
    "perturbgan-full": {"method.phase_steps": 1, "training.steps": 6},
}
"""What some methods need beside, or have that no other has: selected weights, rounds."""


def recipe(method: str, **more: object) -> Recipe:
    """Of a method's smoke preset at 32 px, cut very short, on a data set that has what it reads."""
    found = registry()
    generator, learns = found.methods[method].generator, bool(found.methods[method].presets)
    parts = ("data", "evaluation", *(["segmentation"] * learns), *(["training"] * bool(generator)))
    wanted = {key: value for key, value in SHORT.items() if key.partition(".")[0] in parts}
    painted = not generator or found.generators[generator].needs <= found.datasets["flora"].provides
    request = Request(method, "flora" if painted else "faces", "smoke", 0, 32, wanted | OWN.get(method, {}) | more)
    return look_up(request, DataHome())


def carry_out(made: Recipe, folder: Path, reporter: Reporter | None = None) -> dict:
    """What a record says that does not depend on when and where it was made."""
    metrics, plugins = chosen_metrics(made.evaluation.metrics, registry().metrics), registry().plugins
    place = Place(folder / "runs", DataHome(folder / "home"), torch.device("cpu"))
    record = json.loads(run(made, place, metrics, plugins, reporter or Quiet()).read_text())
    return {name: record[name] for name in ("artefacts", "values", "status", "flags") if name in record}


class Killed(BaseException):
    """Nothing that is caught on the way, and nothing is saved for it."""


class Deadly(Quiet):
    """Dies in each stage, once at each of some moments."""

    def __init__(self, moments: tuple[int, ...]) -> None:
        self.moments, self.died = moments, set[tuple[str, int]]()
        self.name = ""

    def stage(self, name: str, total: int, done: int = 0) -> None:
        self.name = name
        self._die(0)

    def advance(self, done: int, values: Mapping[str, float] | None = None) -> None:
        self._die(done)

    def _die(self, done: int) -> None:
        if done in self.moments and (self.name, done) not in self.died:
            self.died.add((self.name, done))
            raise Killed


def killed_in_every_stage(method: str, folder: Path, moments: tuple[int, ...], **more: object) -> set[str]:
    """Stages in which it died, after the ends of the two runs were found equal."""
    whole, deadly = carry_out(recipe(method, **more), folder / "whole"), Deadly(moments)
    while True:
        try:
            cut = carry_out(recipe(method, **more), folder / "cut", deadly)
            break
        except Killed:
            continue
    assert cut == whole
    return {name for name, _ in deadly.died}


def test_a_run_that_dies_in_each_stage_ends_with_the_bits_of_one_that_does_not(tmp_path: Path):
    assert {"train", "segment", "sample", "predict"} <= killed_in_every_stage("dscomgan", tmp_path, (0, 2))


def test_a_run_whose_critic_is_held_back_dies_and_goes_on_as_any_other(tmp_path: Path):
    terms = {"regularizers.r1.weight": 1.0, "regularizers.r1.every": 2, "regularizers.spectral-norm.weight": 1.0}
    assert "train" in killed_in_every_stage("dcgan", tmp_path, (1, 2, 3), **terms)


def test_a_run_in_bf16_with_channels_last_dies_and_goes_on_as_any_other(tmp_path: Path):
    layout = {"training.precision": "bf16", "training.channels_last": True}
    assert "train" in killed_in_every_stage("scgan", tmp_path, (2,), **layout)


@pytest.mark.slow
@pytest.mark.timeout(0)
@pytest.mark.parametrize("method", sorted(registry().methods))
def test_every_method_that_dies_at_every_step_of_every_stage_ends_with_the_same_bits(tmp_path: Path, method: str):
    stages = killed_in_every_stage(method, tmp_path, tuple(range(8)))
    assert "train" in stages or not registry().methods[method].generator


def job(method: str, folder: Path) -> int:
    """The number of a process that carries a method's whole job out in `folder` and leaves there what came of it."""
    if child := os.fork():
        return child
    status = 1
    try:
        (folder / "ended.json").write_text(json.dumps(carry_out(recipe(method), folder)))
        status = 0
    finally:
        os._exit(status)


def kill_at_random(method: str, folder: Path, kills: int) -> None:
    """Kill jobs at moments anywhere in the time that one takes, each until it has ended; all ends must be equal."""
    whole = json.dumps(carry_out(recipe(method), folder / "whole"))  # here: what it imports, no child has to
    longest, killed, number = 0.0, 0, 0
    while True:
        place = folder / str(number)
        place.mkdir(exist_ok=True)
        began, child = time.monotonic(), job(method, place)
        if longest and killed < kills:
            time.sleep(random.uniform(0, longest))
            os.kill(child, signal.SIGKILL)
        status = os.waitpid(child, 0)[1]
        if os.WIFSIGNALED(status):
            killed += 1
            continue
        assert status == 0, f"{place} ended with {status}"
        assert (place / "ended.json").read_text() == whole, f"{place} ended otherwise after {killed} kills"
        longest, number = longest or time.monotonic() - began, number + 1
        if killed == kills:
            break
    print(f"{method}: {killed} kills; {number} jobs of {longest:.1f} s ended with the same bits")


@pytest.mark.slow
@pytest.mark.timeout(0)
@pytest.mark.parametrize(("method", "kills"), [("lrgan", 34), ("dscomgan", 33), ("milgan", 33)])
def test_a_hundred_kills_at_random_moments_of_whole_jobs_change_no_bit(tmp_path: Path, method: str, kills: int):
    call = f"kill_at_random({method!r}, Path({str(tmp_path)!r}), {kills})"
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(Path(__file__).parent)}
    # A process of its own: one without threads may fork.
    command = [sys.executable, "-c", f"from test_resume import Path, kill_at_random; {call}"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    print(done.stdout)
