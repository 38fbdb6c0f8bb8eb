"""Rates that drop or are slow, networks that grow, and networks that are kept beside the result."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from toy import GENERATOR, METHOD, SQUARES, ToyConfig, ToyPainter, folder_of, toy_game

from lgbench import ImageSpec
from lgbench.data import DataHome, Split
from lgbench.game import Game, Phase, Step, Term, Weighted
from lgbench.layers import Batch
from lgbench.plugins import registry
from lgbench.progress import Quiet
from lgbench.recipe import Request, resolve
from lgbench.run import Place, run
from lgbench.runtime import Runtime
from lgbench.training import Schedule, Stage, fit
from lgbench.training.player import Player

CPU = Runtime(torch.device("cpu"), channels_last=False)
SPEC = ImageSpec(16)
BATCH = Batch(torch.zeros(4, 3, 16, 16))


def toy(**generator) -> Game:
    torch.manual_seed(0)
    game = toy_game(None, ToyPainter(ToyConfig(), SPEC), SPEC)
    return replace(game, phases=[game.phases[0], replace(game.phases[1], **generator)])


def rates(player: Player, phase: str = "generator") -> list[float]:
    return [group["lr"] for group in player.optimizers[phase].param_groups]


def played_rates(steps: int, **generator) -> list[float]:
    player = Player(toy(lr=0.01, **generator), Schedule(steps, 4), CPU)
    found = []
    for number in range(steps):
        player.play(number, BATCH, looking=False)
        found += rates(player)
    return found


def test_a_rate_drops_once_at_its_share_of_the_steps():
    assert played_rates(6, drop_at=0.5, drop=0.2) == pytest.approx([0.01] * 3 + [0.002] * 3)
    assert played_rates(4) == [0.01] * 4


def test_a_rate_drops_at_its_share_in_a_phase_that_is_not_played_then():
    assert played_rates(8, drop_at=0.375, drop=0.1, every=2)[4:] == pytest.approx([0.001] * 4)


def test_a_rate_decays_linearly_to_nothing_after_the_last_step():
    assert played_rates(8, decay_from=0.5) == pytest.approx([0.01] * 4 + [0.01, 0.0075, 0.005, 0.0025])
    assert played_rates(4, decay_from=0.5, drop_at=0.75, drop=0.1) == pytest.approx([0.01, 0.01, 0.01, 0.0005])


def test_a_dropped_rate_does_not_drop_again_after_a_resume(tmp_path: Path):
    images = np.zeros((8, 3, 16, 16), np.uint8)

    def play(stop: int = 0) -> Game:
        game = toy(lr=0.01, drop_at=0.5, drop=0.0)
        schedule = Schedule(8, 4, grid_every=0, ema=0, stop=stop)
        fit(game, Split(images), schedule, Stage("train", tmp_path, CPU, Quiet()))
        return game

    def rate() -> float:
        state = torch.load(tmp_path / "checkpoint.pt")
        return state["optimizers"]["generator"]["param_groups"][0]["lr"]

    play(stop=4)  # the drop comes with step 4
    assert rate() == 0.01
    at_half = play(stop=5).networks["generator"].get_parameter("paint.weight").detach().clone()
    assert rate() == 0
    last = play().networks["generator"].get_parameter("paint.weight")
    assert torch.equal(last, at_half)  # a rate of nothing


def test_a_resumed_run_drops_its_rate_as_one_that_was_not(tmp_path: Path):
    def play(folder: Path, stop: int = 0) -> bytes:
        images = np.zeros((8, 3, 16, 16), np.uint8)
        schedule = Schedule(8, 4, grid_every=0, stop=stop)
        stage = Stage("train", folder, CPU, Quiet())
        fit(toy(lr=0.01, drop_at=0.5, drop=0.2), Split(images), schedule, stage)
        return (folder / "generator.safetensors").read_bytes()

    whole = play(tmp_path / "whole")
    for stop in (3, 4, 5, 6):
        play(tmp_path / "cut", stop)
    assert play(tmp_path / "cut") == whole


def test_slow_parts_move_by_their_share_of_the_rate():
    """Adam's first move is its rate in every number."""
    game = toy(lr=0.01, slow={"trunk": 0.1})
    player = Player(game, Schedule(4, 4), CPU)
    before = {name: p.detach().clone() for name, p in game.networks["generator"].named_parameters()}
    player.play(0, BATCH, looking=False)
    moved = {n: (p - before[n]).abs().max().item() for n, p in game.networks["generator"].named_parameters()}
    assert moved["paint.weight"] == pytest.approx(0.01, rel=1e-3)
    assert moved["trunk.0.weight"] == pytest.approx(0.001, rel=1e-3)
    assert sorted(rates(player)) == [0.001, 0.01]
    assert rates(player, "critic") == [2e-4]


def test_slow_parts_stay_slow_when_the_rate_drops():
    player = Player(toy(lr=0.01, slow={"trunk": 0.1}, drop_at=0.5, drop=0.5), Schedule(2, 4), CPU)
    for number in range(2):
        player.play(number, BATCH, looking=False)
    assert sorted(rates(player)) == pytest.approx([0.0005, 0.005])


def test_a_game_begins_each_step_before_anything_is_painted(tmp_path: Path):
    events: list[object] = []
    game = toy()
    game.networks["generator"].register_forward_pre_hook(lambda *_: events.append("paint"))
    game = replace(game, begin=events.append)
    images = np.zeros((8, 3, 16, 16), np.uint8)
    stage = Stage("train", tmp_path, CPU, Quiet())
    fit(game, Split(images), Schedule(3, 4, grid_every=0, stop=2), stage)
    fit(game, Split(images), Schedule(3, 4, grid_every=0), stage)
    assert events == [0, "paint", 1, "paint", 2, "paint"]


