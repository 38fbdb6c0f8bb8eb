import math
from dataclasses import replace

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.optim.swa_utils import AveragedModel
from torch.testing import assert_close

from lgbench import ImageSpec
from lgbench.errors import BadRecipe
from lgbench.nn import count_parameters
from lgbench_perturbgan.config import StyleConfig
from lgbench_perturbgan.style_critic import StyleCritic, minibatch_deviation
from lgbench_perturbgan.style_generator import StyleMapping, StylePainter
from lgbench_perturbgan.style_layers import FusedDown, FusedUp, NoiseInjection

pytestmark = pytest.mark.usefixtures("seeded")

SMALL = StyleConfig(width=32, nz=16)
VARIANTS = {"own mappings": {}, "shared mapping": {"shared_mapping": True}, "one generator": {"n_generators": 1}}
variants = pytest.mark.parametrize("variant", VARIANTS.values(), ids=VARIANTS)


def small(side=32, **settings):
    return StylePainter(replace(SMALL, **settings), ImageSpec(side))


def noisy(painter):
    """The same painter with noise weights that matter."""
    for part in painter.modules():
        if isinstance(part, NoiseInjection):
            nn.init.normal_(part.weight)
    return painter


@torch.no_grad()
def paint(painter, codes, seed=1):
    """Layers, with noise planes drawn from `seed`."""
    torch.manual_seed(seed)
    return painter(codes)


def at(painter, level, alpha, codes):
    painter.grow(level, alpha)
    return paint(painter, codes)


def twice(x):
    return F.interpolate(x.flatten(0, -4), scale_factor=2, mode="nearest").unflatten(0, x.shape[:-3])


def images(side=32, n=4):
    return torch.rand(n, 3, side, side) * 2 - 1


# Sizes.


@pytest.mark.parametrize(
    ("variant", "at_64", "at_128", "at_1024"),
    [
        ({}, 50_277_155, 51_689_130, 52_440_783),
        ({"shared_mapping": True}, 48_175_907, 49_587_882, 50_339_535),
        ({"n_generators": 1}, 25_146_659, 25_853_098, 26_229_327),
    ],
    ids=VARIANTS,
)
def test_painters_have_the_published_parameter_counts(variant, at_64, at_128, at_1024):
    with torch.device("meta"):  # shapes without weights: instant at full width
        for side, parameters in ((64, at_64), (128, at_128), (1024, at_1024)):
            assert count_parameters(StylePainter(StyleConfig(**variant), ImageSpec(side))) == parameters


@pytest.mark.parametrize(("side", "parameters"), [(64, 24_267_777), (128, 25_153_537), (1024, 25_444_737)])
def test_critics_and_mappings_have_the_published_parameter_counts(side, parameters):
    with torch.device("meta"):
        assert count_parameters(StyleCritic(side)) == parameters
        assert count_parameters(StyleMapping(512)) == 2_101_248


@pytest.mark.parametrize("side", [4, 48, 2048])
def test_sides_that_doubling_does_not_reach_and_third_generators_are_refused(side):
    with pytest.raises(BadRecipe, match="set resolution"):
        StyleCritic(side, 8)
    with pytest.raises(BadRecipe, match="n_generators"):
        small(n_generators=3)


def test_the_backgrounds_generator_can_be_narrower():
    narrow, even = small(width_b=4), small()
    assert count_parameters(narrow.generators[0]) < count_parameters(even.generators[0])
    assert count_parameters(narrow.generators[1]) == count_parameters(even.generators[1])
    assert narrow(narrow.codes(2)).background.shape == (2, 3, 32, 32)


def test_a_width_that_no_background_would_read_is_refused():
    with pytest.raises(BadRecipe, match="generator.width_b needs generator.n_generators=2"):
        small(n_generators=1, width_b=4)


# What the painter paints.


@variants
@pytest.mark.parametrize("level", [0, 1, 2])
def test_layers_have_the_shapes_of_the_level_and_compose_the_image(variant, level):
    painter = small(**variant)
    painter.grow(level, 0.5)
    layers = paint(painter, painter.codes(3))
    side = painter.side
    assert side == 8 << level
    assert layers.image.shape == layers.background.shape == (3, 3, side, side)
    assert layers.foregrounds.shape == (3, 1, 3, side, side)
    assert layers.alphas.shape == (3, 1, 1, side, side)
    f, b, m = layers.foregrounds[:, 0], layers.background, layers.alphas[:, 0]
    assert 0 < m.min() < m.max() < 1
    assert max(f.abs().max(), b.abs().max()) > 1  # no tanh
    assert_close(layers.image, m * f + (1 - m) * b)


