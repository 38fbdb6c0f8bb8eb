import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from comgan_worlds import PAINTERS, SPEC, images, painted, step_of
from torch.nn import functional as F
from torch.testing import assert_close
from weights import same, state, weights

import lgbench_comgan
from lgbench import ImageSpec
from lgbench.layers import Batch, Layers, Painter
from lgbench.losses import bce_fake, bce_real
from lgbench.nn import UNetL, UNetS
from lgbench.runtime import Runtime
from lgbench.training import Schedule
from lgbench.training.player import Player
from lgbench_comgan.config import AlignmentConfig, ComGANMethod, DSComGANMethod
from lgbench_comgan.game import AlignmentGame, ComGANGame, DSComGANGame, alignment, comgan, dscomgan
from lgbench_regularizers.config import BinarizationConfig, MIRecoveryConfig
from lgbench_regularizers.masks import binary_entropy
from lgbench_regularizers.terms import binarization, mi_recovery
from lgbench_segmenters.config import UNetConfig
from lgbench_segmenters.games import UNetGame, unet_l, unet_s

pytestmark = pytest.mark.usefixtures("seeded")


def player(made, terms=(), phases=None):
    chosen = [phase for phase in made.phases if phases is None or phase.name in phases]
    joined = list(terms) if any(phase.regularized for phase in chosen) else []
    return Player(replace(made, phases=chosen, terms=joined), Schedule(1, 4), Runtime(torch.device("cpu")))


# The adversarial stage.


def play_game(name, method=None, painter=None):
    painter = painter or PAINTERS[name]()
    if name.startswith("ds"):
        terms = [("mi-recovery", 1.0, mi_recovery(MIRecoveryConfig(4), painter, SPEC))]
        return dscomgan(method or DSComGANMethod(d=4), painter, SPEC), terms
    terms = (
        [] if name == "simplegan" else [("binarization", 1.0, binarization(BinarizationConfig("entropy"), None, None))]
    )
    return comgan(method or ComGANMethod(d=4), painter, SPEC), terms


@pytest.mark.parametrize("name", ["comgan", "simplegan"])
def test_comgans_losses_are_those_of_a_plain_gan(name):
    playing = ComGANGame(ComGANMethod(d=4), PAINTERS[name](), SPEC)
    critic, x = playing.critic, images()
    layers = playing.painter(playing.painter.codes(4))
    step = step_of(layers, x)
    assert_close(playing.critic_loss(step), {"critic": bce_real(critic(x)) + bce_fake(critic(layers.image))})
    assert_close(playing.generator_loss(step), {"generator": bce_real(critic(layers.image))})


@pytest.mark.parametrize("real_weight", [1.0, 2.0])
def test_ds_comgans_critic_sees_composites_and_whole_images_and_weighs_real_ones(real_weight):
    playing = DSComGANGame(DSComGANMethod(d=4, real_weight=real_weight), PAINTERS["dscomgan"](), SPEC)
    critic, x = playing.d_z, images()
    layers = playing.painter(playing.painter.codes(4))
    whole = layers.extras["whole"]
    assert_close(
        playing.critic_loss(step_of(layers, x)),
        {
            "critic/real": real_weight * bce_real(critic(x)),
            "critic/composite": bce_fake(critic(layers.image)),
            "critic/whole": bce_fake(critic(whole)),
        },
    )
    assert_close(
        playing.generator_loss(step_of(layers, x)),
        {"generator/composite": bce_real(critic(layers.image)), "generator/whole": bce_real(critic(whole))},
    )


@pytest.mark.parametrize("noise", [0.0, 0.3])
@pytest.mark.parametrize(("name", "method", "looks"), [("comgan", ComGANMethod, 3), ("dscomgan", DSComGANMethod, 5)])
def test_noise_lies_on_all_that_the_image_critic_sees_and_by_default_on_nothing(name, method, looks, noise):
    made, _ = play_game(name, method(d=4, instance_noise=noise))
    seen = []
    made.networks["critic"].register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].detach()))
    layers, x = made.painter(made.painter.codes(4)), images()
    for phase in made.phases:
        phase.loss(step_of(layers, x))
    clean = [x, layers.image, *([layers.extras["whole"]] if "whole" in layers.extras else [])]
    off = [min((look - one).std().item() for one in clean) for look in seen]
    assert off == pytest.approx([noise] * looks, rel=0.05)
    assert method().instance_noise == 0


