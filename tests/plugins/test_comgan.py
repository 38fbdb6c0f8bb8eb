import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.testing import assert_close

import lgbench_comgan
from lgbench import World
from lgbench.game import Step
from lgbench.layers import Layers
from lgbench.losses import bce_fake, bce_real, binary_entropy
from lgbench.nn import UNetL, UNetS, count_parameters
from lgbench.runtime import Runtime
from lgbench.segmentation import unet_game
from lgbench.segmenters import UNetConfig
from lgbench.training import Schedule
from lgbench.training.loop import Player
from lgbench_comgan.config import (
    AlignmentConfig,
    ComGANConfig,
    ComGANMethod,
    DSComGANConfig,
    DSComGANMethod,
    Pi2Config,
)
from lgbench_comgan.game import alignment, comgan, dscomgan
from lgbench_comgan.model import ComGAN, DSComGAN, Features, Pi1, Pi2, SimpleGAN
from lgbench_regularizers.terms import binarization, mi_recovery

WORLD = World(32)
CODES = 7
PAINTERS = {
    "simplegan": lambda world=WORLD, g=8: SimpleGAN(ComGANConfig(g=g), world),
    "pi1": lambda world=WORLD, g=8: Pi1(ComGANConfig(g=g), world),
    "pi2": lambda world=WORLD, g=8: Pi2(Pi2Config(g=g), world),
    "pi2-bare": lambda world=WORLD, g=8: Pi2(Pi2Config(g=g, subnet="none"), world),
    "pi2-own-z": lambda world=WORLD, g=8: Pi2(Pi2Config(g=g, shared_z=False), world),
    "comgan": lambda world=WORLD, g=8: ComGAN(ComGANConfig(g=g), world),
    "dscomgan": lambda world=WORLD, g=8: DSComGAN(DSComGANConfig(g=g, n_codes=CODES), world),
    "dscomgan-last": lambda world=WORLD, g=8: DSComGAN(
        DSComGANConfig(g=g, n_codes=CODES, features="last", use_xz=False), world
    ),
}
LAYERS = ("foregrounds", "background", "alphas")
LAYERED = [name for name in PAINTERS if name != "simplegan"]


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


def images(n=4, side=32):
    return torch.rand(n, 3, side, side) * 2 - 1


def painted(painter, codes=None, n=4):
    """Layers without a graph, in eval mode, and their codes."""
    codes = codes or painter.codes(n)
    with torch.no_grad():
        return painter.eval()(codes), codes


def step_of(layers, real=None):
    return Step(0, images(len(layers.image)) if real is None else real, layers, layers, paint=lambda: layers)


def player(made, terms=(), phases=None):
    chosen = [phase for phase in made.phases if phases is None or phase.name in phases]
    return Player(replace(made, phases=chosen), list(terms), Schedule(1, 4), Runtime(torch.device("cpu")))


def weights(network):
    return {name: p.detach().clone() for name, p in network.named_parameters()}


def state(network):
    return {name: tensor.clone() for name, tensor in network.state_dict().items()}


def same(before, after):
    return before.keys() == after.keys() and all(torch.equal(before[name], after[name]) for name in before)


def differ(one, two):
    return not torch.equal(one, two)


@torch.no_grad()
def shake(network):
    for p in network.parameters():
        p.add_(0.3 * torch.randn_like(p))


def silent(network):
    return all(p.grad is None or p.grad.count_nonzero() == 0 for p in network.parameters())


# Parameter counts.

DS = DSComGANConfig(n_codes=200)


@pytest.mark.parametrize(
    ("build", "at_64", "at_128"),
    [
        (lambda w: Features(100, 64, w.resolution), 4_788_032, 4_815_808),
        (lambda w: SimpleGAN(ComGANConfig(), w), 4_788_464, 4_816_240),
        (lambda w: ComGAN(ComGANConfig(), w), 5_011_952, 5_039_728),
        (lambda w: Pi1(ComGANConfig(), w), 9_799_984, 9_855_536),
        (lambda w: Pi2(Pi2Config(), w), 14_588_016, 14_671_344),
        (lambda w: Pi2(Pi2Config(subnet="none"), w), 14_365_104, 14_448_432),
        (lambda w: DSComGAN(DS, w), 8_573_792, 8_555_488),
    ],
    ids=["Phi", "SimpleGAN", "ComGAN", "Pi1", "Pi2", "Pi2 without sub-networks", "DS-ComGAN"],
)
def test_generators_have_the_published_parameter_counts(build, at_64, at_128):
    with torch.device("meta"):  # shapes without weights: instant at full width
        assert count_parameters(build(World(64))) == at_64
        assert count_parameters(build(World(128))) == at_128


