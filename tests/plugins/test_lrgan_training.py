from dataclasses import replace

import numpy as np
import pytest
import torch
from lrgan_worlds import METHOD, SPEC, images, painted, small
from torch.nn import functional as F
from torch.testing import assert_close
from weights import same, state, weights

import lgbench.run
import lgbench.stages
import lgbench_lrgan
from lgbench import Dataset, LgbenchError, NoConfig
from lgbench.data import DataHome, Split
from lgbench.game import Step
from lgbench.layers import Batch
from lgbench.plugins import registry
from lgbench.progress import Quiet
from lgbench.recipe import Request, resolve
from lgbench.runtime import Runtime
from lgbench.training import Schedule
from lgbench.training.player import Player
from lgbench_lrgan.config import DCGANConfig, DCGANMethod, LRGANMethod
from lgbench_lrgan.game import LRGANGame, game
from lgbench_lrgan.model import DCGAN, LRGAN
from lgbench_lrgan.networks import Critic
from lgbench_segmenters.games import generator

pytestmark = pytest.mark.usefixtures("seeded")


def player(made, phases=None):
    chosen = [phase for phase in made.phases if phases is None or phase.name in phases]
    return Player(replace(made, phases=chosen), Schedule(1, 4), Runtime(torch.device("cpu")))


# The game.


def test_the_critic_moves_first_and_both_use_dcgans_adam():
    phases = game(LRGANMethod(), small(), SPEC).phases
    assert [phase.name for phase in phases] == ["critic", "generator"]
    assert {(phase.lr, phase.betas, phase.every) for phase in phases} == {(2e-4, (0.5, 0.999), 1)}
    assert [phase.regularized for phase in phases] == [False, True]


@pytest.mark.parametrize("painter", [small, lambda: DCGAN(DCGANConfig(ngf=4, floor=4), SPEC)], ids=["lrgan", "dcgan"])
def test_losses_are_cross_entropies_and_the_generators_does_not_saturate(painter):
    painter = painter()
    playing = LRGANGame(METHOD if isinstance(painter, LRGAN) else DCGANMethod(ndf=4), painter, SPEC)
    critic, x = playing.critic.eval(), images()
    layers = painter(painter.codes(4))
    step = Step(0, Batch(x), layers, layers, paint=lambda: (layers, layers))
    p, q = critic(x).sigmoid(), critic(layers.image).sigmoid()
    assert_close(playing.critic_loss(step)["critic"], -p.log().mean() - (1 - q).log().mean())
    assert_close(playing.generator_loss(step)["generator"], -q.log().mean())


def test_the_critics_step_leaves_the_generator_untouched_bit_for_bit():
    """Painting moves running statistics; the critic's step adds nothing to that."""
    only_painting, with_critic = small(), small()
    with_critic.load_state_dict(only_painting.state_dict())
    x, before = images(), weights(with_critic)
    critic = None
    for painter, phases in ((only_painting, []), (with_critic, ["critic"])):
        torch.manual_seed(1)
        made = game(METHOD, painter, SPEC)
        critic, was = made.networks["critic"], weights(made.networks["critic"])
        torch.manual_seed(2)
        player(made, phases).play(0, Batch(x), False)
    assert same(before, weights(with_critic))
    assert same(state(only_painting), state(with_critic))
    assert not same(was, weights(critic))
    assert all(p.grad is None for p in with_critic.parameters())


def test_the_generators_step_leaves_the_critics_weights_untouched():
    painter = small()
    made = game(METHOD, painter, SPEC)
    critic, generator = weights(made.networks["critic"]), weights(painter)
    player(made, ["generator"]).play(0, Batch(images()), False)
    assert same(critic, weights(made.networks["critic"]))
    assert not same(generator, weights(painter))


def test_one_painting_serves_both_moves():
    painter, calls = small(), []
    painter.register_forward_hook(lambda *call: calls.append(call))
    player(game(METHOD, painter, SPEC)).play(0, Batch(images()), False)
    assert len(calls) == 1