def test_ds_comgan_weighs_real_images_twice_as_the_public_code_does():
    assert DSComGANMethod().real_weight == 2


def test_the_methods_have_the_papers_terms_and_optimizers():
    methods = {method.name: method for method in lgbench_comgan.methods()}
    for name in ("comgan", "pi1", "pi2"):
        assert methods[name].regularizers == {"binarization": {"weight": 1.0}}
    assert methods["simplegan"].regularizers == {}
    assert methods["dscomgan"].regularizers == {"mi-recovery": {"weight": 1.0}}
    for name in ("comgan", "dscomgan"):
        phases = play_game(name)[0].phases
        assert [phase.name for phase in phases] == ["critic", "generator"]
        assert {(phase.lr, phase.betas, phase.every) for phase in phases} == {(2e-4, (0.5, 0.999), 1)}


@pytest.mark.parametrize("name", ["comgan", "dscomgan"])
def test_the_critics_step_leaves_generator_and_code_critics_untouched_bit_for_bit(name):
    """Painting moves running statistics; the critic's step adds nothing to that."""
    only_painting, with_critic = PAINTERS[name](), PAINTERS[name]()
    with_critic.load_state_dict(only_painting.state_dict())
    before, x = weights(with_critic), images()
    for painter, phases in ((only_painting, []), (with_critic, ["critic"])):
        made, terms = play_game(name, painter=painter)
        one = player(made, terms, phases)
        was = {part: state(network) for part, network in one.networks.items()}
        torch.manual_seed(1)
        one.play(0, Batch(x), False)
    assert same(before, weights(with_critic))
    assert same(state(only_painting), state(with_critic))
    assert not same(was["critic"], state(one.networks["critic"]))
    for part, network in one.networks.items():
        assert not part.startswith("code-critic") or same(was[part], state(network))
        assert part == "critic" or all(p.grad is None for p in network.parameters())


@pytest.mark.parametrize("name", ["comgan", "dscomgan"])
def test_the_generators_step_moves_all_but_the_image_critic(name):
    made, terms = play_game(name)
    one = player(made, terms, ["generator"])
    was = {part: weights(network) for part, network in one.networks.items()}
    one.play(0, Batch(images()), False)
    moved = {part for part, network in one.networks.items() if not same(was[part], weights(network))}
    codes = {"code-critic-f", "code-critic-b"} if name == "dscomgan" else set()
    assert moved == {"generator"} | codes


@pytest.mark.parametrize("name", PAINTERS)
def test_every_variant_plays_a_whole_step(name):
    made, terms = play_game(name)
    values = player(made, terms).play(0, Batch(images()), False)
    assert all(math.isfinite(value) for value in values.values())


# The segmentation stage.

SMALL = AlignmentConfig(width=4, dm_width=4)


def segmentation(config=SMALL, painter=None):
    return alignment(config, painter or PAINTERS["dscomgan"]().eval(), SPEC)


def test_a_segmentation_step_leaves_the_generator_and_its_statistics_unchanged():
    painter = PAINTERS["dscomgan"]().eval()
    made = segmentation(painter=painter)
    before, networks = state(painter), {name: weights(network) for name, network in made.networks.items()}
    player(made).play(0, Batch(images()), False)
    assert same(before, state(painter))
    assert all(p.grad is None for p in painter.parameters())
    assert not any(same(networks[name], weights(network)) for name, network in made.networks.items())


def test_a_generator_handed_over_in_train_mode_is_frozen_all_the_same():
    """A frozen painter "paints in eval mode" (`Game.frozen`), whoever hands it over."""
    painter = PAINTERS["dscomgan"]().train()
    before = state(painter)
    player(segmentation(painter=painter)).play(0, Batch(images()), False)
    assert same(before, state(painter))


def test_each_phase_of_the_segmentation_moves_one_network():
    for phase, other in (("mask-critic", "segmenter"), ("segmenter", "mask-critic")):
        made = segmentation()
        assert [p.name for p in made.phases] == ["mask-critic", "segmenter"]
        before = {name: weights(network) for name, network in made.networks.items()}
        player(made, phases=[phase]).play(0, Batch(images()), False)
        assert same(before[other], weights(made.networks[other]))
        assert not same(before[phase], weights(made.networks[phase]))