def test_sub_networks_have_their_counts():
    def of(*parts):
        return sum(count_parameters(part) for part in parts)

    with torch.device("meta"):
        plain, ds = ComGAN(ComGANConfig(), World(64)), DSComGAN(DS, World(64))
        one_more = DSComGAN(replace(DS, n_codes=201), World(64))
    assert (of(plain.f), of(plain.b), of(plain.m)) == (102_576, 102_576, 18_768)
    assert of(ds.m, ds.m_head) == 628_176
    assert of(ds.f, ds.f_head) == of(ds.b, ds.b_head) == 1_532_400
    assert of(one_more.f) - of(ds.f) == of(one_more.b) - of(ds.b) == 2_304


@pytest.mark.parametrize(
    ("channels", "at_64", "at_128"), [(1, 1_283_969, 2_333_057), (3, 1_284_993, 2_334_081)], ids=["mask", "repeated"]
)
def test_stage_networks_have_the_published_parameter_counts(channels, at_64, at_128):
    with torch.device("meta"):
        for side, parameters in ((64, at_64), (128, at_128)):
            networks = alignment(AlignmentConfig(dm_channels=channels), PAINTERS["comgan"](), World(side)).networks
            assert count_parameters(networks["mask-critic"]) == parameters
            assert count_parameters(networks["segmenter"]) == 34_527_041


@pytest.mark.parametrize(("side", "parameters"), [(64, 1_284_993), (128, 2_334_081)])
def test_image_critics_have_the_published_parameter_counts(side, parameters):
    with torch.device("meta"):
        painter = PAINTERS["comgan"]()
        for made in (comgan(ComGANMethod(), painter, World(side)), dscomgan(DSComGANMethod(), painter, World(side))):
            assert count_parameters(made.networks["critic"]) == parameters


@pytest.mark.parametrize(
    ("side", "widths"), [(64, [512, 256, 128, 64, 16]), (128, [512, 256, 128, 64, 32, 16])], ids=str
)
def test_features_halve_at_each_doubling_and_end_in_a_quarter_of_the_width(side, widths):
    with torch.device("meta"):
        made = Features(100, 64, side)(torch.empty(2, 100))
    assert [h.shape[1] for h in made] == widths
    assert [h.shape[-1] for h in made] == [4 << k for k in range(len(widths))]


# What the generators paint.


@pytest.mark.parametrize("name", PAINTERS)
@pytest.mark.parametrize("side", [32, 64])
def test_layers_have_their_shapes_and_ranges_and_compose_the_image(name, side):
    layers, _ = painted(PAINTERS[name](World(side)), n=3)
    k = 0 if name == "simplegan" else 1
    assert layers.image.shape == layers.background.shape == (3, 3, side, side)
    assert layers.foregrounds.shape == (3, k, 3, side, side)
    assert layers.alphas.shape == (3, k, 1, side, side)
    assert layers.image.abs().max() <= 1
    if k:
        f, b, m = layers.foregrounds[:, 0], layers.background, layers.alphas[:, 0]
        assert max(f.abs().max(), b.abs().max()) <= 1
        assert 0 <= m.min() < m.max() <= 1
        assert_close(layers.image, m * f + (1 - m) * b, atol=1e-6, rtol=0)


def test_the_auxiliary_whole_image_reads_the_shared_features():
    painter = PAINTERS["dscomgan"]()
    layers, codes = painted(painter)
    assert layers.extras["whole"].shape == (4, 3, 32, 32)
    with torch.no_grad():
        assert torch.equal(layers.extras["whole"], painter.whole(painter.phi(codes["z"])[-1]))
    assert not painted(PAINTERS["dscomgan-last"]())[0].extras


def test_branches_read_the_last_three_sides_projected_in_the_papers_order():
    painter = PAINTERS["dscomgan"](g=16).eval()
    with torch.no_grad():
        a = painter.phi(torch.randn(2, 100))
        phi = painter.gather(a)
    assert phi.shape == (2, 16, 32, 32)
    assert torch.equal(phi[:, 12:], a[-1])  # [P2(a2), P1(a1), a3]
    up = F.interpolate(a[-2], scale_factor=2)
    assert_close(phi[:, :4], painter.p2(up).detach())


