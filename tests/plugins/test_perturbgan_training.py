import math
import weakref

import numpy as np
import pytest
import torch
from milgan_worlds import CPU, carry_out, composed, images, phase_of, player, recipe_of, step_of
from torch.nn import functional as F
from torch.testing import assert_close
from weights import same, state, weights

from lgbench.data import Split
from lgbench.errors import BadRecipe
from lgbench.layers import Batch
from lgbench.losses import bce_fake, bce_real, hinge_fake, hinge_real
from lgbench.training import Schedule
from lgbench.training.player import Player
from lgbench.training.stream import Stream
from lgbench_perturbgan.growth import Growth

pytestmark = pytest.mark.usefixtures("seeded")


# The light version's losses and optimizers.


def test_the_public_codes_losses_are_wasserstein_with_drift_and_penalty():
    game, terms = composed("perturbgan", {"method.gan_loss": "wgan-gp"})
    step, d = step_of(game, terms), game.networks["critic"]
    losses = phase_of(game, "critic").loss(step)
    real, fake = d(step.images), d(step.layers.image)
    assert_close(losses["critic"], fake.mean() - real.mean())
    assert_close(losses["critic/drift"], 0.001 * real.square().mean())
    assert losses["critic/penalty"].item() > 0
    assert_close(phase_of(game, "generator").loss(step), {"generator": -fake.mean()})


def test_a_critic_of_slope_one_pays_no_penalty_and_a_silent_one_no_drift():
    game, terms = composed("perturbgan", {"method.gan_loss": "wgan-gp"})
    direction = torch.randn(3, 16, 16)
    direction /= direction.norm()
    game.networks["critic"].forward = lambda x: (x * direction).sum(dim=(1, 2, 3))
    assert phase_of(game, "critic").loss(step_of(game, terms))["critic/penalty"].item() < 1e-10
    game.networks["critic"].forward = lambda x: 0 * x.sum(dim=(1, 2, 3))
    losses = phase_of(game, "critic").loss(step_of(game, terms))
    assert losses["critic/drift"].item() == 0
    assert losses["critic/penalty"].item() == pytest.approx(10)  # (0 - 1)^2 by its weight


@pytest.mark.parametrize(
    ("loss", "real_loss", "fake_loss", "fool"),
    [("nonsat", bce_real, bce_fake, bce_real), ("hinge", hinge_real, hinge_fake, lambda s: -s.mean())],
)
def test_the_other_losses_are_those_of_their_names(loss, real_loss, fake_loss, fool):
    game, terms = composed("perturbgan", {"method.gan_loss": loss})
    d = game.networks["critic"]
    step = step_of(game, terms)
    d.eval()
    real, fake = d(step.images), d(step.layers.image)
    assert_close(phase_of(game, "critic").loss(step), {"critic": real_loss(real) + fake_loss(fake)})
    assert_close(phase_of(game, "generator").loss(step), {"generator": fool(fake)})


def test_the_critic_judges_fresh_paintings_without_the_graph_that_led_to_them():
    game, terms = composed("perturbgan", {"method.fresh": True})
    step, painted, alive = step_of(game, terms), [], []
    paint = step.paint

    def noted():
        both = paint()
        assert both[1].image.requires_grad  # the engine's does, whatever surrounds it
        painted.append(weakref.ref(both[1].image))
        return both

    step.paint = noted
    game.networks["critic"].register_forward_pre_hook(lambda part, given: alive.append(painted[0]() is not None))
    sum(phase_of(game, "critic").loss(step).values()).backward()
    assert alive == [False, False]
    assert all(p.grad is None for p in game.painter.parameters())


@pytest.mark.parametrize("method", ["perturbgan", "perturbgan-full"])
@pytest.mark.parametrize(
    ("loss", "betas"), [("wgan-gp", (0.0, 0.99)), ("nonsat", (0.5, 0.999)), ("hinge", (0.5, 0.999))]
)
def test_optimizers_follow_the_loss_and_rates_the_backbone(method, loss, betas):
    game, _ = composed(method, {"method.gan_loss": loss, "method.lr": 0.0})
    assert [phase.name for phase in game.phases] == ["critic", "generator"]
    assert {phase.betas for phase in game.phases} == {betas}
    assert {phase.lr for phase in game.phases} == {2e-4 if method == "perturbgan" else 1e-3}
    given, _ = composed(method, {"method.lr": 0.005})
    assert {phase.lr for phase in given.phases} == {0.005}