@pytest.mark.parametrize("head", ["conv4", "avgpool"])
def test_critics_score_each_image_with_one_logit(head):
    critic = Critic(64, 3, 4, head)
    assert critic(images(5, 64)).shape == (5,)


# Conditional LR-GAN.


def test_a_conditional_lrgan_encodes_the_image_and_then_its_residual_with_one_encoder():
    painter, x, read = small(conditional=True).eval(), images(), []
    painter.encoder.register_forward_hook(lambda part, given, code: read.append(given[0]))
    with torch.no_grad():
        layers = painter(painter.codes(4, Batch(3 * x)))  # outside [-1, 1], so that a clipped residual would show
    assert len(read) == 2
    assert torch.equal(read[0], 3 * x)
    assert torch.equal(read[1], 3 * x - layers.background)


@pytest.mark.parametrize("bg_input", ["z0", "h0"])
def test_encoded_codes_take_the_place_of_latents(bg_input):
    painter = small(conditional=True, bg_input=bg_input)
    layers, codes = painted(painter)
    with torch.no_grad():
        e_0 = painter.encoder(codes["image"])
        e_1 = painter.encoder(codes["image"] - layers.background)
        expected = painter.paint({"z": torch.stack([e_0, e_1], dim=1)})
    for part in ("background", "foregrounds", "alphas", "poses", "image"):
        assert_close(getattr(layers, part), getattr(expected, part), atol=1e-7, rtol=0)


def test_a_conditional_lrgan_segments_the_images_it_is_given():
    painter = small(conditional=True).eval()
    segment = generator(NoConfig(), painter, SPEC).predict
    x = images(6)
    with torch.no_grad():
        alpha = segment(x)
        assert alpha.shape == (6, 1, 32, 32)
        assert 0 <= alpha.min() <= alpha.max() <= 1
        assert torch.equal(alpha, painter({"image": x}).alpha)
        assert_close(segment(x.flip(0)), alpha.flip(0), atol=1e-5, rtol=0)  # each image's own
        assert not torch.equal(segment(images(6)), alpha)


def test_an_unconditional_lrgan_cannot_segment_a_given_image():
    with pytest.raises(LgbenchError, match="conditional=true"):
        generator(NoConfig(), small(), SPEC)


def test_the_reconstruction_loss_is_the_generators_ten_times_the_squared_error():
    painter = small(conditional=True)
    playing = LRGANGame(METHOD, painter, SPEC)
    x = images()
    layers = painter(painter.codes(4, Batch(x)))
    step = Step(0, Batch(x), layers, layers, paint=lambda: (layers, layers))
    assert playing.critic_loss(step).keys() == {"critic"}
    loss = playing.generator_loss(step)["reconstruction"]
    assert_close(loss, 10 * F.mse_loss(layers.image, x))
    alone = torch.autograd.grad(loss, list(painter.encoder.parameters()))
    assert all(gradient.abs().sum() > 0 for gradient in alone)


def test_what_is_given_back_is_the_image_before_anything_moves_it():
    painter, x = small(conditional=True), images()
    painted = painter(painter.codes(4, Batch(x)))
    moved = replace(painted, image=painted.image.flip(-1))
    step = Step(0, Batch(painted.image.detach()), painted, moved, paint=lambda: (painted, moved))
    assert LRGANGame(METHOD, painter, SPEC).generator_loss(step)["reconstruction"] == 0


def test_the_reconstruction_weight_is_a_setting():
    painter, x = small(conditional=True), images()
    layers = painter(painter.codes(4, Batch(x)))
    step = Step(0, Batch(x), layers, layers, paint=lambda: (layers, layers))
    loss = LRGANGame(replace(METHOD, lambda_rec=0.5), painter, SPEC).generator_loss(step)["reconstruction"]
    assert_close(loss, F.mse_loss(layers.image, x) / 2)