def follow_the_red(**changes):
    """The alignments of a segmenter whose predictions for painted and for real images differ clearly."""
    playing = AlignmentGame(replace(SMALL, **changes), PAINTERS["dscomgan"]().eval(), SPEC)
    playing.segmenter.forward = lambda x: 10 * x[:, :1]
    return playing


def test_an_oracle_is_perfectly_consistent():
    """A segmenter that returns the painted masks themselves, soft as they are."""
    playing = AlignmentGame(SMALL, PAINTERS["dscomgan"](), SPEC)
    layers, _ = painted(playing.painter)
    step = step_of(layers)
    assert playing.segmenter_loss(step)["consistency"] > 0.01
    playing.segmenter.forward = lambda x: layers.alpha.logit()
    assert playing.segmenter_loss(step)["consistency"] < 1e-6
    sharp = Layers.compose(layers.background, layers.foregrounds, (layers.alphas > 0.5).float())
    playing.segmenter.forward = lambda x: sharp.alpha.logit()
    assert playing.segmenter_loss(step_of(sharp))["consistency"] == 0


@pytest.mark.parametrize(("fakes", "real_weight"), [("both", 2), ("real", 1), ("synth", 1)])
def test_the_mask_critic_tells_painted_masks_from_predicted_ones(fakes, real_weight):
    playing = follow_the_red(dm_fake=fakes)
    d_m, x = playing.d_m, images()
    layers, _ = painted(playing.painter)
    predicted = {"synth": playing.masks(layers.image), "real": playing.masks(x)}
    losses = playing.mask_critic_loss(step_of(layers, x))
    chosen = [bce_fake(d_m(mask)) for name, mask in predicted.items() if fakes in (name, "both")]
    assert_close(losses["mask-critic/real"], real_weight * bce_real(d_m(layers.alpha)))
    assert_close(losses["mask-critic/fake"], sum(chosen))


@pytest.mark.parametrize(("norm", "distance"), [("l1", F.l1_loss), ("l2", F.mse_loss)])
def test_the_segmenter_is_consistent_with_pairs_and_fools_the_mask_critic_twice(norm, distance):
    playing = follow_the_red(cons_norm=norm, lambda_cons=10.0)
    d_m, x = playing.d_m, images()
    layers, _ = painted(playing.painter)
    losses = playing.segmenter_loss(step_of(layers, x))
    synth, real = playing.masks(layers.image), playing.masks(x)
    assert_close(losses["consistency"], 10 * distance(synth, layers.alpha))
    assert_close(losses["alignment"], bce_real(d_m(synth)) + bce_real(d_m(real)))


def test_without_mask_critic_only_consistency_is_left():
    made = segmentation(replace(SMALL, use_dm=False))
    assert set(player(made).play(0, Batch(images()), False)) == {"consistency"}


def test_a_repeated_mask_is_judged_like_the_public_code():
    playing = AlignmentGame(replace(SMALL, dm_channels=3), PAINTERS["dscomgan"](), SPEC)
    layers, _ = painted(playing.painter)
    loss = playing.mask_critic_loss(step_of(layers))["mask-critic/real"]
    assert_close(loss, 2 * bce_real(playing.d_m(layers.alpha.repeat(1, 3, 1, 1))))


def test_the_defaults_of_the_segmentation_are_the_public_codes():
    config = AlignmentConfig()
    assert (config.lambda_cons, config.cons_norm, config.dm_channels) == (2.0, "l1", 1)
    assert (config.use_dm, config.dm_fake, config.lr) == (True, "both", 2e-4)


# General segmenters, on what ComGAN paints.


class Squares(Painter):
    """A painter that is right from the start: bright squares on dark ground."""

    def codes(self, n, batch=None):
        return {"corner": torch.randint(0, 16, (n, 2))}

    def forward(self, codes):
        n = len(codes["corner"])
        alpha = torch.zeros(n, 1, 1, 32, 32)
        for one, (top, left) in zip(alpha, codes["corner"].tolist(), strict=True):
            one[..., top : top + 16, left : left + 16] = 0.9
        background = (torch.rand(n, 3, 32, 32) - 1).clamp(-1, 1)
        return Layers.compose(background, torch.rand(n, 1, 3, 32, 32), alpha, codes=codes)