def test_the_mapping_learns_a_hundred_times_slower():
    game, terms = composed("perturbgan-full", {"method.lr": 0.0})
    one = player(game, terms)
    rates = {group["lr"]: group["params"] for group in one.optimizers["generator"].param_groups}
    assert sorted(rates) == pytest.approx([1e-5, 1e-3])
    slow = {id(p) for p in rates[min(rates)]}
    assert slow == {id(p) for p in game.painter.mappings.parameters()}
    assert [group["lr"] for group in one.optimizers["critic"].param_groups] == [1e-3]


@pytest.mark.parametrize("method", ["perturbgan", "perturbgan-full"])
def test_each_step_moves_its_own_network_only(method):
    for phase, other in (("critic", "generator"), ("generator", "critic")):
        game, terms = composed(method)
        one = player(game, terms, [phase])
        before = {name: weights(network) for name, network in game.networks.items()}
        one.play(0, Batch(images()), False)
        assert not same(before[phase], weights(game.networks[phase]))
        assert same(before[other], weights(game.networks[other]))


VARIANTS = {
    "one generator": {"generator.n_generators": 1, "generator.g_b": 0},
    "three generators": {"generator.n_generators": 3},
    "ComGAN's heads": {"generator.heads": "comgan"},
    "DCGAN": {"generator.backbone": "dcgan"},
    "wgan-gp": {"method.gan_loss": "wgan-gp"},
    "nonsat": {"method.gan_loss": "nonsat"},
    "hinge": {"method.gan_loss": "hinge"},
    "DCGAN, wgan-gp": {"generator.backbone": "dcgan", "method.gan_loss": "wgan-gp"},
    "a style critic": {"method.critic": "style", "method.gan_loss": "wgan-gp"},
    "a spectral critic": {"method.critic": "sn", "method.gan_loss": "wgan-gp"},
    "noise": {"method.instance_noise": 0.1, "regularizers.perturbation.noise": 0.1},
    "affine": {"regularizers.perturbation.form": "affine"},
    "no shift": {"regularizers.perturbation.weight": 0.0},
    "clean size": {"regularizers.mask-size.on": "painted", "regularizers.binarization.form": "entropy"},
    "perceptual": {"regularizers.equivariance.weight": 0.5},
}


@pytest.mark.parametrize("settings", VARIANTS.values(), ids=VARIANTS)
def test_every_variant_plays(settings):
    game, terms = composed("perturbgan", settings)
    one = player(game, terms, steps=2, ema=0.9)
    for number in range(2):
        values = one.play(number, Batch(images()), True)
        assert all(math.isfinite(value) for value in values.values())


def test_comgans_rebuild_plays_with_one_term():
    game, terms = composed("perturbgan", preset="pi2_comgan")
    assert set(player(game, terms).play(0, Batch(images()), False)) == {"critic", "generator", "binarization"}


def test_an_average_without_memory_is_the_live_generator():
    game, terms = composed("perturbgan")
    assert player(game, terms, ema=0.0).result is game.painter  # none is built
    one = player(game, terms, ema=1e-300)  # one is, and what it remembers is below what a float holds
    for number in range(2):
        one.play(number, Batch(images()), False)
    assert one.result is not game.painter
    assert same(state(one.result), state(game.painter))
    slow = player(*composed("perturbgan"), ema=0.999)
    for number in range(2):
        slow.play(number, Batch(images()), False)
    assert not same(weights(slow.result), weights(slow.game.painter))


# The full version's growth.


@pytest.mark.parametrize(
    ("number", "level", "alpha"),
    [
        (0, 0, 1.0),
        (19, 0, 1.0),
        (20, 1, 0.0),
        (25, 1, 0.5),
        (30, 1, 1.0),
        (39, 1, 1.0),
        (40, 2, 0.0),
        (47, 2, 0.7),
        (59, 2, 1.0),
        (60, 2, 1.0),
        (10_000, 2, 1.0),
    ],
)
def test_each_side_fades_in_for_one_phase_and_settles_for_another(number, level, alpha):
    assert Growth(levels=3, phase_steps=10).at(number) == (level, pytest.approx(alpha))