def clustering(kept: list[str]):
    """The toy game with a code network that learns to cluster."""

    def build(config, painter, spec) -> Game:
        game = toy_game(config, painter, spec)
        code = nn.Sequential(nn.Flatten(), nn.Linear(3 * 16 * 16, 8), nn.BatchNorm1d(8))

        def loss(step):
            return {"code": code(step.images).square().mean() - code(step.layers.image.detach()).std()}

        phases = [*game.phases, Phase("code", ["code"], loss, lr=0.05)]
        return replace(game, networks={**game.networks, "code": code}, phases=phases, cluster=code, kept=kept)

    return build


def labels_of(folder: Path, kept: list[str]) -> list[int]:
    """The clusters that the evaluation of a run reads."""
    found, nmi = [], registry().metrics["nmi"]
    spy = replace(nmi, compute=lambda evidence: found.append(evidence["clusters"]) or nmi.compute(evidence))
    settings = {"training.steps": 12, "segmentation.name": "none", "evaluation.samples": 8}
    request, method = Request("toy", "squares", "smoke", settings=settings), replace(METHOD, build=clustering(kept))
    chosen = resolve(method, GENERATOR, SQUARES, registry().regularizers, registry().segmenters, request)
    place = Place(folder / "run", DataHome(folder / "home"), torch.device("cpu"))
    path = run(chosen, place, {"nmi": spy}, (), Quiet())
    assert json.loads(path.read_text())["status"] == "done"
    return found[0].tolist()


def test_kept_networks_are_stored_and_read_again_where_training_is_already_done(tmp_path: Path):
    first = labels_of(tmp_path, ["code"])
    assert (folder_of(tmp_path / "run") / "train" / "code.safetensors").exists()
    (folder_of(tmp_path / "run") / "record.json").unlink()
    assert labels_of(tmp_path, ["code"]) == first
    assert len(set(first)) > 1
    forgotten = labels_of(tmp_path / "forgetting", [])
    assert forgotten == first
    (folder_of(tmp_path / "forgetting" / "run") / "record.json").unlink()
    assert labels_of(tmp_path / "forgetting", []) != first  # what is not kept is not there


def test_a_terms_own_phase_is_played_before_the_regularized_one_and_trains_its_networks_alone():
    reader, follower = nn.Linear(1, 1), nn.Linear(1, 1)

    def read(step: Step) -> dict[str, Tensor]:
        played.append("reader")
        return {"reader": reader(step.images.mean(dim=(1, 2, 3))[:, None]).square().mean()}

    def penalty(step: Step) -> Tensor:
        played.append("penalty")
        return (follower(reader(step.layers.image.mean(dim=(1, 2, 3))[:, None])) - 1).square().mean()

    played: list[str] = []
    term = Term(penalty, networks={"reader": reader, "follower": follower}, phases=[Phase("reader", ["reader"], read)])
    player = Player(replace(toy(), terms=[Weighted("read", 1.0, term)]), Schedule(1, 4), CPU)
    assert [phase.name for phase in player.phases] == ["critic", "reader", "generator"]
    assert player.trained["generator"] == ["generator", "follower"]
    player.play(0, BATCH, looking=False)
    assert played == ["reader", "penalty"]
    assert reader.weight.grad is not None  # its own phase's; the penalty went through it and left it alone
    before = [p.clone() for p in reader.parameters()]
    player._move(player.phases[2], [player._paint(1, BATCH)])
    assert all(map(torch.equal, before, reader.parameters()))


def test_a_painter_paints_without_a_graph_at_steps_that_do_not_train_it():
    def critic_loss(step: Step) -> dict[str, Tensor]:
        graphs.append(step.layers.image.requires_grad)
        return loss(step)

    game, graphs = toy(every=3), []
    loss = game.phases[0].loss
    phases = [replace(game.phases[0], loss=critic_loss), game.phases[1]]
    player = Player(replace(game, phases=phases), Schedule(6, 4), CPU)
    for number in range(6):
        player.play(number, BATCH, looking=True)
    assert graphs == [False, False, True] * 2


def test_a_game_may_give_its_painter_other_conditions_than_those_of_the_real_images():
    class Echo(ToyPainter):
        conditional = frozenset({"segments"})

        def codes(self, n: int, batch: Batch | None = None) -> dict[str, Tensor]:
            assert batch is not None
            assert batch.segments is not None
            return {**super().codes(n), "s": batch.segments}

    def generator_loss(step: Step) -> dict[str, Tensor]:
        seen.append((step.real.segments, step.layers.codes["s"], step.paint()[1].codes["s"]))
        return loss(step)

    painter, seen = Echo(ToyConfig(), SPEC), []
    game = toy_game(None, painter, SPEC)
    loss = game.phases[1].loss
    phases = [game.phases[0], replace(game.phases[1], loss=generator_loss)]
    game = replace(game, phases=phases, given=lambda real: real[torch.tensor([1, 2, 3, 0])])
    player = Player(game, Schedule(1, 4), CPU)
    maps = torch.arange(4, dtype=torch.uint8)[:, None, None].expand(4, 16, 16)
    assert player.reads == {"segments"}
    player.play(0, Batch(BATCH.images, segments=maps), looking=False)
    ((real, painted, repainted),) = seen
    assert real[:, 0, 0].tolist() == [0, 1, 2, 3]
    assert painted[:, 0, 0].tolist() == repainted[:, 0, 0].tolist() == [1, 2, 3, 0]
