"""ILSGAN's penalty: what is hidden is pushed from what is seen, and pulled towards other samples' (Zou et al.)."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import replace

import pytest
import torch
from milgan_worlds import composed, images, player, silent, term_of
from milgan_worlds import step_of as step_of_game
from torch.testing import assert_close
from toy import SQUARES

import lgbench_regularizers
from lgbench import ImageSpec, LgbenchError
from lgbench.game import Step, Term, Weighted
from lgbench.layers import Batch, Layers, paint_over
from lgbench.plugins import registry
from lgbench.recipe import Request, resolve
from lgbench_regularizers.config import IndependenceConfig
from lgbench_regularizers.independence import bound, gaussian, independence, laplace

pytestmark = pytest.mark.usefixtures("seeded")

RECORD = {record.name: record for record in lgbench_regularizers.regularizers()}["layer-independence"]
FORMS = ("laplace", "gaussian", "l1")
WEIGHT = f"regularizers.{RECORD.name}.weight"
ADDED = {WEIGHT: 1.0}


def scene(n: int = 4, side: int = 8, k: int = 1) -> Layers:
    x_b, x_f = torch.rand(n, 3, side, side) * 1.8 - 0.9, torch.rand(n, k, 3, side, side) * 1.8 - 0.9
    pi = torch.rand(n, k, 1, side, side)
    return Layers.compose(*(x.requires_grad_() for x in (x_b, x_f, pi)))


def step_of(painted: Layers, layers: Layers | None = None, share: float = 0.0) -> Step:
    layers = layers or painted
    return Step(0, Batch(painted.image), painted, layers, paint=lambda: (painted, layers), share=share)


def gradients(config: IndependenceConfig, layers: Layers) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Of the background, the foreground and the alpha."""
    inputs = (layers.background, layers.foregrounds, layers.alphas)
    found = torch.autograd.grad(independence(config, layers), inputs, allow_unused=True)
    return tuple(torch.zeros_like(x) if g is None else g for x, g in zip(inputs, found, strict=True))


@pytest.mark.parametrize("form", ["laplace", "gaussian"])
def test_a_batch_of_one_sample_repeated_costs_nothing(form: str):
    one = scene(1)
    same = Layers.compose(*(x.expand(5, *x.shape[1:]) for x in (one.background, one.foregrounds, one.alphas)))
    assert independence(IndependenceConfig(form=form), same).item() == pytest.approx(0, abs=1e-6)


def test_the_positive_halves_are_the_mean_difference_of_the_layers_whatever_the_alpha():
    layers = scene()
    x_b, x_f, pi = layers.background, layers.foregrounds[:, 0], layers.alphas[:, 0]
    halves = -laplace(pi * x_b, pi * x_f) - laplace((1 - pi) * x_f, (1 - pi) * x_b)
    assert_close(halves, -(x_f - x_b).abs().mean(), atol=1e-6, rtol=0)
    (slope,) = torch.autograd.grad(halves, layers.alphas)
    assert slope.abs().max() < 1e-6


@pytest.mark.parametrize("distance", [laplace, gaussian])
def test_the_identity_permutation_costs_nothing_and_moves_nothing(distance):
    hidden, visible = (torch.rand(4, 3, 8, 8, requires_grad=True) for _ in range(2))
    value = bound(hidden, visible, torch.arange(4), distance)
    assert value.item() == 0
    assert all(not g.any() for g in torch.autograd.grad(value, (hidden, visible)))


def test_the_order_of_the_batch_does_not_matter():
    hidden, visible, order, other = torch.rand(6, 3, 8, 8), torch.rand(6, 3, 8, 8), torch.randperm(6), torch.randperm(6)
    moved = torch.argsort(other)[order[other]]  # the same pairs, by their new places
    assert_close(bound(hidden[other], visible[other], moved, laplace), bound(hidden, visible, order, laplace))