def test_sides_of_128_go_through_the_fused_layers():
    painter, critic = small(128, width=8), StyleCritic(128, width=8)
    assert any(isinstance(part, FusedUp) for part in painter.modules())
    assert any(isinstance(part, FusedDown) for part in critic.modules())
    layers = paint(painter, painter.codes(2))
    assert layers.image.shape == (2, 3, 128, 128)
    assert critic(layers.image).shape == (2,)


def test_layers_are_float32_under_autocast():
    painter = small()
    painter.grow(1, 0.5)
    with torch.autocast("cpu", torch.bfloat16):
        layers = paint(painter, painter.codes(2))
        logits = StyleCritic(16, 8)(layers.image)
    assert layers.background.dtype == layers.foregrounds.dtype == layers.alphas.dtype == torch.float32
    assert logits.isfinite().all()


# Fading in.


@variants
@pytest.mark.parametrize("level", [1, 2])
def test_a_new_level_begins_as_the_enlarged_one_before(variant, level):
    painter = noisy(small(**variant)).eval()
    codes = painter.codes(2)
    before, begun = at(painter, level - 1, 1.0, codes), at(painter, level, 0.0, codes)
    for name in ("background", "foregrounds", "alphas"):
        assert_close(getattr(begun, name), twice(getattr(before, name)), atol=1e-5, rtol=1e-5)


@variants
def test_fading_in_is_linear_in_colours_and_in_the_logits_of_the_mask(variant):
    painter = noisy(small(**variant)).eval()
    codes = painter.codes(2)
    begun, fading, grown = (at(painter, 2, alpha, codes) for alpha in (0.0, 0.3, 1.0))
    for name in ("background", "foregrounds"):
        assert_close(getattr(fading, name), 0.7 * getattr(begun, name) + 0.3 * getattr(grown, name))
    m0, m, m1 = (layers.alphas for layers in (begun, fading, grown))
    logits = torch.stack([m.logit(), 0.7 * m0.logit() + 0.3 * m1.logit()])
    exact = (logits.abs() < 5) & (m0.logit().abs() < 5) & (m1.logit().abs() < 5)  # float32 rounds what is nearly 0 or 1
    assert exact.float().mean() > 0.5
    assert_close(logits[0][exact[0]], logits[1][exact[0]], atol=1e-3, rtol=0)
    assert (m - (0.7 * m0 + 0.3 * m1)).abs().max() > 0.01  # not in the mask itself


@pytest.mark.parametrize("level", [1, 2])
def test_a_growing_critic_begins_as_the_one_before_on_the_pooled_image(level):
    critic, x = StyleCritic(32, 16), images(8 << level)
    critic.grow(level, 0.0)
    begun = critic(x)
    critic.grow(level - 1, 1.0)
    assert_close(begun, critic(F.avg_pool2d(x, 2)))
    critic.grow(level, 1.0)
    assert (begun - critic(x)).abs().max() > 1e-3


def test_networks_are_built_fully_grown_and_ignore_the_heads_of_smaller_sides():
    painter, critic = small(), StyleCritic(32, 8)
    assert painter.side == critic.side == 32
    codes = painter.eval().codes(2)
    x = paint(painter, codes).image
    logits = critic(x)
    for generator in painter.generators:
        nn.init.constant_(generator.heads[-2].weight, math.nan)
    nn.init.constant_(critic.readers[-2].weight, math.nan)
    assert torch.equal(paint(painter, codes).image, x)
    assert torch.equal(critic(x), logits)


@pytest.mark.parametrize("network", [small, lambda: StyleCritic(32, 8)], ids=["painter", "critic"])
def test_checkpoints_and_averages_carry_the_state_of_growth(network):
    grown, other = network(), network()
    average = AveragedModel(other)
    grown.grow(1, 0.25)
    other.load_state_dict(grown.state_dict())
    average.update_parameters(grown)
    for copy in (other, average.module):
        assert (int(copy.level), float(copy.alpha), copy.side) == (1, 0.25, 16)