@pytest.mark.parametrize("first_batch", [1, 2, 8])
def test_a_growing_pair_never_shrinks(first_batch):
    course = [Growth(levels=4, phase_steps=7, first_batch=first_batch).at(number) for number in range(80)]
    assert course == sorted(course)
    assert all(0 <= alpha <= 1 for _, alpha in course)


def test_each_side_shows_as_many_images_whatever_its_batch():
    growth, seen = Growth(levels=5, phase_steps=18_750, first_batch=8), [0] * 5
    for number in range(growth.last_from + 2 * 18_750):
        seen[growth.at(number)[0]] += 32 * growth.batches(number)
    assert seen == pytest.approx([1_200_000] * 5, rel=1e-3)


def test_the_paper_grows_to_128_pixels_within_six_million_images_and_then_learns_faster():
    recipe = recipe_of("perturbgan-full", preset="paper", dataset="lsun-car")
    method, training = recipe.method_config, recipe.training
    assert method.phase_steps * training.batch == 600_000
    growth = Growth.to(recipe.resolution, method.phase_steps, method.first_batch)
    assert training.batch * sum(map(growth.batches, range(training.steps))) == pytest.approx(6_000_000, rel=1e-3)
    assert growth.at(training.steps - 1) == (4, pytest.approx(1.0))
    sides = {8 << growth.at(step)[0]: training.batch * growth.batches(step) for step in range(training.steps)}
    assert sides == {8: 256, 16: 128, 32: 64, 64: 32, 128: 32}  # the public code's --sched
    tiny = {"generator.width": 8, "generator.nz": 8, "method.d": 8, "method.phase_steps": method.phase_steps}
    game, _ = composed("perturbgan-full", tiny, preset="paper", side=128)
    for phase in game.phases:
        assert phase.drop_at == growth.last_from == 2 * (2344 + 4688 + 9375 + 18_750)
        assert phase.lr * phase.drop == pytest.approx(1.5e-3)


def test_batches_of_a_growing_pair_come_from_the_images_in_their_order():
    game, terms = composed("perturbgan-full", {"method.first_batch": 4, "method.phase_steps": 4}, side=32)
    reals = Split(np.broadcast_to(np.arange(50, dtype=np.uint8)[:, None, None, None], (50, 3, 32, 32)))
    one = player(game, terms, steps=9, batch=2)
    stream = Stream(reals, Schedule(9, 2, flip=False), CPU, batches=game.batches)
    assert [len(stream(number)) for number in range(9)] == [8, 8, 4, 4, 4, 4, 2, 2, 2]
    order = [stream(number).images[:, 0, 0, 0] for number in range(9)]
    assert len(torch.cat(order).unique()) == 38  # each once, for 38 are fewer than 50
    resumed = Stream(reals, Schedule(9, 2, flip=False), CPU, batches=game.batches)
    assert torch.equal(resumed(5).images[:, 0, 0, 0], order[5])
    for number in range(9):
        one.play(number, stream(number), False)
        assert game.painter.side == 8 << game_level(number)


def game_level(number):
    return Growth(levels=3, phase_steps=4, first_batch=4).at(number)[0]


@pytest.mark.parametrize("preset", ["smoke", "small", "paper"])
@pytest.mark.parametrize(
    ("dataset", "side"), [("flora", 32), ("digits-one", 32), ("mnist-one", 32), ("flora", 64), ("flora", 128)]
)
def test_presets_leave_time_to_grow_up(preset, dataset, side):
    recipe = recipe_of("perturbgan-full", {"resolution": side}, preset=preset, dataset=dataset)
    levels = int(math.log2(recipe.resolution)) - 2
    assert 4 << levels == side
    growth = Growth.to(side, recipe.method_config.phase_steps, recipe.method_config.first_batch)
    assert growth.at(recipe.training.steps - 1) == (levels - 1, pytest.approx(1.0, abs=1e-3))