def test_without_a_foreground_only_what_is_hidden_of_it_counts():
    layers = scene(2)
    x_b, x_f = layers.background, layers.foregrounds[:, 0]
    empty = Layers.compose(x_b, layers.foregrounds, torch.zeros_like(layers.alphas))
    swapped = (x_f.flip(0) - x_b).abs().mean() - (x_f - x_b).abs().mean()
    for _ in range(8):  # of two samples there are two permutations
        value = independence(IndependenceConfig(), empty).item()
        assert min(abs(value), abs(value - swapped.item())) < 1e-6


def test_the_plain_form_moves_each_layer_where_it_is_hidden_and_no_alpha():
    layers = scene()
    config = IndependenceConfig(form="l1")
    x_b, x_f, pi = layers.background, layers.foregrounds[:, 0], layers.alphas[:, 0]
    of_b, of_f, of_pi = gradients(config, layers)
    assert_close(of_b, -torch.sign(x_b - x_f) * pi / x_b.numel())
    assert_close(of_f[:, 0], -torch.sign(x_f - x_b) * (1 - pi) / x_f.numel())
    assert not of_pi.any()
    assert -2 <= independence(config, layers).item() <= 0


def test_what_is_visible_may_be_held_fixed():
    layers = scene()
    sides = torch.zeros_like(layers.alphas)
    sides[..., :4] = 1  # all of one side is seen, all of the other hidden
    layers = Layers.compose(layers.background, layers.foregrounds, sides.requires_grad_())
    of_b, of_f, _ = gradients(IndependenceConfig(detach="visible"), layers)
    assert not of_b[..., 4:].any()
    assert not of_f[..., :4].any()
    assert of_b[..., :4].any()
    assert of_f[..., 4:].any()


@pytest.mark.parametrize("form", FORMS)
def test_colours_outside_the_range_and_alphas_may_be_held_fixed(form: str):
    layers = scene()
    with torch.no_grad():
        layers.background[:, :, 0, 0] = 1.5
    of_b, _, of_pi = gradients(IndependenceConfig(form=form, alpha_grad=False), layers)
    assert not of_b[:, :, 0, 0].any()
    assert of_b[:, :, 1:].any()
    assert not of_pi.any()
    ungated, _, _ = gradients(IndependenceConfig(form=form, gate=False), layers)
    assert ungated[:, :, 0, 0].any()


@pytest.mark.parametrize("form", FORMS)
def test_the_weight_means_the_same_at_any_resolution(form: str):
    small = scene()
    parts = (small.background, small.foregrounds, small.alphas)
    large = Layers.compose(*(x.repeat_interleave(2, dim=-1).repeat_interleave(2, dim=-2) for x in parts))
    values = []
    for layers in (small, large):
        torch.manual_seed(3)
        values.append(independence(IndependenceConfig(form=form), layers).item())
    assert values[0] == pytest.approx(values[1], abs=1e-6)


def test_several_foregrounds_are_each_compared_with_what_lies_beneath():
    layers = scene(k=2)
    below = paint_over(layers.background, layers.foregrounds[:, :1], layers.alphas[:, :1])
    first = Layers.compose(layers.background, layers.foregrounds[:, :1], layers.alphas[:, :1])
    second = Layers.compose(below, layers.foregrounds[:, 1:], layers.alphas[:, 1:])
    config = IndependenceConfig(form="l1")
    each = [independence(config, one) for one in (first, second)]
    assert_close(independence(config, layers), torch.stack(each).mean())


def test_it_reads_layers_as_they_were_painted_and_grows_after_its_warm_up():
    term = RECORD.build(IndependenceConfig(form="l1"), None, ImageSpec(8))
    painted, moved = scene(), scene()
    early, late = (term.penalty(step_of(painted, moved, share)).item() for share in (0.049, 0.05))
    assert late == pytest.approx(independence(IndependenceConfig(form="l1"), painted).item())
    assert early == pytest.approx(0.2 * late)
    with pytest.raises(LgbenchError, match=r"training\.batch"):
        term.penalty(step_of(scene(1)))


