"""What a dry run says of memory: bytes that graphs keep, counted while they are kept and changing nothing."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
import torch
from torch import nn

from lgbench.cli.cost import noise
from lgbench.cli.memory import Kept, Memory, keeping
from lgbench.data import DataHome
from lgbench.lookup import look_up
from lgbench.nn import count_parameters
from lgbench.recipe import Request
from lgbench.run import spec_of
from lgbench.runtime import Runtime
from lgbench.stages import build_game
from lgbench.training import Schedule
from lgbench.training.player import Player
from lgbench.training.stream import Stream

CPU = Runtime(torch.device("cpu"), channels_last=False)


def player(method: str, dataset: str, home: Path, **schedule: float) -> tuple[Player, Stream]:
    recipe = look_up(Request(method, dataset, "smoke", 0, 32, {"generator.nz": 16}), DataHome(home))
    spec = spec_of(recipe, recipe.dataset.build(recipe.data_config, 32, None))
    torch.manual_seed(0)
    plan = Schedule(**{"steps": 9, "batch": 8, "flip": False, **schedule})  # pyright: ignore
    made = Player(build_game(recipe, spec), plan, CPU)
    return made, Stream(noise(16, spec), plan, CPU, made.reads)


def test_a_graph_keeps_what_its_way_back_reads_and_no_longer_than_it_lives():
    network = nn.Sequential(nn.Conv2d(3, 8, 3), nn.Tanh())
    kept = Kept([network])
    with torch.autograd.graph.saved_tensors_hooks(kept.pack, lambda held: getattr(held, "tensor", held)):
        for _ in range(2):
            y = network(torch.randn(4, 3, 16, 16))
            assert kept.now == 4 * (4 * 3 * 16 * 16 + 4 * 8 * 14 * 14)  # the pictures, and tanh's values; no weights
            del y
            assert kept.now == 0
    assert kept.peak == 4 * (4 * 3 * 16 * 16 + 4 * 8 * 14 * 14)


@pytest.mark.parametrize("method", ["wgan-gp", "lrgan"])  # the one differentiates twice
def test_counting_changes_no_bit(tmp_path: Path, method: str):
    ends = []
    for counted in (False, True):
        made, stream = player(method, "faces", tmp_path)
        with keeping(made) if counted else contextlib.nullcontext():
            for number in range(2):
                made.play(number, stream(number), looking=False)
        ends.append([p for network in made.networks.values() for p in network.parameters()])
    assert all(map(torch.equal, *ends))


def test_what_grows_with_a_batch_is_what_a_part_of_it_keeps(tmp_path: Path):
    found = []
    for schedule in ({}, {"accumulate": 2}, {"batch": 4, "ema": 0.9}):
        made, stream = player("lrgan", "flora", tmp_path, **schedule)
        with keeping(made) as kept:
            made.play(0, stream(0), looking=False)
        found.append(Memory.of(made, kept.peak))
    whole, in_parts, half = found
    parameters = sum(map(count_parameters, made.networks.values()))
    assert whole.learning == 3 * 4 * parameters <= 3 * whole.weights
    assert (whole.images, in_parts.images, half.images) == (8, 4, 4)
    assert in_parts.kept == pytest.approx(half.kept, rel=0.1)
    assert in_parts.kept == pytest.approx(whole.kept / 2, rel=0.1)
    assert whole.average == in_parts.average == 0 < half.average < half.weights
    assert half.total == half.weights + half.learning + half.average + half.kept
    assert str(whole).startswith(f"about {whole.total / 2**20:.0f} MB of memory: weights ")