@pytest.mark.parametrize("side", [16, 32])
def test_painter_and_critic_grow_side_by_side_through_all_levels(side):
    game, terms = composed("perturbgan-full", side=side)
    painter, critic, levels = game.painter, game.networks["critic"], int(math.log2(side)) - 2
    one, sides = player(game, terms, steps=4 * levels, ema=0.5), []
    for number in range(4 * levels):  # phases of two steps
        values = one.play(number, Batch(images(side=side)), True)
        assert all(math.isfinite(value) for value in values.values())
        assert painter.side == critic.side == one.result.side
        assert float(painter.alpha) == float(critic.alpha) == Growth(levels, 2).at(number)[1]
        sides.append(painter.side)
    assert sides == [8 << level for level in range(levels) for _ in range(4)]
    with torch.no_grad():
        assert one.result.eval()(one.result.codes(2)).image.shape == (2, 3, side, side)


def test_real_images_are_averaged_down_to_the_side_that_is_painted():
    game, terms = composed("perturbgan-full", {"method.gan_loss": "hinge"}, side=32)
    game.begin(0)
    step, seen = step_of(game, terms, images(side=32)), []
    game.networks["critic"].register_forward_pre_hook(lambda part, given: seen.append(given[0]))
    phase_of(game, "critic").loss(step)
    real, fake = seen
    assert_close(real, F.avg_pool2d(step.images, 4))
    assert torch.equal(fake, step.layers.image)
    assert fake.shape == (4, 3, 8, 8)


def test_shifts_keep_to_an_eighth_of_the_side_that_is_painted():
    game, terms = composed("perturbgan-full", {"regularizers.perturbation.contrast": 0.0}, side=32, preset="paper")
    game.begin(0)
    step = step_of(game, terms, images(64, side=32))
    painted, moved = step.painted, step.layers
    assert painted.image.shape[-1] == 8
    stays = (moved.foregrounds == painted.foregrounds).flatten(1).all(dim=1)
    assert 0.05 < stays.float().mean() < 0.6  # an eighth of 8 is one pixel
    inner = moved.foregrounds[..., 1:-1, 1:-1]
    assert (inner != 0).all()  # no zeros move in by more than that


def test_a_whole_growing_run_ends_at_full_size_with_scores(tmp_path, monkeypatch):
    sides, paint = [], Player._paint

    def noted(self, *given):
        step = paint(self, *given)
        sides.append(step.layers.image.shape[-1])
        return step

    monkeypatch.setattr(Player, "_paint", noted)
    short = {"method__phase_steps": 1, "training__steps": 6, "segmentation__steps": 2}
    record = carry_out(tmp_path / "run", "perturbgan-full", 32, **short)
    assert sides == [8, 8, 16, 16, 32, 32] + [32] * 2
    assert record["status"] == "done"
    assert 0 <= record["values"]["iou"]["value"] <= 1
    (stored,) = (tmp_path / "run").glob("*/samples-*.npz")
    with np.load(stored) as samples:
        assert samples["images"].shape == (8, 3, 32, 32)


def test_a_growing_run_that_was_killed_ends_like_one_that_was_not(tmp_path, monkeypatch):
    play = Player.play
    short = {"method__phase_steps": 1, "training__steps": 4, "segmentation__name": "none"}

    def dies(self, number, *rest):
        if number == 3:  # while 16 pixels settle
            raise SystemExit("killed")
        return play(self, number, *rest)

    whole = carry_out(tmp_path / "whole", "perturbgan-full", **short)
    with monkeypatch.context() as patch:
        patch.setattr(Player, "play", dies)
        with pytest.raises(SystemExit):
            carry_out(tmp_path / "run", "perturbgan-full", **short)
    assert carry_out(tmp_path / "run", "perturbgan-full", **short)["artefacts"] == whole["artefacts"]


def test_sample_grids_do_not_change_a_growing_run(tmp_path):
    short = {"method__phase_steps": 1, "training__steps": 4, "segmentation__name": "none"}
    without = carry_out(tmp_path / "without", "perturbgan-full", **short)
    with_ = carry_out(tmp_path / "with", "perturbgan-full", training__grid_every=1, **short)
    assert with_["artefacts"] == without["artefacts"]


def test_a_critic_that_cannot_grow_is_refused():
    with pytest.raises(BadRecipe, match=r"method\.critic"):
        composed("perturbgan-full", {"method.critic": "sn"})