def test_layers_of_a_sample_grow_apart_more_than_those_of_others():
    colour = torch.randn(16, 3, 1, 1)
    a, b = ((colour + 0.05 * torch.randn(16, 3, 8, 8)).requires_grad_() for _ in range(2))
    pi = torch.zeros(16, 1, 1, 8, 8)
    pi[..., 2:6, 2:6] = 1
    optimizer = torch.optim.Adam([a, b], lr=1e-2)
    for _ in range(300):
        optimizer.zero_grad()
        independence(IndependenceConfig(), Layers.compose(b.tanh(), a.tanh()[:, None], pi)).backward()
        optimizer.step()
    x_f, x_b = a.detach().tanh(), b.detach().tanh()
    same, across = (x_f - x_b).abs().mean(), (x_f.roll(1, 0) - x_b).abs().mean()
    assert same > 1
    assert same > across


def test_the_papers_recipe_is_a_preset_of_milgan():
    found = registry()
    method = found.get("methods", "milgan")
    request = Request("milgan", "squares", "ils", resolution=32)
    recipe = resolve(method, found.generator_of(method), SQUARES, found.regularizers, found.segmenters, request)
    assert [one.record.name for one in recipe.regularizers] == [
        "binarization",
        "layer-independence",
        "mask-size",
        "perturbation",
    ]
    assert (recipe.method_config.gamma_mi, recipe.training.rounds) == (0, 1)


@pytest.mark.parametrize("steps", [4, 10, 40])
def test_the_warm_up_is_a_share_of_a_training_however_long(steps: int):
    # before `warm_share` it counted steps: 12,500 of whatever length, and none where nothing was set
    game, _ = composed("milgan", ADDED | {f"regularizers.{RECORD.name}.warm_share": 0.25})
    weighed: list[float] = []
    (term,) = (term for name, _, term in game.terms if name == RECORD.name)

    def seen(step: Step) -> torch.Tensor:
        torch.manual_seed(0)  # the same permutations
        weighed.append(term.penalty(step).item())
        torch.manual_seed(0)
        weighed[-1] /= independence(IndependenceConfig(), step.painted).item()
        return step.painted.image.sum() * 0

    playing = player(replace(game, terms=[]), [Weighted("seen", 1.0, Term(penalty=seen))], steps=steps)
    for number in range(steps):
        playing.play(number, Batch(images()), looking=False)
    warm = steps - steps * 3 // 4
    assert weighed == pytest.approx([0.2] * warm + [1.0] * (steps - warm))


def test_it_teaches_the_generator_alone():
    game, terms = composed("milgan", ADDED)
    before = {name: deepcopy(network.state_dict()) for name, network in game.networks.items()}
    step = step_of_game(game, terms)
    buffers = {name: b.clone() for name, b in game.painter.named_buffers()}
    term_of(terms, RECORD.name).penalty(step).backward()
    assert not silent(game.painter)
    others = [name for name in game.networks if name != "generator"]
    assert {"critic", "recovery-image", "recovery-mask"} <= {*others}
    assert all(silent(game.networks[name]) for name in others)
    assert_close({name: game.networks[name].state_dict() for name in others}, {name: before[name] for name in others})
    assert_close(dict(game.painter.named_buffers()), buffers, atol=0, rtol=0)


def test_a_perturbation_does_not_change_its_value():
    game, terms = composed("milgan", ADDED)
    step, values = step_of_game(game, terms), []
    assert not torch.equal(step.painted.image, step.layers.image)
    for seen in (step, replace(step, layers=step.painted)):
        torch.manual_seed(1)
        values.append(term_of(terms, RECORD.name).penalty(seen).item())
    assert values[0] == values[1]


def test_without_weight_a_run_has_the_bits_of_one_without_it():
    def trained(settings: Mapping[str, object]) -> dict[str, torch.Tensor]:
        game, terms = composed("milgan", settings)
        torch.manual_seed(0)
        playing = player(game, terms, steps=2)
        for number in range(2):
            playing.play(number, Batch(images()), looking=False)
        return {f"{name}.{key}": v for name, n in game.networks.items() for key, v in n.state_dict().items()}

    plain, weightless, weighed = (trained(each) for each in ({}, {WEIGHT: 0.0}, {WEIGHT: 1.0}))
    assert all(torch.equal(value, weightless[name]) for name, value in plain.items())
    assert not all(torch.equal(value, weighed[name]) for name, value in plain.items())