@pytest.mark.parametrize(("build", "network"), [(unet_s, UNetS), (unet_l, UNetL)])
def test_a_u_net_learns_the_masks_of_painted_pairs(build, network):
    made = build(UNetConfig(width=4, lr=1e-2, drop=1.0), Squares(), SPEC)
    assert isinstance(made.networks["segmenter"], network)
    one = player(made)
    losses = [float(one.play(number, Batch(images(8)), False)["segmenter"]) for number in range(30)]
    assert losses[-1] < 0.5 * losses[0]
    fresh, _ = painted(made.painter, n=8)
    with torch.no_grad():
        predicted = made.predict(fresh.image) > 0.5
    assert (predicted == (fresh.alpha > 0.5)).float().mean() > 0.9


@pytest.mark.parametrize(("target", "truth"), [("hard", lambda alpha: (alpha > 0.5).float()), ("soft", lambda a: a)])
def test_a_u_net_is_taught_the_thresholded_or_the_soft_alpha(target, truth):
    playing = UNetGame(UNetConfig(width=4, target=target), Squares(), UNetS(4).eval())
    layers, _ = painted(playing.painter)
    expected = F.binary_cross_entropy(playing.predict(layers.image).float(), truth(layers.alpha))
    assert_close(playing.segmenter_loss(step_of(layers))["segmenter"], expected)
    assert playing.game().frozen


# Training on toy squares.


def toy_squares(n, side):
    """Coloured squares on textured ground, (n, 3, side, side) in [-1, 1]."""
    rng = np.random.default_rng(0)
    texture = np.repeat(np.repeat(rng.uniform(-1, 1, (n, 3, side // 4, side // 4)), 4, axis=2), 4, axis=3)
    x = 0.4 * texture + 0.2 * rng.uniform(-1, 1, (n, 3, side, side))
    for one in x:
        top, left = rng.integers(0, side // 2, 2)
        one[:, top : top + side // 2, left : left + side // 2] = rng.choice([-1, 1], (3, 1, 1))
    return torch.from_numpy(x).float()


def train(name, steps, side, g, d):
    painter, spec = PAINTERS[name](ImageSpec(side), g=g), ImageSpec(side)
    terms = [("binarization", 1.0, binarization(BinarizationConfig("entropy"), None, None))]
    if name == "dscomgan":
        made = dscomgan(DSComGANMethod(d=d), painter, spec)
        terms.append(("mi-recovery", 1.0, mi_recovery(MIRecoveryConfig(d), painter, spec)))
    else:
        made = comgan(ComGANMethod(d=d), painter, spec)
    one, x = player(made, terms), toy_squares(64, side)
    rows = [one.play(k, Batch(x[torch.randint(64, (16,))]), looking=k % 10 == 0) for k in range(steps)]
    assert all(math.isfinite(value) for row in rows for value in row.values())
    assert all(p.isfinite().all() for network in one.networks.values() for p in network.state_dict().values())
    return painter


def still_paints(painter):
    """Finite layers, and masks that are not NaN however sharp they have become."""
    layers, _ = painted(painter, n=16)
    assert layers.image.isfinite().all()
    assert binary_entropy(layers.alphas).isfinite()


def test_the_binary_loss_alone_makes_masks_sharp():
    made, terms = play_game("comgan")
    only_binary = replace(made.phases[1], loss=lambda step: {}, lr=1e-2)
    one = player(replace(made, phases=[only_binary]), terms)
    values = [float(one.play(number, Batch(images(8)), False)["binarization"]) for number in range(40)]
    assert values[-1] < 0.3 < 0.7 < values[0]


@pytest.mark.parametrize("name", ["comgan", "dscomgan"])
def test_forty_steps_on_toy_squares_stay_finite(name):
    painter = train(name, steps=40, side=32, g=8, d=4)
    still_paints(painter)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize(("name", "g"), [("comgan", 16), ("dscomgan", 8)])
def test_five_hundred_steps_on_toy_squares_stay_finite(name, g):
    painter = train(name, steps=500, side=64, g=g, d=8)
    still_paints(painter)
