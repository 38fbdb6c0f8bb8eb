"""The timing programs run as their own words say, and the reference step computes what ours does."""

import importlib
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from lgbench.data import DataHome
from lgbench.layers import Batch
from lgbench.lookup import look_up
from lgbench.nn import count_parameters
from lgbench.offers import ImageSpec
from lgbench.recipe import Request
from lgbench.runtime import Runtime
from lgbench.stages import build_game
from lgbench.training import Schedule
from lgbench.training.player import Player

PROGRAM = Path(__file__).parent.parent / "benchmarks/speed/step.py"
EXAMPLES = re.findall(r"uv run python benchmarks/speed/step\.py (.*)", PROGRAM.read_text())
RESOLUTION, BATCH, CLASSES = 32, 4, 5
SMALL = {
    "generator.g": 8,
    "generator.nz": 7,
    "generator.n_codes": CLASSES,
    "method.d": 4,
    "regularizers.mi-recovery.width": 6,
    "regularizers.binarization.weight": 0,
}


@pytest.fixture
def reference(monkeypatch):
    monkeypatch.syspath_prepend(PROGRAM.parent)
    return importlib.import_module("reference")


@pytest.fixture
def player(tmp_path: Path) -> Player:
    recipe = look_up(Request("dscomgan", "flora", "paper", 0, RESOLUTION, SMALL), DataHome(tmp_path))
    runtime = Runtime(torch.device("cpu"), channels_last=False)
    return Player(build_game(recipe, ImageSpec(RESOLUTION, 3, CLASSES)), Schedule(10, BATCH), runtime)


@pytest.mark.parametrize("example", EXAMPLES)
def test_an_example_of_the_timing_program_tells_a_ratio(example: str):
    smaller = ["--set", "training.batch=2", "--set", "generator.g=8"] if "dscomgan" in example else []
    arguments = [*shlex.split(example), "--steps", "1", "--device", "cpu", "--resolution", "32", *smaller]
    told = subprocess.run([sys.executable, str(PROGRAM), *arguments], capture_output=True, text=True)
    assert told.returncode == 0, told.stderr
    assert re.search(r"^ratio \d+\.\d\d \(single pairs", told.stdout, flags=re.M)


def test_the_registered_mask_scores_are_scikit_learns():
    program = PROGRAM.with_name("masks.py")
    arguments = [sys.executable, str(program), "--masks", "40", "--side", "32", "--rounds", "2", "--share", "20"]
    told = subprocess.run(arguments, capture_output=True, text=True)
    assert told.returncode == 0, told.stderr
    assert float(re.findall(r"difference (\S+)", told.stdout)[0]) < 1e-9


SAVINGS = ["", "look_up", "join_up", "score_once", "hold_critic", "fused_adam", "joint_ema"]


@pytest.mark.parametrize("saving", SAVINGS)
def test_the_reference_step_has_our_losses_gradients_and_parameter_counts(reference, player: Player, saving: str):
    widths = {"g": 8, "nz": 7, "d": 4, "code": 6}
    savings = reference.Savings(**({saving: True} if saving else {}))
    theirs = reference.ReferenceStep(widths, CLASSES, RESOLUTION, savings)
    counts = {name: count_parameters(network) for name, network in player.networks.items()}
    assert {name: count_parameters(network) for name, network in theirs.networks.items()} == counts
    for name, network in theirs.networks.items():
        network.load_state_dict(player.networks[name].state_dict())
    gradients = _gradients_of_the_critic_kept(theirs)
    torch.manual_seed(1)
    real = torch.rand(BATCH, 3, RESOLUTION, RESOLUTION) * 2 - 1
    torch.manual_seed(2)
    codes = player.game.painter.codes(BATCH)
    torch.manual_seed(2)
    ours = player.play(0, Batch(real), looking=False)
    losses = theirs.play(real, codes)
    assert losses.keys() == ours.keys()
    for name, loss in losses.items():
        assert float(loss.detach()) == pytest.approx(float(ours[name]), rel=1e-4), name
    for name, network in player.networks.items():
        for parameter, value in network.named_parameters():
            assert value.grad is not None
            other = gradients[parameter] if name == "critic" else theirs.networks[name].get_parameter(parameter).grad
            error = (other - value.grad).norm() / value.grad.norm()
            assert error < 1e-4, (name, parameter, error)


def _gradients_of_the_critic_kept(step) -> dict[str, torch.Tensor]:
    """What the critic's optimiser is given, before later passes add to it."""
    kept: dict[str, torch.Tensor] = {}

    def keep(optimizer, args, kwargs) -> None:
        kept.update({name: p.grad.clone() for name, p in step.critic.named_parameters()})

    step.critic_adam.register_step_pre_hook(keep)
    return kept


def test_every_saving_of_the_reference_is_compared_with_ours(reference):
    assert {*reference.Savings.__slots__} == {*SAVINGS} - {""}
