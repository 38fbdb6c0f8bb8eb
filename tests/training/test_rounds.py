"""Alternate training: rounds of a generator and a segmenter, and that nothing that kills one changes how it ends."""

from __future__ import annotations

import os
import signal
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F
from toy import GENERATOR, METHOD, SQUARES, toy_game

from lgbench import ImageSpec, Segmenter
from lgbench.data import DataHome, Split
from lgbench.errors import BadRecipe
from lgbench.game import Game, Phase
from lgbench.plugins import registry
from lgbench.progress import Quiet
from lgbench.recipe import Request, resolve
from lgbench.run import runtime_of
from lgbench.runtime import Run
from lgbench.stage_configs import TrainingConfig
from lgbench.stages import build_game, judged_from, learn
from lgbench.training import log

SPEC = ImageSpec(16)
ROUNDS = {
    "training.steps": 6,
    "training.rounds": 2,
    "training.first_round": 0.5,
    "training.grid_every": 0,
    "training.log_every": 1,
    "training.ema": 0.9,
    "segmentation.steps": 4,
    "segmentation.round_steps": 3,
}
READING = {"regularizers__background__weight": 1.0}
LR = 0.01


class Rounds:
    """Toy parts that write down who did what, in order."""

    def __init__(self) -> None:
        self.trace: list[tuple] = []

    def game(self, config, painter, spec) -> Game:
        played = toy_game(config, painter, spec)

        def watched(phase: Phase) -> Phase:
            def loss(step):
                self.trace.append((phase.name, step.number))
                return phase.loss(step)

            return replace(phase, loss=loss)

        return replace(played, phases=[watched(phase) for phase in played.phases])

    def probe(self, config, painter, spec) -> Game:
        network = nn.Conv2d(3, 1, 1)

        def loss(step):
            self.trace.append(("probe", step.number, network.weight.detach().clone(), step.layers is step.painted))
            target = (step.layers.alpha > 0.5).float()
            return {"segmenter": F.binary_cross_entropy_with_logits(network(step.layers.image), target)}

        def predict(images):
            self.trace.append(("read", network.weight.requires_grad, network.training))
            return network(images).sigmoid()

        phase = Phase("segmenter", ["probe"], loss, lr=LR)
        return Game(painter, {"probe": network}, [phase], result="probe", frozen=True, predict=predict)

    def learn(self, folder: Path, reporter=None, **settings):
        method = replace(
            METHOD,
            build=self.game,
            segmenter="probe",
            segmenters=(Segmenter(name="probe", summary="one convolution", build=self.probe),),
        )
        overrides = {**ROUNDS, **{key.replace("__", "."): value for key, value in settings.items()}}
        request = Request("toy", "squares", "smoke", settings=overrides)
        recipe = resolve(method, GENERATOR, SQUARES, registry().regularizers, registry().segmenters, request)
        game = build_game(recipe, SPEC)
        images = np.random.default_rng(0).integers(0, 256, (20, 3, 16, 16), dtype=np.uint8)
        train = Split(images, fingerprint="0", origin="procedural")
        runtime, home = runtime_of(recipe, torch.device("cpu")), DataHome(folder / "home")
        run = Run(recipe, folder, home, runtime, reporter or Quiet())
        return learn(run, game, SPEC, {"train": train}, train)

    def named(self, name: str) -> list[tuple]:
        return [event for event in self.trace if event[0] == name]