# Noise.


@variants
def test_noise_does_not_show_before_its_weights_have_learned(variant):
    painter = small(**variant)
    codes = painter.eval().codes(2)
    del codes["noise"]
    painter.train()
    assert torch.equal(paint(painter, codes, seed=1).image, paint(painter, codes, seed=2).image)
    noisy(painter)
    one, two = paint(painter, codes, seed=1), paint(painter, codes, seed=2)
    for name in ("background", "foregrounds", "alphas"):
        assert not torch.equal(getattr(one, name), getattr(two, name))


@pytest.mark.parametrize("shared", [False, True], ids=["own", "common"])
def test_generators_have_noise_of_their_own_unless_they_share_a_mapping(shared):
    painter = noisy(small(shared_mapping=shared))
    background, thing = painter.generators
    thing.blocks, thing.constant = background.blocks, background.constant  # only the noise can tell them apart
    for one, two in zip(thing.heads, background.heads, strict=True):
        one.weight.data[:3] = two.weight.data
    painter.mappings[-1].load_state_dict(painter.mappings[0].state_dict())
    layers = paint(painter.eval(), painter.codes(2))
    same = torch.allclose(layers.foregrounds[:, 0], layers.background, atol=1e-5)
    assert same is shared


@variants
def test_in_eval_mode_noise_is_a_code_and_the_same_codes_paint_the_same(variant):
    # in float32 convolutions of 4 and of 2 pictures may differ by 4e-5
    painter = noisy(small(**variant)).eval().double()
    codes = {name: code.double() for name, code in painter.codes(4).items()}
    layers = paint(painter, codes, seed=1)
    assert torch.equal(paint(painter, codes, seed=2).image, layers.image)
    assert not torch.allclose(paint(painter, {**codes, "noise": codes["noise"].flip(0)}).image, layers.image)
    some = {name: code[1:3] for name, code in codes.items()}
    assert_close(paint(painter, some).image, layers.image[1:3], atol=1e-5, rtol=1e-5)  # whatever its company


@variants
def test_without_given_noise_it_is_constant_and_draws_nothing(variant):
    painter = noisy(small(**variant)).eval()
    z = painter.codes(1)["z"].repeat(3, 1)
    before = torch.get_rng_state()
    first, second = painter({"z": z}), painter({"z": z})
    assert torch.equal(before, torch.get_rng_state())
    assert torch.equal(first.image, second.image)
    assert_close(first.alphas[0], first.alphas[2])


def test_pictures_that_are_sampled_have_the_noise_that_they_always_had():
    """As `forward` used to draw it: after the latents, by side and then by generator."""
    painter = noisy(small()).eval()
    torch.manual_seed(5)
    codes = painter.codes(2)
    torch.manual_seed(5)
    assert torch.equal(codes["z"], torch.randn(2, 16))
    planes = [torch.randn(2, 1, side, side).flatten(1) for side in (4, 8, 16, 32) for _ in range(2)]
    assert torch.equal(codes["noise"], torch.cat(planes, dim=1))


def test_noise_of_all_sides_serves_the_smaller_ones_while_it_grows():
    painter = noisy(small()).eval()
    codes = painter.codes(2)
    painter.grow(0, 1.0)
    cut = {**codes, "noise": codes["noise"][:, : 2 * (4**2 + 8**2)]}
    assert torch.equal(paint(painter, codes).image, paint(painter, cut).image)


# Style mixing.


@pytest.mark.parametrize("mixing", [0.0, 0.9])
def test_codes_are_one_latent_unless_training_mixes_two(mixing):
    painter = small(mixing=mixing)
    names = {"z", "z2", "cross_b", "cross_f"} if mixing else {"z"}
    assert set(painter.train().codes(3)) == names
    assert set(painter.eval().codes(3)) == {"z", "noise"}
    codes = painter.codes(3)
    assert codes["z"].shape == (3, 16)
    assert torch.equal(paint(painter, codes).image, paint(painter, codes).image)


