"""DiffAugment: what critics see of real and of painted images goes through the same random changes."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from toy import GENERATOR, METHOD, SQUARES, ToyConfig, ToyPainter, toy_game

import lgbench_regularizers
from lgbench import ImageSpec
from lgbench.errors import BadRecipe
from lgbench.game import Term, Weighted
from lgbench.layers import Batch
from lgbench.plugins import registry
from lgbench.recipe import Request, parse_with, resolve
from lgbench.runtime import Runtime
from lgbench.training import Schedule
from lgbench.training.player import Player
from lgbench_regularizers.augment import cut_out, translate
from lgbench_regularizers.config import AugmentConfig

pytestmark = pytest.mark.usefixtures("seeded")

SPEC = ImageSpec(16)
RECORD = {record.name: record for record in lgbench_regularizers.regularizers()}["diff-augment"]


def played(term: Term | None, steps: int = 3, watch=None) -> dict[str, torch.Tensor]:
    """Weights after some steps of the toy method."""
    torch.manual_seed(1)
    game = toy_game(None, ToyPainter(ToyConfig(), SPEC), SPEC)
    if watch:
        game = replace(game, phases=[replace(game.phases[0], loss=watch(game.phases[0].loss)), game.phases[1]])
    game = replace(game, terms=[Weighted("t", 1.0, term)] if term else [])
    player = Player(game, Schedule(steps, 8), Runtime(torch.device("cpu"), channels_last=False))
    for number in range(steps):
        player.play(number, Batch(torch.rand(8, 3, 16, 16) * 2 - 1), looking=False)
    return {f"{name}.{key}": w for name, net in player.networks.items() for key, w in net.state_dict().items()}


def test_a_term_that_augments_nothing_leaves_every_bit_as_it_is():
    plain, same = played(None), played(Term(augment=lambda x: x))
    assert all(torch.equal(plain[name], same[name]) for name in plain)


def test_it_changes_what_is_learnt():
    plain, other = played(None), played(RECORD.build(AugmentConfig(), ToyPainter(ToyConfig(), SPEC), SPEC))
    assert not torch.equal(plain["generator.paint.weight"], other["generator.paint.weight"])


def test_the_critic_sees_real_and_painted_images_through_the_same_function_and_layers_stay():
    seen = []

    def watch(loss):
        def watched(step):
            seen.append(step)
            return loss(step)

        return watched

    played(Term(augment=lambda x: 0 * x + 0.25), steps=1, watch=watch)
    (step,) = seen
    assert (step.images == 0.25).all()
    assert (step.layers.image == 0.25).all()
    assert not (step.painted.image == 0.25).any()
    assert torch.equal(step.layers.alphas, step.painted.alphas)
    fresh, composed = step.paint()
    assert (composed.image == 0.25).all()
    assert not (fresh.image == 0.25).any()


def test_gradients_flow_through_every_part():
    x = (torch.rand(64, 3, 16, 16) * 2 - 1).requires_grad_()
    for config, least, most in ((AugmentConfig(colour=False), 0.5, 0.95), (AugmentConfig(), 0.95, 1.0)):
        x.grad = None
        RECORD.build(config, ToyPainter(ToyConfig(), SPEC), SPEC).augment(x).square().sum().backward()
        assert x.grad is not None
        assert x.grad.isfinite().all()
        # what was cut out or moved away has none; contrast reads the mean of all pixels
        assert least < (x.grad != 0).float().mean() <= most


def test_translations_are_whole_pixels_up_to_an_eighth_and_leave_zeros():
    x = torch.arange(1.0, 257).view(1, 1, 16, 16).expand(200, 1, 16, 16)
    y = translate(x)
    moves = set()
    for image in y[:, 0]:
        middle = int(image[8, 8]) - 1
        dy, dx = middle // 16 - 8, middle % 16 - 8
        moves.add((dy, dx))
        expected = torch.zeros(20, 20)
        expected[2:18, 2:18] = x[0, 0]
        assert torch.equal(image, expected[2 + dy : 18 + dy, 2 + dx : 18 + dx])
    assert moves == {(dy, dx) for dy in range(-2, 3) for dx in range(-2, 3)}


def test_a_cut_out_is_a_rectangle_of_half_a_side_that_may_lie_partly_outside():
    y = cut_out(torch.ones(400, 3, 16, 16))
    assert set(y.unique().tolist()) == {0, 1}
    holes = (y == 0).all(dim=1)
    rows, columns = holes.any(dim=2), holes.any(dim=1)
    assert torch.equal(holes, rows[:, :, None] & columns[:, None, :])
    assert (rows.sum(dim=1).min(), rows.sum(dim=1).max()) == (4, 8)
    assert holes.any(dim=0).all()  # anywhere


def test_each_image_has_a_draw_of_its_own():
    x = torch.rand(1, 3, 16, 16).expand(16, 3, 16, 16)
    y = RECORD.build(AugmentConfig(), ToyPainter(ToyConfig(), SPEC), SPEC).augment(x)
    assert len({image.numpy().tobytes() for image in y}) == 16


def test_it_is_refused_where_it_would_do_nothing_or_break_what_is_known_of_images():
    with pytest.raises(BadRecipe, match="leave it out"):
        RECORD.build(AugmentConfig(colour=False, translate=0, cutout=0), ToyPainter(ToyConfig(), SPEC), SPEC)
    painter = ToyPainter(ToyConfig(), SPEC)
    painter.conditional = frozenset({"segments"})
    with pytest.raises(BadRecipe, match="segments"):
        RECORD.build(AugmentConfig(), painter, SPEC)


def test_nobodys_preset_has_it_and_a_user_may_switch_it_on():
    found = registry()
    for method in found.methods.values():
        assert "diff-augment" not in method.regularizers
        assert not any("diff-augment" in name for preset in method.presets.values() for name in preset)
    request = Request("toy", "squares", "smoke", settings=parse_with("diff-augment:cutout=0"))
    chosen = resolve(METHOD, GENERATOR, SQUARES, found.regularizers, found.segmenters, request)
    assert [one.config.cutout for one in chosen.regularizers] == [0]