def bits(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*.safetensors")}


def logged(folder: Path) -> dict[str, list]:
    logs = {str(p.relative_to(folder)): log.read(p) for p in folder.rglob("log.jsonl")}
    return {name: [{k: v for k, v in row.items() if k != "seconds"} for row in rows] for name, rows in logs.items()}


@pytest.mark.parametrize(
    ("rounds", "ends"), [(1, [100]), (2, [60, 100]), (3, [60, 80, 100]), (5, [60, 70, 80, 90, 100])]
)
def test_the_first_round_takes_its_share_and_the_others_the_rest_in_equal_parts(rounds: int, ends: list[int]):
    assert TrainingConfig(steps=100, rounds=rounds).round_ends(rounds) == ends
    assert judged_from(TrainingConfig(steps=100, rounds=rounds)) == (ends[-2] if rounds > 1 else 0)
    assert judged_from(TrainingConfig(steps=100, as_rounds=rounds)) == (ends[-2] if rounds > 1 else 0)


@pytest.mark.parametrize(
    "settings",
    [
        {"steps": 4000, "rounds": 3, "first_round": 0.0001},
        {"steps": 3, "rounds": 6},
        {"steps": 100, "rounds": 2, "first_round": 0.999},
        {"steps": 1, "rounds": 2},
        {"steps": 3, "as_rounds": 6, "select": "fid-random"},
    ],
)
def test_rounds_that_play_no_step_are_refused_with_what_to_set(settings: dict[str, Any]):
    with pytest.raises(BadRecipe, match=r"training\.steps=.* rounds end after .*more steps, fewer training\.rounds"):
        TrainingConfig(**settings)
    enough: dict[str, Any] = {**settings, "steps": 100_000}
    single: dict[str, Any] = {**settings, "rounds": 1, "select": "last"}
    assert TrainingConfig(**enough).steps == 100_000
    assert TrainingConfig(**single).round_ends(1) == [settings["steps"]]


@pytest.mark.parametrize("rounds", [2, 3])
def test_the_control_of_several_rounds_teaches_as_many_steps_in_its_one(tmp_path: Path, rounds: int):
    several, one = Rounds(), Rounds()
    their = several.learn(tmp_path / "several", training__rounds=rounds)
    its = one.learn(tmp_path / "one", training__rounds=1, training__as_rounds=rounds)
    assert its.teaching_steps == their.teaching_steps == 3 * (rounds - 1) + 4
    assert len(one.named("probe")) == len(several.named("probe"))
    assert its.fitted.steps == their.fitted.steps


@pytest.mark.parametrize("settings", [{"training__rounds": 3}, {"training__rounds": 1, "training__as_rounds": 3}])
def test_a_judge_looks_at_the_last_share_of_the_steps_only(tmp_path: Path, settings):
    shares = {"training__steps": 20, "training__select": "fid-random", "training__select_every": 1}
    Rounds().learn(tmp_path, training__select_samples=4, **shares, **settings)
    looks = [row["step"] + 1 for row in log.read(tmp_path / "train" / "judged.jsonl")]
    assert looks == [16, 17, 18, 19, 20]  # half in the first round, a quarter in each other


def test_several_rounds_are_not_the_control_of_others(tmp_path: Path):
    with pytest.raises(BadRecipe, match=r"as_rounds=3 .* set training\.rounds=1"):
        Rounds().learn(tmp_path, training__as_rounds=3)


def test_rounds_alternate_and_the_generator_reads_the_segmenter_from_the_second_on(tmp_path: Path):
    rounds = Rounds()
    learned = rounds.learn(tmp_path, **READING)
    first = [event for n in range(3) for event in (("critic", n), ("generator", n))]
    later = [event for n in range(3, 6) for event in (("critic", n), ("generator", n), ("read", False))]
    middle, last = [("probe", n) for n in range(3)], [("probe", n) for n in range(4)]
    assert [event[:2] for event in rounds.trace] == [*first, *middle, *later, *last]
    assert learned.fitted.status == "done"
    assert learned.fitted.steps == 6
    assert learned.taught is not None
    assert learned.taught.steps == 4
    values = [row["background"] for row in log.read(tmp_path / "train" / "log.jsonl")]
    assert values[:3] == [0, 0, 0]
    assert min(values[3:]) > 0


def test_the_segmenter_is_held_fixed_while_it_is_read(tmp_path: Path):
    rounds = Rounds()
    rounds.learn(tmp_path, **READING)
    assert {event[1:] for event in rounds.named("read")} == {(False, False)}  # neither learning nor in training mode


def test_the_segmenters_weights_carry_over_and_its_optimizer_starts_anew(tmp_path: Path):
    from safetensors.torch import load_file

    rounds = Rounds()
    rounds.learn(tmp_path)
    weights = [event[2] for event in rounds.named("probe")]
    assert torch.equal(weights[3], load_file(tmp_path / "segment-1" / "probe.safetensors")["weight"])
    moves = [(later - earlier).abs() for earlier, later in pairwise(weights)]
    expected = torch.full_like(moves[0], LR)  # Adam's very first move is its rate in every number
    torch.testing.assert_close(moves[0], expected, atol=1e-6, rtol=0)
    torch.testing.assert_close(moves[3], expected, atol=1e-6, rtol=0)
    assert (moves[1] - expected).abs().max() > 1e-5


@pytest.mark.parametrize("perturbed", [False, True])
def test_segmenters_learn_from_what_is_painted_and_from_perturbed_pairs_where_told_to(tmp_path: Path, perturbed: bool):
    rounds = Rounds()
    rounds.learn(tmp_path, regularizers__perturbation__weight=1.0, segmentation__perturbed=perturbed)
    assert {event[3] for event in rounds.named("probe")} == {not perturbed}


def test_generator_critics_optimizers_and_dice_carry_over_between_rounds(tmp_path: Path):
    """Where no term reads the segmenter, rounds change nothing at all."""
    Rounds().learn(tmp_path / "three", training__rounds=3)
    Rounds().learn(tmp_path / "one", training__rounds=1)
    three, one = bits(tmp_path / "three"), bits(tmp_path / "one")
    assert three["train/generator.safetensors"] == one["train/generator.safetensors"]
    assert {"segment-1/probe.safetensors", "segment-2/probe.safetensors"} <= set(three)
    assert logged(tmp_path / "three")["train/log.jsonl"] == logged(tmp_path / "one")["train/log.jsonl"]
    assert three["segment/probe.safetensors"] != one["segment/probe.safetensors"]  # it has been taught before


def test_what_is_read_changes_the_generator(tmp_path: Path):
    Rounds().learn(tmp_path / "reading", **READING)
    Rounds().learn(tmp_path / "not")
    reading, not_reading = (bits(tmp_path / name)["train/generator.safetensors"] for name in ("reading", "not"))
    assert reading != not_reading


class Killing(Quiet):
    """Ends the process's work at a step of a stage, as a crash or as Ctrl-C does."""

    def __init__(self, stage: str, done: int, how: str) -> None:
        self.at, self.how, self.name = (stage, done), how, ""

    def stage(self, name: str, total: int, done: int = 0) -> None:
        self.name = name
        if self.at == (name, done) and self.how == "crash":
            raise SystemExit

    def advance(self, done: int, values=None) -> None:
        if self.at == (self.name, done):
            if self.how == "crash":
                raise SystemExit
            os.kill(os.getpid(), signal.SIGINT)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("whole")
    Rounds().learn(folder, **READING)
    return folder


@pytest.mark.parametrize(
    ("stage", "done", "how"),
    [
        ("train", 2, "crash"),
        ("train", 3, "crash"),
        ("segment-1", 0, "crash"),
        ("segment-1", 2, "ctrl-c"),
        ("train", 4, "ctrl-c"),
        ("train", 5, "crash"),
        ("segment", 0, "crash"),
        ("segment", 3, "crash"),
    ],
)
@pytest.mark.parametrize("checkpoint_seconds", [0, 60])
def test_rounds_that_are_killed_anywhere_end_with_the_bits_of_those_that_were_not(
    tmp_path: Path, whole: Path, stage: str, done: int, how: str, checkpoint_seconds: int
):
    with pytest.raises((SystemExit, KeyboardInterrupt)):
        Rounds().learn(tmp_path, Killing(stage, done, how), **READING, training__checkpoint_seconds=checkpoint_seconds)
    Rounds().learn(tmp_path, **READING)
    assert bits(tmp_path) == bits(whole)
    assert logged(tmp_path) == logged(whole)


def test_a_second_identical_call_trains_nothing_and_returns_the_same(tmp_path: Path):
    first = Rounds().learn(tmp_path, **READING)
    before, again = bits(tmp_path), Rounds()
    second = again.learn(tmp_path, **READING)
    assert again.trace == []
    assert bits(tmp_path) == before
    assert (second.fitted, second.taught) == (first.fitted, first.taught)
    assert first.segmenter is not None
    assert second.segmenter is not None
    x = torch.randn(2, 3, 16, 16)
    assert torch.equal(first.segmenter.predict(x), second.segmenter.predict(x))  # pyright: ignore


def test_a_generator_that_diverges_in_the_first_round_is_not_trained_on(tmp_path: Path):
    rounds = Rounds()
    real = rounds.game

    def poisoned(config, painter, spec) -> Game:
        game = real(config, painter, spec)
        generator = game.phases[1]

        def loss(step):
            losses = generator.loss(step)
            return {"generator": losses["generator"] * (float("nan") if step.number == 1 else 1)}

        return replace(game, phases=[game.phases[0], replace(generator, loss=loss)])

    rounds.game = poisoned
    learned = rounds.learn(tmp_path, **READING)
    assert learned.fitted.status == "diverged"
    assert max(event[1] for event in rounds.named("critic")) == 1
    assert not (tmp_path / "segment-1").exists()


@pytest.mark.parametrize("settings", [{"ema": 0.0}, {"select": "fid-random"}])
def test_statistics_are_estimated_again_of_an_average_of_the_last_weights_only(settings: dict[str, Any]):
    with pytest.raises(BadRecipe, match=r"set training\.ema, and leave training\.select at last"):
        TrainingConfig(ema_statistics="again", **settings)
    assert TrainingConfig(ema_statistics="again").ema > 0