@pytest.mark.parametrize("name", LAYERED)
def test_a_mask_learns_from_the_difference_of_the_layers(name):
    painter = PAINTERS[name]()
    layers = painter(painter.codes(4))
    for part in (layers.alphas, layers.image):
        part.retain_grad()
    (layers.image.sin() * torch.randn(4, 3, 32, 32)).sum().backward()
    difference = layers.foregrounds[:, 0] - layers.background
    expected = (layers.image.grad * difference).sum(dim=1, keepdim=True).detach()
    assert expected.abs().max() > 0.01
    assert_close(layers.alphas.grad[:, 0], expected, atol=1e-6, rtol=0)


@pytest.mark.parametrize(("name", "scale"), [("comgan", 1), ("dscomgan", 4)])
def test_latents_are_normal_with_the_scale_of_the_public_code(name, scale):
    z = PAINTERS[name]().codes(500)["z"]
    assert z.shape == (500, 100)
    assert z.std().item() == pytest.approx(scale, rel=0.02)


def test_codes_are_uniform_and_independent_unless_they_are_tied():
    codes = PAINTERS["dscomgan"]().codes(7000)
    joint = torch.zeros(CODES, CODES).index_put_((codes["f"], codes["b"]), torch.ones(7000), accumulate=True)
    assert (joint / 7000 - 1 / CODES**2).abs().max() < 0.01
    tied = DSComGAN(DSComGANConfig(g=8, n_codes=CODES, tie_codes=True), WORLD).codes(100)
    assert torch.equal(tied["f"], tied["b"])
    assert len(tied["f"].unique()) == CODES


def test_the_number_of_codes_follows_the_data_set_and_is_else_that_of_birds():
    with torch.device("meta"):
        assert DSComGAN(DSComGANConfig(), World(64, classes=102)).classes == 102
        assert DSComGAN(DSComGANConfig(), World(64)).classes == 200
        assert DSComGAN(DSComGANConfig(n_codes=20), World(64, classes=102)).classes == 20


# Who shares what with whom.


def changed(painter, part):
    """Which of foreground, background and mask change with the weights of a part."""
    before, codes = painted(painter)
    shake(part)
    after, _ = painted(painter, codes)
    return [differ(getattr(before, layer), getattr(after, layer)) for layer in LAYERS]


def test_in_comgan_every_layer_hangs_on_the_shared_features():
    painter = PAINTERS["comgan"]()
    assert changed(painter, painter.phi) == [True, True, True]


def test_in_pi1_the_background_has_features_of_its_own():
    painter = PAINTERS["pi1"]()
    assert changed(painter, painter.phi_fm) == [True, False, True]
    assert changed(painter, painter.phi_b) == [False, True, False]


@pytest.mark.parametrize("name", ["pi2", "pi2-bare", "pi2-own-z"])
def test_in_pi2_every_layer_has_features_of_its_own(name):
    painter = PAINTERS[name]()
    assert changed(painter, painter.phi_f) == [True, False, False]
    assert changed(painter, painter.phi_b) == [False, True, False]
    assert changed(painter, painter.phi_m) == [False, False, True]


def test_in_pi2_the_latent_is_shared_unless_each_has_its_own():
    assert set(PAINTERS["pi2"]().codes(3)) == {"z"}
    painter = PAINTERS["pi2-own-z"]()
    before, codes = painted(painter)
    assert set(codes) == {"z_f", "z_b", "z_m"}
    after, _ = painted(painter, {**codes, "z_f": torch.randn(4, 100)})
    assert differ(before.foregrounds, after.foregrounds)
    assert torch.equal(before.background, after.background)
    assert torch.equal(before.alphas, after.alphas)


@pytest.mark.parametrize("name", ["dscomgan", "dscomgan-last"])
def test_each_code_changes_its_own_layer_and_the_latent_all(name):
    painter = PAINTERS[name]()
    before, codes = painted(painter)

    def changes(**other):
        after, _ = painted(painter, {**codes, **other})
        return [differ(getattr(before, layer), getattr(after, layer)) for layer in LAYERS]

    assert changes(f=(codes["f"] + 1) % CODES) == [True, False, False]
    assert changes(b=(codes["b"] + 1) % CODES) == [False, True, False]
    assert changes(z=torch.randn(4, 100)) == [True, True, True]


# Gradients.


def recovery(painter, code, width=4):
    return mi_recovery(width, (code,), painter, WORLD)


