"""The timing programs run as their own words say, and the reference step computes what ours does."""

import importlib
import re
import shlex
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner

from lgbench.data import DataHome
from lgbench.layers import Batch
from lgbench.lookup import look_up
from lgbench.nn import count_parameters
from lgbench.offers import ImageSpec
from lgbench.recipe import Recipe, Request
from lgbench.runtime import Runtime
from lgbench.stages import build_game
from lgbench.training import Schedule
from lgbench.training.player import Player

PROGRAM = Path(__file__).parent.parent / "benchmarks/speed/step.py"
EXAMPLES = re.findall(r"uv run python benchmarks/speed/step\.py (.*)", PROGRAM.read_text())
BATCH, CLASSES = 4, 5
SPECS = {
    "dscomgan": ImageSpec(32, 3, CLASSES),
    "lrgan": ImageSpec(32, 3, CLASSES),
    "scgan": ImageSpec(64, 3, CLASSES, segments=3, attributes=2),  # below, its norms are of too few pixels
}
WIDTHS = {
    "dscomgan": {
        "generator.g": 8,
        "generator.nz": 7,
        "generator.n_codes": CLASSES,
        "method.d": 4,
        "regularizers.mi-recovery.width": 6,
        "regularizers.binarization.weight": 0,
    },
    "lrgan": {"generator.ngf": 4, "generator.floor": 4, "generator.bg_floor": 4, "method.ndf": 4},
    "scgan": {
        "generator.g": 4,
        "generator.nz": 7,
        "method.d": 4,
        "method.n_repeat": 2,
        "method.lr": 1e-9,  # its critic moves first, and Adam makes steps of rounding errors where there is no slope
        "regularizers.segmentor.lr": 1e-9,
        "regularizers.segmentor.width": 6,
        "regularizers.segmentor.weight": 2.0,
    },
}
SAVINGS = {
    "dscomgan": ["look_up", "join_up", "score_once", "hold_critic", "fused_adam", "joint_ema"],
    "lrgan": ["warp_once", "hold_critic", "fused_adam"],
    "scgan": [
        *("join_up", "small_shortcut", "one_norm", "no_graph"),
        *("one_look", "own_slope", "hold_others", "fused_adam"),
    ],
}
SAVED = [(method, saving) for method, savings in SAVINGS.items() for saving in ("", *savings)]
Gradients = dict[str, torch.Tensor]


@pytest.fixture
def references(monkeypatch):
    monkeypatch.syspath_prepend(PROGRAM.parent)
    return importlib.import_module("reference").REFERENCES


def noise(spec: ImageSpec) -> Batch:
    images = torch.rand(BATCH, 3, spec.resolution, spec.resolution) * 2 - 1
    segments = torch.randint(max(spec.segments, 1), images[:, 0].shape, dtype=torch.uint8)
    return Batch(images, segments=segments, attributes=torch.randint(2, (BATCH, spec.attributes)).float())


def recipe_of(method: str, home: Path) -> Recipe:
    dataset = "faces" if method == "scgan" else "flora"
    return look_up(Request(method, dataset, "paper", 0, SPECS[method].resolution, WIDTHS[method]), DataHome(home))


@pytest.mark.parametrize("example", EXAMPLES)
def test_an_example_of_the_timing_program_tells_a_ratio(example: str, monkeypatch):
    smaller = [] if "lrgan" in example else ["--set", "training.batch=2", "--set", "generator.g=8"]
    arguments = [*shlex.split(example), "--steps", "1", "--device", "cpu", "--resolution", "32", *smaller]
    monkeypatch.syspath_prepend(PROGRAM.parent)
    told = CliRunner().invoke(importlib.import_module("step").main, arguments, catch_exceptions=False)
    assert told.exit_code == 0, told.stderr
    assert re.search(r"^ratio \d+\.\d\d \(single pairs", told.stdout, flags=re.M)


def test_the_registered_mask_scores_are_scikit_learns(monkeypatch, caplog):
    monkeypatch.syspath_prepend(PROGRAM.parent)
    arguments = ["--masks", "40", "--side", "32", "--rounds", "2", "--share", "20"]
    told = CliRunner().invoke(importlib.import_module("masks").main, arguments, catch_exceptions=False)
    assert told.exit_code == 0, told.stderr
    assert float(re.findall(r"difference (\S+)", told.stdout)[0]) < 1e-9
    assert not caplog.records  # no part of the evidence failed


@pytest.mark.parametrize(("method", "saving"), SAVED)
def test_a_reference_step_has_our_losses_gradients_and_parameter_counts(
    references, tmp_path: Path, method: str, saving: str
):
    recipe, spec, theirs = recipe_of(method, tmp_path), SPECS[method], references[method]
    torch.manual_seed(1)
    real = noise(spec)
    player = Player(build_game(recipe, spec), Schedule(10, BATCH), Runtime(torch.device("cpu"), channels_last=False))
    reference = theirs.ReferenceStep(recipe, spec, theirs.Savings(**({saving: True} if saving else {})))
    counts = {name: count_parameters(network) for name, network in player.networks.items()}
    assert {name: count_parameters(network) for name, network in reference.networks.items()} == counts
    assert reference.period == player.period
    for name, network in reference.networks.items():
        network.load_state_dict(player.networks[name].state_dict())
    ours_given, theirs_given = _given_to(player), _given_to(reference)
    for number in range(player.period):
        torch.manual_seed(2)
        ours = player.play(number, real, looking=False)
        torch.manual_seed(2)
        losses = reference.play(number, real)
        assert losses.keys() == ours.keys()
        for name, loss in losses.items():
            assert float(loss.detach()) == pytest.approx(float(ours[name]), rel=1e-4), name
        assert theirs_given.keys() == ours_given.keys()
        for name, gradients in theirs_given.items():
            _assert_equal_gradients(gradients, ours_given[name])


def _given_to(side) -> dict[str, Gradients]:
    """What each optimiser is given when it moves, by parameter, before later passes add to it; filled as it plays."""
    given: dict[str, Gradients] = {}

    def watch(phase: str, learnt: set[int]) -> None:
        def keep(optimizer, args, kwargs) -> None:
            given[phase] = {
                f"{network}.{name}": parameter.grad.clone()
                for network, module in side.networks.items()
                for name, parameter in module.named_parameters()
                if id(parameter) in learnt
            }

        side.optimizers[phase].register_step_pre_hook(keep)

    for phase, optimizer in side.optimizers.items():
        watch(phase, {id(parameter) for group in optimizer.param_groups for parameter in group["params"]})
    return given


def _assert_equal_gradients(theirs: Gradients, ours: Gradients) -> None:
    """To 1e-4 of each; what no loss depends on, such as a bias before a norm, gets rounding errors of the others."""
    assert theirs.keys() == ours.keys()
    rounding = 1e-6 * max(gradient.norm() for gradient in ours.values())
    for name, gradient in ours.items():
        error = (theirs[name] - gradient).norm()
        assert error < 1e-4 * gradient.norm() + rounding, (name, error, gradient.norm())


def test_every_saving_of_a_reference_is_compared_with_ours(references):
    assert {method: {*theirs.Savings.__slots__} for method, theirs in references.items()} == {
        method: {*savings} for method, savings in SAVINGS.items()
    }