@pytest.mark.parametrize(
    ("variant", "values", "alike"),
    [({}, {1, 2}, False), ({"same_mixing": True}, {0, 1}, True), ({"n_generators": 1}, {1, 2}, True)],
    ids=["separate", "same", "one generator"],
)
def test_crossovers_are_drawn_for_each_batch_and_generator(variant, values, alike):
    painter = small(**variant, mixing=1.0)
    painter.grow(1, 1.0)  # blocks at 4, 8 and 16
    drawn = [painter.codes(3) for _ in range(60)]
    for codes in drawn:
        assert codes["cross_b"].dtype == codes["cross_f"].dtype == torch.int64
        assert (codes["cross_b"] == codes["cross_b"][0]).all()  # one for the batch
    pairs = [(int(codes["cross_b"][0]), int(codes["cross_f"][0])) for codes in drawn]
    assert {b for b, _ in pairs} == {f for _, f in pairs} == values
    assert all(b == f for b, f in pairs) is alike


def test_latents_mix_in_the_given_share_of_batches():
    painter = small(8, mixing=0.75)  # blocks at 4 and 8: mixing means from the second on
    drawn = [int(painter.codes(1)["cross_b"]) for _ in range(400)]
    assert set(drawn) == {1, 2}
    assert drawn.count(1) / 400 == pytest.approx(0.75, abs=0.1)


@variants
def test_the_second_latent_styles_the_blocks_from_the_crossover_on(variant):
    painter = small(**variant).eval()
    z, z2 = torch.randn(2, 3, 16)

    def mixed(b, f):
        return paint(painter, {"z": z, "z2": z2, "cross_b": torch.tensor(b), "cross_f": torch.tensor(f)})

    one, two = paint(painter, {"z": z}), paint(painter, {"z": z2})
    per_sample = mixed([4, 0, 1], [4, 0, 1])
    assert_close(per_sample.image[0], one.image[0])  # four blocks: none of them
    assert_close(per_sample.image[1], two.image[1])  # all of them
    assert not torch.allclose(per_sample.image[2], one.image[2])
    assert not torch.allclose(per_sample.image[2], two.image[2])
    if painter.config.n_generators == 2:
        assert_close(mixed([4] * 3, [1] * 3).background, one.background)
        assert_close(mixed([1] * 3, [4] * 3).alphas, one.alphas)


# Learning.


@variants
def test_gradients_reach_all_but_the_heads_of_smaller_sides(variant):
    painter = small(**variant, mixing=1.0)
    layers = painter(painter.codes(4))
    (layers.image * torch.randn_like(layers.image)).sum().backward()
    spare = {f"generators.{g}.heads.{k}.{p}" for g in (0, 1) for k in (0, 1, 2) for p in ("weight", "bias")}
    for name, parameter in painter.named_parameters():
        assert (parameter.grad is None) is (name in spare), name
        assert name in spare or parameter.grad.any(), name


def test_the_gradient_penalty_reaches_the_critics_weights_and_can_be_lowered():
    critic, x = StyleCritic(32, 16), images()

    def penalty():
        given = x.clone().requires_grad_()
        (slope,) = torch.autograd.grad(critic(given).sum(), given, create_graph=True)
        return (slope.square().sum(dim=(1, 2, 3)).sqrt() - 1).square().mean()

    before = penalty()
    before.backward()
    spare = {f"readers.{k}.weight" for k in (0, 1, 2)}
    grads = {name: p.grad for name, p in critic.named_parameters() if name.endswith("weight") and name not in spare}
    assert all(grad is not None and grad.any() for grad in grads.values())
    torch.optim.SGD(critic.parameters(), lr=1e-3).step()
    assert penalty() < before


def test_the_deviation_of_a_batch_is_one_number_and_vanishes_for_copies():
    h = torch.randn(4, 6, 4, 4)
    assert_close(minibatch_deviation(h), h.std(dim=0, unbiased=False).mean(), atol=1e-6, rtol=0)
    assert minibatch_deviation(h[:1].expand(4, -1, -1, -1)).item() == pytest.approx(1e-4)


def test_a_critic_sees_the_company_of_an_image():
    critic, x = StyleCritic(32, 16), images()
    apart = torch.cat([critic(x[k : k + 1]) for k in range(4)])
    assert (critic(x) - apart).abs().max() > 1e-4