@pytest.mark.parametrize(("code", "own", "other"), [("f", "f", "b"), ("b", "b", "f")])
def test_recovering_a_code_teaches_its_own_branch_and_the_features_only(code, own, other):
    painter = PAINTERS["dscomgan"]()
    recovery(painter, code).penalty(step_of(painter(painter.codes(4)))).backward()
    for part in (own, f"{own}_head", "phi", "p1", "p2"):
        assert not silent(getattr(painter, part)), part
    for part in (other, f"{other}_head", "m", "m_head", "whole"):
        assert silent(getattr(painter, part)), part


@pytest.mark.parametrize("name", ["comgan", "dscomgan"])
def test_the_binary_loss_teaches_mask_and_features_only(name):
    painter = PAINTERS[name]()
    binarization("entropy").penalty(step_of(painter(painter.codes(4)))).backward()
    assert silent(painter.f)
    assert silent(painter.b)
    assert not silent(painter.m)
    assert not silent(painter.phi)


def mask_gradients(painter, logit=None):
    """Gradients of the generator's loss at the mask and at its logits, the latter forced to +-`logit` where given."""
    convolution, seen = painter.m[1][0], []

    def force(part, given, out):
        seen.append(out if logit is None else (logit * torch.randn_like(out).sign()).requires_grad_())
        seen[0].retain_grad()
        return seen[0]

    handle = convolution.register_forward_hook(force)
    layers = painter(painter.codes(4))
    handle.remove()
    layers.alphas.retain_grad()
    made = comgan(ComGANMethod(d=4), painter, WORLD)
    made.phases[1].loss(step_of(layers))["generator"].backward()
    return layers.alphas.grad.abs(), seen[0].grad.abs()


def test_a_fresh_mask_has_gradients():
    mask, logits = mask_gradients(PAINTERS["comgan"]())
    assert mask.max() > 0
    assert logits.max() > 0


def test_a_mask_between_identical_layers_has_exactly_no_gradient():
    painter = PAINTERS["comgan"]()
    painter.b.load_state_dict(painter.f.state_dict())
    mask, logits = mask_gradients(painter)
    assert mask.count_nonzero() == 0
    assert logits.count_nonzero() == 0


def test_a_saturated_mask_stops_the_gradient_at_its_logits_only():
    mask, logits = mask_gradients(PAINTERS["comgan"](), logit=30.0)
    assert logits.max() < 1e-8
    assert mask.max() > 1e-5


def test_at_first_a_code_is_recovered_about_as_badly_as_by_chance():
    """A little above ln 200 = 5.30, with critics of full width."""
    painter = DSComGAN(DSComGANConfig(g=16, n_codes=200), WORLD)
    with torch.no_grad():
        step = step_of(painter(painter.codes(32)))
        for code in ("f", "b"):
            assert 5.2 < recovery(painter, code, width=64).penalty(step).item() < 6.2


def test_generators_and_critics_start_orthogonal():
    made = dscomgan(DSComGANMethod(d=4), PAINTERS["dscomgan"](), WORLD)
    for network in made.networks.values():
        for part in network.modules():
            if isinstance(part, nn.Conv2d | nn.Linear):
                rows = part.weight.flatten(1).detach()
                gram = rows @ rows.T if len(rows) <= rows.shape[1] else rows.T @ rows
                assert_close(gram, torch.eye(len(gram)), atol=1e-4, rtol=0)


# The adversarial stage.


def play_game(name, method=None, painter=None):
    painter = painter or PAINTERS[name]()
    if name.startswith("ds"):
        terms = [("mi-recovery", 1.0, mi_recovery(4, (), painter, WORLD))]
        return dscomgan(method or DSComGANMethod(d=4), painter, WORLD), terms
    terms = [] if name == "simplegan" else [("binarization", 1.0, binarization("entropy"))]
    return comgan(method or ComGANMethod(d=4), painter, WORLD), terms


@pytest.mark.parametrize("name", ["comgan", "simplegan"])
def test_comgans_losses_are_those_of_a_plain_gan(name):
    made, _ = play_game(name)
    critic, x = made.networks["critic"], images()
    layers = made.painter(made.painter.codes(4))
    critic_phase, generator_phase = made.phases
    assert_close(critic_phase.loss(step_of(layers, x))["critic"], bce_real(critic(x)) + bce_fake(critic(layers.image)))
    assert_close(generator_phase.loss(step_of(layers, x)), {"generator": bce_real(critic(layers.image))})


