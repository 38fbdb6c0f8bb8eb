import math

import pytest
import torch
from milgan_worlds import CODES, check_layers, composed, painted, phase_of, recipe_of, step_of, term_of
from torch import nn
from torch.nn import functional as F
from torch.testing import assert_close

from lgbench import ImageSpec
from lgbench.layers import Layers
from lgbench.nn import count_parameters, warp
from lgbench_elgan.config import ELGANConfig, ELGANMethod
from lgbench_elgan.game import elgan
from lgbench_elgan.model import ELGAN
from lgbench_regularizers.config import EquivarianceConfig
from lgbench_regularizers.equivariance import equivariance
from lgbench_regularizers.ranges import AffineRange

pytestmark = pytest.mark.usefixtures("seeded")

CUB = {side: ImageSpec(side, classes=200) for side in (64, 128)}
GROUP = 4


def tiny(side=16, **settings):
    return ELGAN(ELGANConfig(**{"g": 4, "n_codes": CODES, "group": GROUP, **settings}), ImageSpec(side))


def of_class(codes, c):
    """The same latents painted as other classes."""
    return {**codes, "c": c, "c_sup": c // GROUP}


# Parameter counts.


@pytest.mark.parametrize(
    ("act", "side", "parameters"),
    [("relu", 64, 16_533_680), ("relu", 128, 16_607_664), ("glu", 64, 32_972_368), ("glu", 128, 33_120_336)],
)
def test_the_generator_has_the_parameters_of_its_table(act, side, parameters):
    with torch.device("meta"):
        assert count_parameters(ELGAN(ELGANConfig(act=act), CUB[side])) == parameters


@pytest.mark.parametrize(
    ("side", "background", "foreground"), [(64, 7_939_968, 8_267_648), (128, 7_976_960, 8_304_640)]
)
def test_each_part_has_the_parameters_of_its_row(side, background, foreground):
    with torch.device("meta"):
        g = ELGAN(ELGANConfig(), CUB[side])
    parts = {"b": background, "b_head": 1728, "f": foreground, "stage1": 214_976, "m_head": 288, "stage2": 108_640}
    assert {name: count_parameters(getattr(g, name)) for name in parts} == parts
    assert count_parameters(g.f_head) == 432


@pytest.mark.parametrize(("side", "both", "mask"), [(64, 9_122_953, 7_637_972), (128, 19_871_881, 18_386_900)])
def test_critic_and_code_recovery_have_the_parameters_of_their_tables(side, both, mask):
    with torch.device("meta"):
        networks = elgan(ELGANMethod(), ELGAN(ELGANConfig(), CUB[side]), CUB[side]).networks
    head = count_parameters(networks["recovery-image"])
    assert head == 3_998_408
    assert count_parameters(networks["critic"]) + head == both
    assert count_parameters(networks["recovery-mask"]) == mask


@pytest.mark.parametrize(
    ("settings", "parameters"),
    [({"shrink": 0.0, "grow": 0.0}, 9_162), ({}, 9_226), ({"rotate": 15.0}, 9_290)],
    ids=["translation", "and scale", "and rotation"],
)
def test_phi_has_the_parameters_of_its_table(settings, parameters):
    phi = equivariance(EquivarianceConfig(**settings), tiny(), ImageSpec(16)).networks["phi"]
    assert count_parameters(phi) == parameters


# What is painted from what.


@pytest.mark.parametrize("act", ["relu", "glu"])
@pytest.mark.parametrize("side", [16, 64])
def test_layers_have_their_shapes_and_ranges_and_compose_the_image(side, act):
    check_layers(tiny(side, act=act), side)


def test_classes_of_a_group_share_their_mask_and_all_classes_the_background():
    painter = tiny()
    codes = of_class(painter.codes(3), torch.tensor([0, 1, 6]))
    before = painted(painter, codes)
    sister = painted(painter, of_class(codes, torch.tensor([1, 3, 4])))
    stranger = painted(painter, of_class(codes, torch.tensor([4, 5, 2])))
    elsewhere = painted(painter, {**codes, "z": codes["z"] + 1})
    for layers in (sister, stranger):
        assert torch.equal(before.background, layers.background)
        assert not torch.equal(before.foregrounds, layers.foregrounds)
    assert torch.equal(before.alphas, sister.alphas)
    assert not torch.equal(before.alphas, stranger.alphas)
    for name in ("background", "foregrounds", "alphas"):
        assert not torch.equal(getattr(before, name), getattr(elsewhere, name))


def test_ten_consecutive_classes_share_a_super_class_and_the_last_group_may_be_smaller():
    with torch.device("meta"):
        painter = ELGAN(ELGANConfig(), ImageSpec(64, classes=196))
        assert (painter.classes, painter.groups) == (196, 20)
        assert ELGAN(ELGANConfig(), CUB[64]).groups == 20
        assert ELGAN(ELGANConfig(), ImageSpec(64)).classes == 20
    codes = tiny().codes(4000)
    assert torch.equal(codes["c_sup"], codes["c"] // GROUP)
    assert (codes["c"].bincount(minlength=CODES) / 4000 - 1 / CODES).abs().max() < 0.02
    assert codes["z"].std().item() == pytest.approx(1, rel=0.02)


def test_with_empty_masks_no_critic_of_codes_beats_chance():
    game, _ = composed("elgan", {"method.gamma_r": 1.0})
    game.painter.m_head[0].register_forward_hook(lambda part, given, out: torch.full_like(out, -30.0))
    codes = game.painter.codes(CODES)
    layers = painted(game.painter, {**of_class(codes, torch.arange(CODES)), "z": codes["z"][:1].expand(CODES, -1)})
    assert torch.equal(layers.image, layers.background)
    step = step_of(game)
    step.painted = step.layers = layers
    for network in game.networks.values():
        network.eval()
    for spread in (0.0, 1.0, 5.0):
        for head in (game.networks["recovery-image"][-1], game.networks["recovery-mask"].head[-1]):
            nn.init.normal_(head.bias, 0, spread)
        with torch.no_grad():
            losses = phase_of(game, "generator").loss(step)
        assert losses["recovery/image"].item() >= math.log(CODES) - 1e-5
        assert losses["recovery/mask"].item() >= math.log(CODES / GROUP) - 1e-5


def test_an_empty_mask_costs_the_whole_eta_in_configuration_a():
    game, terms = composed("elgan", preset="paper-a")
    game.painter.m_head[0].register_forward_hook(lambda part, given, out: torch.full_like(out, -30.0))
    assert term_of(terms, "mask-size").penalty(step_of(game, terms)).item() == pytest.approx(0.25)


# Perturbation, rung by rung.


def ranges(preset):
    (config,) = (c.config for c in recipe_of("elgan", preset=preset).regularizers if c.record.name == "perturbation")
    return AffineRange(config.translate, config.shrink, config.grow, config.rotate, config.unit)


@pytest.mark.parametrize(("letter", "size"), [("a", 2), ("b", 2), ("c", 3), ("d", 4), ("e", 3)])
def test_each_rung_moves_in_its_own_number_of_ways(letter, size):
    assert {ranges(f"{size_}-{letter}").size for size_ in ("smoke", "small", "paper")} == {size}


@pytest.mark.parametrize("letter", ["a", "b"])
def test_the_first_rungs_translate_by_an_eighth_of_the_side_and_do_nothing_else(letter):
    poses = ranges(f"paper-{letter}").sample(2000, torch.device("cpu"))
    assert torch.equal(poses[:, :, :2], torch.eye(2).expand(2000, 2, 2))
    reach = poses[:, :, 2].abs().amax(dim=0)
    assert_close(reach, torch.tensor([0.25, 0.25]), atol=0.002, rtol=0)  # the grid spans two units


def test_the_largest_scale_enlarges_a_disc_by_its_square():
    side = 64
    axis = (torch.arange(side) + 0.5) * 2 / side - 1
    disc = ((axis[:, None] ** 2 + axis**2) < 0.25).float()[None, None]
    largest = warp(disc, ranges("paper-c").poses(torch.tensor([[0.0, 0.0, 1.0]])), align_corners=False)
    assert (largest.sum() / disc.sum()).item() == pytest.approx(2**0.4, rel=0.05)


def test_rotation_is_up_to_fifteen_degrees_on_rung_d_only():
    poses = ranges("paper-d").sample(2000, torch.device("cpu"))
    angle = torch.atan2(poses[:, 0, 1], poses[:, 0, 0]).rad2deg().abs()
    assert angle.max().item() == pytest.approx(15, abs=0.1)
    assert torch.equal(ranges("paper-e").sample(50, torch.device("cpu"))[:, 0, 1], torch.zeros(50))


# Equivariance, with ELGAN's own painter and critic.


OFFLINE = {"ramp": 0, "distance": "disc"}


def equivariant(**settings):
    given = {f"regularizers.equivariance.{name}": value for name, value in {**OFFLINE, **settings}.items()}
    game, terms = composed("elgan", given, preset="paper")
    return game, terms, term_of(terms, "equivariance")


@pytest.mark.parametrize("distance", ["disc", "pixel"])
def test_no_transform_and_no_offset_cost_nothing(distance, monkeypatch):
    game, terms, term = equivariant(zero=True, distance=distance, reg_weight=0.0)
    with torch.no_grad():
        for p in game.networks["critic"].parameters():
            p.add_(0.3 * torch.randn_like(p))  # its spectral norms are estimates, and change with every look
    step = step_of(game, terms)
    assert term.penalty(step).item() > 1e-3
    monkeypatch.setattr(torch, "rand", lambda *size, **rest: torch.full(size, 0.5))
    assert term.penalty(step).item() == 0


def test_an_offset_for_no_transform_costs_something_unless_phi_is_held_to_zero(monkeypatch):
    """In eval mode: batch statistics take away what is added to all latents alike."""
    game, terms, term = equivariant(zero=False, reg_weight=0.0)
    game.painter.eval()
    step = step_of(game, terms)
    monkeypatch.setattr(torch, "rand", lambda *size, **rest: torch.full(size, 0.5))
    assert term.penalty(step).item() > 1e-4


def test_colours_that_no_mask_shows_do_not_matter():
    game, _, term = equivariant(distance="pixel", reg_weight=0.0)
    painter, real, brighter = game.painter, game.painter.forward, [0.0]

    def masked(codes):
        layers = real(codes)
        alphas = layers.alphas.clone()
        alphas[..., :8] = 0  # the left half, also once it has moved by an eighth and grown
        f = layers.foregrounds.clone()
        f[..., :4] += brighter[-1]
        return Layers.compose(layers.background, f, alphas, codes=layers.codes)

    painter.forward = masked
    codes, costs = painter.codes(4), []
    for more in (0.0, 5.0):
        brighter.append(more)
        step = step_of(game)
        step.painted = step.layers = painter(codes)
        torch.manual_seed(3)
        costs.append(term.penalty(step).item())
    assert costs[0] == pytest.approx(costs[1], rel=1e-5)
    assert costs[0] > 1e-4


def test_the_ramp_rises_from_nothing_to_half_in_four_hundred_epochs():
    chosen = {c.record.name: c for c in recipe_of("elgan", preset="paper").regularizers}["equivariance"]
    assert (chosen.weight, chosen.config.ramp) == (0.5, 124_800)  # 400 epochs of 312 batches
    lsun = {c.record.name: c for c in recipe_of("elgan", preset="paper", dataset="lsun-car").regularizers}
    assert lsun["equivariance"].config.ramp == 39_840  # 40 epochs of 996 batches
    game, terms = composed("elgan", {"regularizers.equivariance.ramp": 100, "regularizers.equivariance.reg_weight": 0})
    (weight,) = (weight for name, weight, _ in terms if name == "equivariance")
    game.networks["critic"].eval()
    costs = []
    for number in (0, 50, 100, 1000):
        torch.manual_seed(1)
        costs.append(weight * term_of(terms, "equivariance").penalty(step_of(game, terms, number=number)).item())
    assert costs[0] == 0
    assert costs[1] == pytest.approx(0.5 * costs[2], rel=1e-4)
    assert costs[2] == pytest.approx(costs[3], rel=1e-4)


def test_the_weight_of_the_latents_moments_is_one_beside_half_of_the_equivariance():
    chosen = {c.record.name: c for c in recipe_of("elgan", preset="paper").regularizers}["equivariance"]
    assert chosen.weight * chosen.config.reg_weight == 1
    assert chosen.config.dims == 10
    assert (chosen.config.translate, chosen.config.shrink, chosen.config.grow) == (0.125, 0.2, 0.2)


def test_phi_moves_the_first_ten_numbers_of_the_latent_only():
    game, terms, term = equivariant(ramp=0)
    step, seen = step_of(game, terms), []
    game.painter.register_forward_pre_hook(lambda part, given: seen.append(given[0]["z"]))
    nn.init.constant_(term.networks["phi"].map[-1].bias, 0.5)
    term.penalty(step)
    (shifted,) = seen
    z = step.painted.codes["z"]
    assert torch.equal(shifted[:, 10:], z[:, 10:])
    assert not (shifted[:, :10] == z[:, :10]).any()


def test_moments_of_shifted_latents_teach_phi_and_not_the_generator():
    """gamma_e(0) = 0, so that only L_reg is left; at Phi = 0 it is 3 * 10 / N in the mean."""
    game, terms, term = equivariant(ramp=100, reg_weight=1.0)
    phi, costs = term.networks["phi"].map[-1], []
    term.penalty(step_of(game, terms)).backward()
    assert all(p.grad is None or p.grad.abs().max() == 0 for p in game.painter.parameters())
    assert phi.weight.grad.abs().max() > 0
    nn.init.zeros_(phi.weight)
    nn.init.zeros_(phi.bias)
    step = step_of(game, x=torch.zeros(32, 3, 16, 16))
    game.painter.forward = lambda codes: step.painted
    for _ in range(200):
        step.painted = Layers(*(getattr(step.painted, n) for n in ("image", "background", "foregrounds", "alphas")))
        step.painted.codes.update(game.painter.codes(32))
        with torch.no_grad():
            costs.append(term.penalty(step).item())
    assert sum(costs) / len(costs) == pytest.approx(30 / 32, abs=0.15)


@pytest.mark.parametrize("stopped", [False, True])
def test_gradients_flow_through_both_pictures_unless_the_moved_one_is_held(stopped):
    game, terms, term = equivariant(distance="pixel", reg_weight=0.0, stop_gradient=stopped)
    step = step_of(game, terms)
    step.painted.alphas.retain_grad()
    term.penalty(step).backward()
    assert (step.painted.alphas.grad is None or not step.painted.alphas.grad.count_nonzero()) == stopped
    assert game.painter.b_head[0].weight.grad.count_nonzero() > 0


@pytest.mark.parametrize("on_perturbed", [True, False])
def test_classes_are_read_from_the_image_that_the_switch_says_and_groups_from_the_unmoved_mask(on_perturbed):
    game, _ = composed("elgan", {"method.mi_on_perturbed": on_perturbed, "method.gamma_r": 1.0})
    step = step_of(game)
    step.layers = game.painter(game.painter.codes(4))  # anything but what was painted
    critic, head, mask = (game.networks[name] for name in ("critic", "recovery-image", "recovery-mask"))
    for network in (critic, head, mask):
        network.eval()
    losses, codes = phase_of(game, "generator").loss(step), step.painted.codes
    seen = (step.layers if on_perturbed else step.painted).image
    assert_close(losses["recovery/image"], F.cross_entropy(head(critic.trunk(seen)).flatten(1), codes["c"]))
    assert_close(losses["recovery/mask"], F.cross_entropy(mask(step.painted.alphas[:, -1]), codes["c_sup"]))


def test_the_backgrounds_branch_can_be_narrower():
    narrow, even = (ELGAN(ELGANConfig(g=8, g_b=g_b, n_codes=10), ImageSpec(32)) for g_b in (4, 0))
    assert count_parameters(narrow.b) < count_parameters(even.b)
    assert count_parameters(narrow.f) == count_parameters(even.f)
    assert narrow(narrow.codes(2)).background.shape == (2, 3, 32, 32)