def test_the_encoder_learns_with_the_generator():
    painter = small(conditional=True)
    made = game(METHOD, painter, SPEC)
    before = weights(painter.encoder)
    player(made, ["critic"]).play(0, Batch(images()), False)
    assert same(before, weights(painter.encoder))
    values = player(made, ["generator"]).play(0, Batch(images()), False)
    assert not same(before, weights(painter.encoder))
    assert set(values) == {"generator", "reconstruction"}


def test_an_unconditional_lrgan_has_no_reconstruction_loss():
    assert set(player(game(METHOD, small(), SPEC)).play(0, Batch(images()), False)) == {"critic", "generator"}


def test_a_conditional_lrgan_learns_to_reconstruct():
    painter = small(conditional=True)
    made = game(METHOD, painter, SPEC)
    made = replace(made, phases=[replace(phase, lr=2e-3) for phase in made.phases])
    one = player(made)
    x = torch.tensor([-0.8, -0.2, 0.3, 0.9])[:, None, None, None].expand(4, 3, 32, 32).contiguous()
    errors = [float(one.play(number, Batch(x), False)["reconstruction"]) for number in range(80)]
    assert errors[-1] < 0.3 * errors[0]


@pytest.mark.parametrize(
    ("changes", "advice"),
    [({"conditional": True, "n_layers": 3}, "n_layers=2"), ({"n_layers": 3, "bg_floor": 2}, "first_fg_context=none")],
)
def test_settings_that_exclude_each_other_say_what_to_do(changes, advice):
    with pytest.raises(LgbenchError, match=advice):
        small(**changes)


def test_a_conditional_lrgan_cannot_paint_without_images():
    with pytest.raises(LgbenchError, match="images"):
        small(conditional=True).codes(4)


# Through the recipe.


class Stopped(Exception):
    pass


def recipe(dataset="toy", **overrides):
    method, generator = lgbench_lrgan.methods()[0], lgbench_lrgan.generators()[0]
    data = Dataset(name=dataset, summary="", build=lambda: None, resolution=32)
    return resolve(
        method, generator, data, {}, registry().segmenters, Request("lrgan", dataset, "smoke", settings=overrides)
    )


def test_category_specific_training_sees_one_class_only(monkeypatch, tmp_path):
    labels = np.arange(20, dtype=np.int32) % 4
    pixels = np.broadcast_to(labels[:, None, None, None], (20, 3, 32, 32)).astype(np.uint8)
    told = {"classes": tuple("abcd"), "origin": "toy", "fingerprint": "0" * 64, "provides": frozenset({"labels"})}
    split = Split(pixels, labels=labels, **told)

    def fit(game, reals, *rest, **settings):
        seen.append(np.unique(reals.images))
        raise Stopped

    seen = []
    monkeypatch.setattr(lgbench.run, "open_dataset", lambda *args: {"train": split, "test": split})
    monkeypatch.setattr(lgbench.stages, "fit", fit)
    for category in (-1, 2):
        chosen = recipe(**{"training.category": category, "generator.ngf": 4})
        place = lgbench.run.Place(tmp_path / str(category), DataHome(tmp_path / "home"), torch.device("cpu"))
        with pytest.raises(Stopped):
            lgbench.run.run(chosen, place, {}, (), Quiet())
    assert [list(values) for values in seen] == [[0, 1, 2, 3], [2]]


def test_a_recipe_reads_switches_from_the_command_line():
    changed = recipe(**{"generator.rot_clamp": None, "generator.lstm": "false", "evaluation.sample_bn": "batch"})
    assert changed.generator_config.rot_clamp is None
    assert changed.generator_config.lstm is False
    assert changed.evaluation.sample_bn == "batch"


def test_two_digits_come_with_three_layers_and_the_larger_scale():
    config = recipe("mnist-two").generator_config
    assert (config.n_layers, config.min_scale, config.rot_clamp) == (3, 2.0, 0.3)
    assert recipe("mnist-one").generator_config.rot_clamp == 0.3
    assert recipe("mnist-one").generator_config.min_scale == 1.2