@pytest.mark.parametrize("real_weight", [1.0, 2.0])
def test_ds_comgans_critic_sees_composites_and_whole_images_and_weighs_real_ones(real_weight):
    made, _ = play_game("dscomgan", DSComGANMethod(d=4, real_weight=real_weight))
    critic, x = made.networks["critic"], images()
    layers = made.painter(made.painter.codes(4))
    losses = [phase.loss(step_of(layers, x)) for phase in made.phases]
    whole = layers.extras["whole"]
    assert_close(
        losses[0],
        {
            "critic/real": real_weight * bce_real(critic(x)),
            "critic/composite": bce_fake(critic(layers.image)),
            "critic/whole": bce_fake(critic(whole)),
        },
    )
    assert_close(
        losses[1],
        {"generator/composite": bce_real(critic(layers.image)), "generator/whole": bce_real(critic(whole))},
    )


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
        one.play(0, x, False)
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
    one.play(0, images(), False)
    moved = {part for part, network in one.networks.items() if not same(was[part], weights(network))}
    codes = {"code-critic-f", "code-critic-b"} if name == "dscomgan" else set()
    assert moved == {"generator"} | codes


@pytest.mark.parametrize("name", PAINTERS)
def test_every_variant_plays_a_whole_step(name):
    made, terms = play_game(name)
    values = player(made, terms).play(0, images(), False)
    assert all(math.isfinite(value) for value in values.values())


# The segmentation stage.

SMALL = AlignmentConfig(width=4, dm_width=4)


def segmentation(config=SMALL, painter=None):
    return alignment(config, painter or PAINTERS["dscomgan"]().eval(), WORLD)


def test_a_segmentation_step_leaves_the_generator_and_its_statistics_unchanged():
    painter = PAINTERS["dscomgan"]().eval()
    made = segmentation(painter=painter)
    before, networks = state(painter), {name: weights(network) for name, network in made.networks.items()}
    player(made).play(0, images(), False)
    assert same(before, state(painter))
    assert all(p.grad is None for p in painter.parameters())
    assert not any(same(networks[name], weights(network)) for name, network in made.networks.items())


def test_a_generator_handed_over_in_train_mode_is_frozen_all_the_same():
    """A frozen painter "paints in eval mode" (`Game.frozen`), whoever hands it over."""
    painter = PAINTERS["dscomgan"]().train()
    before = state(painter)
    player(segmentation(painter=painter)).play(0, images(), False)
    assert same(before, state(painter))


def test_each_phase_of_the_segmentation_moves_one_network():
    for phase, other in (("mask-critic", "segmenter"), ("segmenter", "mask-critic")):
        made = segmentation()
        assert [p.name for p in made.phases] == ["mask-critic", "segmenter"]
        before = {name: weights(network) for name, network in made.networks.items()}
        player(made, phases=[phase]).play(0, images(), False)
        assert same(before[other], weights(made.networks[other]))
        assert not same(before[phase], weights(made.networks[phase]))


def follow_the_red(made):
    """Replace the segmenter by one whose predictions for painted and for real images differ clearly."""
    made.networks["segmenter"].forward = lambda x: 10 * x[:, :1]
    return made


def test_an_oracle_is_perfectly_consistent():
    """A segmenter that returns the painted masks themselves, soft as they are."""
    painter = PAINTERS["dscomgan"]()
    made = segmentation(painter=painter)
    layers, _ = painted(painter)
    step = step_of(layers)
    assert made.phases[1].loss(step)["consistency"] > 0.01
    made.networks["segmenter"].forward = lambda x: layers.alpha.logit()
    assert made.phases[1].loss(step)["consistency"] < 1e-6
    sharp = Layers.compose(layers.background, layers.foregrounds, (layers.alphas > 0.5).float())
    made.networks["segmenter"].forward = lambda x: sharp.alpha.logit()
    assert made.phases[1].loss(step_of(sharp))["consistency"] == 0


@pytest.mark.parametrize(("fakes", "real_weight"), [("both", 2), ("real", 1), ("synth", 1)])
def test_the_mask_critic_tells_painted_masks_from_predicted_ones(fakes, real_weight):
    made = follow_the_red(segmentation(replace(SMALL, dm_fake=fakes)))
    d_m, x = made.networks["mask-critic"], images()
    layers, _ = painted(made.painter)
    predicted = {"synth": made.predict(layers.image), "real": made.predict(x)}
    losses = made.phases[0].loss(step_of(layers, x))
    chosen = [bce_fake(d_m(mask)) for name, mask in predicted.items() if fakes in (name, "both")]
    assert_close(losses["mask-critic/real"], real_weight * bce_real(d_m(layers.alpha)))
    assert_close(losses["mask-critic/fake"], sum(chosen))


