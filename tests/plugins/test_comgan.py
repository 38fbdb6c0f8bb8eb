from dataclasses import replace

import pytest
import torch
from comgan_worlds import CODES, PAINTERS, SPEC, painted, step_of
from torch import nn
from torch.nn import functional as F
from torch.testing import assert_close

from lgbench import ImageSpec
from lgbench.nn import ComGANFeatures, count_parameters
from lgbench_comgan.config import (
    AlignmentConfig,
    ComGANCodesConfig,
    ComGANConfig,
    ComGANMethod,
    DSComGANConfig,
    DSComGANMethod,
    Pi2Config,
)
from lgbench_comgan.game import alignment, comgan, dscomgan
from lgbench_comgan.model import ComGAN, DSComGAN, Pi1, Pi2, SimpleGAN
from lgbench_regularizers.config import BinarizationConfig, MIRecoveryConfig
from lgbench_regularizers.terms import binarization, mi_recovery

pytestmark = pytest.mark.usefixtures("seeded")

LAYERS = ("foregrounds", "background", "alphas")
LAYERED = [name for name in PAINTERS if name != "simplegan"]


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
        (lambda w: ComGANFeatures(100, 64, w.resolution), 4_788_032, 4_815_808),
        (lambda w: SimpleGAN(ComGANConfig(), w), 4_788_464, 4_816_240),
        (lambda w: ComGAN(ComGANCodesConfig(), w), 5_011_952, 5_039_728),
        (lambda w: Pi1(ComGANConfig(), w), 9_799_984, 9_855_536),
        (lambda w: Pi2(Pi2Config(), w), 14_588_016, 14_671_344),
        (lambda w: Pi2(Pi2Config(subnet="none"), w), 14_365_104, 14_448_432),
        (lambda w: DSComGAN(DS, w), 8_573_792, 8_555_488),
    ],
    ids=["Phi", "SimpleGAN", "ComGAN", "Pi1", "Pi2", "Pi2 without sub-networks", "DS-ComGAN"],
)
def test_generators_have_the_published_parameter_counts(build, at_64, at_128):
    with torch.device("meta"):  # shapes without weights: instant at full width
        assert count_parameters(build(ImageSpec(64))) == at_64
        assert count_parameters(build(ImageSpec(128))) == at_128


def test_sub_networks_have_their_counts():
    def of(*parts):
        return sum(count_parameters(part) for part in parts)

    with torch.device("meta"):
        plain, ds = ComGAN(ComGANCodesConfig(), ImageSpec(64)), DSComGAN(DS, ImageSpec(64))
        one_more = DSComGAN(replace(DS, n_codes=201), ImageSpec(64))
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
            networks = alignment(AlignmentConfig(dm_channels=channels), PAINTERS["comgan"](), ImageSpec(side)).networks
            assert count_parameters(networks["mask-critic"]) == parameters
            assert count_parameters(networks["segmenter"]) == 34_527_041


@pytest.mark.parametrize(("side", "parameters"), [(64, 1_284_993), (128, 2_334_081)])
def test_image_critics_have_the_published_parameter_counts(side, parameters):
    with torch.device("meta"):
        painter = PAINTERS["comgan"]()
        for made in (
            comgan(ComGANMethod(), painter, ImageSpec(side)),
            dscomgan(DSComGANMethod(), painter, ImageSpec(side)),
        ):
            assert count_parameters(made.networks["critic"]) == parameters


@pytest.mark.parametrize(
    ("side", "widths"), [(64, [512, 256, 128, 64, 16]), (128, [512, 256, 128, 64, 32, 16])], ids=str
)
def test_features_halve_at_each_doubling_and_end_in_a_quarter_of_the_width(side, widths):
    with torch.device("meta"):
        made = ComGANFeatures(100, 64, side)(torch.empty(2, 100))
    assert [h.shape[1] for h in made] == widths
    assert [h.shape[-1] for h in made] == [4 << k for k in range(len(widths))]


# What the generators paint.


@pytest.mark.parametrize("name", PAINTERS)
@pytest.mark.parametrize("side", [32, 64])
def test_layers_have_their_shapes_and_ranges_and_compose_the_image(name, side):
    layers, _ = painted(PAINTERS[name](ImageSpec(side)), n=3)
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
    tied = DSComGAN(DSComGANConfig(g=8, n_codes=CODES, tie_codes=True), SPEC).codes(100)
    assert torch.equal(tied["f"], tied["b"])
    assert len(tied["f"].unique()) == CODES


def test_the_number_of_codes_follows_the_data_set_and_is_else_twenty():
    with torch.device("meta"):
        assert DSComGAN(DSComGANConfig(), ImageSpec(64, classes=102)).classes == 102
        assert DSComGAN(DSComGANConfig(), ImageSpec(64)).classes == 20
        assert DSComGAN(DSComGANConfig(n_codes=20), ImageSpec(64, classes=102)).classes == 20


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
    return mi_recovery(MIRecoveryConfig(width, code), painter, SPEC)


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
    binarization(BinarizationConfig("entropy"), None, None).penalty(step_of(painter(painter.codes(4)))).backward()
    assert silent(painter.f)
    assert silent(painter.b)
    assert not silent(painter.m)
    assert not silent(painter.phi)


def mask_gradients(painter, logit=None):
    """Gradients of the generator's loss at the mask and at its logits, the latter forced to +-`logit` where given."""
    convolution, seen = painter.m.head[0], []

    def force(part, given, out):
        seen.append(out if logit is None else (logit * torch.randn_like(out).sign()).requires_grad_())
        seen[0].retain_grad()
        return seen[0]

    handle = convolution.register_forward_hook(force)
    layers = painter(painter.codes(4))
    handle.remove()
    layers.alphas.retain_grad()
    made = comgan(ComGANMethod(d=4), painter, SPEC)
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
    painter = DSComGAN(DSComGANConfig(g=16, n_codes=200), SPEC)
    with torch.no_grad():
        step = step_of(painter(painter.codes(32)))
        for code in ("f", "b"):
            assert 5.2 < recovery(painter, code, width=64).penalty(step).item() < 6.2


def test_generators_and_critics_start_orthogonal():
    made = dscomgan(DSComGANMethod(d=4), PAINTERS["dscomgan"](), SPEC)
    for network in made.networks.values():
        for part in network.modules():
            if isinstance(part, nn.Conv2d | nn.Linear):
                rows = part.weight.flatten(1).detach()
                gram = rows @ rows.T if len(rows) <= rows.shape[1] else rows.T @ rows
                assert_close(gram, torch.eye(len(gram)), atol=1e-4, rtol=0)