@pytest.mark.parametrize(("norm", "distance"), [("l1", F.l1_loss), ("l2", F.mse_loss)])
def test_the_segmenter_is_consistent_with_pairs_and_fools_the_mask_critic_twice(norm, distance):
    made = follow_the_red(segmentation(replace(SMALL, cons_norm=norm, lambda_cons=10.0)))
    d_m, x = made.networks["mask-critic"], images()
    layers, _ = painted(made.painter)
    losses = made.phases[1].loss(step_of(layers, x))
    synth, real = made.predict(layers.image), made.predict(x)
    assert_close(losses["consistency"], 10 * distance(synth, layers.alpha))
    assert_close(losses["alignment"], bce_real(d_m(synth)) + bce_real(d_m(real)))


def test_without_mask_critic_only_consistency_is_left():
    made = segmentation(replace(SMALL, use_dm=False))
    assert set(player(made).play(0, images(), False)) == {"consistency"}


def test_a_repeated_mask_is_judged_like_the_public_code():
    made = segmentation(replace(SMALL, dm_channels=3))
    layers, _ = painted(made.painter)
    d_m = made.networks["mask-critic"]
    loss = made.phases[0].loss(step_of(layers))["mask-critic/real"]
    assert_close(loss, 2 * bce_real(d_m(layers.alpha.repeat(1, 3, 1, 1))))


def test_the_defaults_of_the_segmentation_are_the_public_codes():
    config = AlignmentConfig()
    assert (config.lambda_cons, config.cons_norm, config.dm_channels) == (2.0, "l1", 1)
    assert (config.use_dm, config.dm_fake, config.lr) == (True, "both", 2e-4)


# General segmenters, on what ComGAN paints.


class Squares(nn.Module):
    """A painter that is right from the start: bright squares on dark ground."""

    def codes(self, n, images=None):
        return {"corner": torch.randint(0, 16, (n, 2))}

    def forward(self, codes):
        n = len(codes["corner"])
        alpha = torch.zeros(n, 1, 1, 32, 32)
        for one, (top, left) in zip(alpha, codes["corner"].tolist(), strict=True):
            one[..., top : top + 16, left : left + 16] = 0.9
        background = (torch.rand(n, 3, 32, 32) - 1).clamp(-1, 1)
        return Layers.compose(background, torch.rand(n, 1, 3, 32, 32), alpha, codes=codes)


@pytest.mark.parametrize(("kind", "network"), [("s", UNetS), ("l", UNetL)])
def test_a_u_net_learns_the_masks_of_painted_pairs(kind, network):
    made = unet_game(kind, UNetConfig(width=4, lr=1e-2), Squares())
    assert isinstance(made.networks["segmenter"], network)
    one = player(made)
    losses = [float(one.play(number, images(8), False)["segmenter"]) for number in range(30)]
    assert losses[-1] < 0.5 * losses[0]
    fresh, _ = painted(made.painter, n=8)
    with torch.no_grad():
        predicted = made.predict(fresh.image) > 0.5
    assert (predicted == (fresh.alpha > 0.5)).float().mean() > 0.9


@pytest.mark.parametrize(("target", "truth"), [("hard", lambda alpha: (alpha > 0.5).float()), ("soft", lambda a: a)])
def test_a_u_net_is_taught_the_thresholded_or_the_soft_alpha(target, truth):
    made = unet_game("s", UNetConfig(width=4, target=target), Squares())
    made.networks["segmenter"].eval()
    layers, _ = painted(made.painter)
    expected = F.binary_cross_entropy(made.predict(layers.image), truth(layers.alpha))
    assert_close(made.phases[0].loss(step_of(layers))["segmenter"], expected)
    assert made.frozen


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
    painter, world = PAINTERS[name](World(side), g=g), World(side)
    terms = [("binarization", 1.0, binarization("entropy"))]
    if name == "dscomgan":
        made = dscomgan(DSComGANMethod(d=d), painter, world)
        terms.append(("mi-recovery", 1.0, mi_recovery(d, (), painter, world)))
    else:
        made = comgan(ComGANMethod(d=d), painter, world)
    one, x = player(made, terms), toy_squares(64, side)
    rows = [one.play(k, x[torch.randint(64, (16,))], looking=k % 10 == 0) for k in range(steps)]
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
    values = [float(one.play(number, images(8), False)["binarization"]) for number in range(40)]
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
