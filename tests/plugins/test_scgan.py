"""SCGAN's networks and its rivals': counts of the specification, shapes, and where each condition enters."""

from dataclasses import replace
from functools import partial

import pytest
import torch
from scgan_worlds import PLAIN, SEGMENTS, SPEC, batch, rival, small
from torch import nn
from torch.nn import functional as F
from torch.testing import assert_close

from lgbench import ImageSpec, LgbenchError
from lgbench.losses import gradient_penalty, slope_penalty
from lgbench.nn import Conv, InstanceNorm, count_parameters, one_hot
from lgbench_scgan.config import SCGANConfig, WGANConfig
from lgbench_scgan.game import ac_generator
from lgbench_scgan.model import SCGAN, WGAN
from lgbench_scgan.networks import Critic, ResBlockUp, tile
from lgbench_scgan.orders import ORDERS

pytestmark = pytest.mark.usefixtures("seeded")

SIDES = (128, 64, 32)


def counts(build):
    with torch.device("meta"):  # shapes without weights: instant at full width
        return [count_parameters(build(side)) for side in SIDES]


# Counts (section 3.6 and 10).


@pytest.mark.parametrize(
    ("order", "attributes", "expected"),
    [
        ("stepwise", 5, [12_681_667, 11_105_731, 10_711_747]),
        ("stepwise", 0, [12_675_267, 11_099_331, 10_705_347]),
        ("bottleneck", 5, [12_893_379] * 3),
        ("midlevel", 5, [7_304_899] * 3),
        ("reversed", 5, [39_476_163, 19_546_051, 13_251_011]),
    ],
)
def test_each_order_has_the_specifications_parameters(order, attributes, expected):
    config = SCGANConfig(order=order)
    assert counts(lambda side: SCGAN(config, ImageSpec(side, segments=7, attributes=attributes))) == expected


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        (5, [44_762_048, 11_175_872, 2_771_392]),
        (0, [44_721_088, 11_155_392, 2_761_152]),
        (17, [44_860_352, 11_225_024, 2_795_968]),
        (18, [44_868_544, 11_229_120, 2_798_016]),
    ],
)
def test_the_critic_has_the_specifications_parameters(attributes, expected):
    assert counts(lambda side: Critic(side, 64, attributes)) == expected


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [(5, [32_155_139, 12_225_027, 5_929_987]), (0, [32_148_739, 12_218_627, 5_923_587])],
)
def test_the_rivals_have_the_specifications_parameters(attributes, expected):
    assert counts(lambda side: WGAN(WGANConfig(), ImageSpec(side), attributes)) == expected
    longer = counts(lambda side: WGAN(WGANConfig(nz=512), ImageSpec(side), attributes))
    assert longer == [count + 6_291_456 for count in expected]


def test_defaults_are_the_papers():
    assert SCGANConfig() == SCGANConfig(order="stepwise", g=64, nz=512)
    assert WGANConfig() == WGANConfig(g=64, nz=128)


# Shapes.


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("attributes", [5, 0])
def test_every_order_paints_whole_images_of_every_side(order, side, attributes):
    spec = ImageSpec(side, segments=SEGMENTS, attributes=attributes)
    painter = SCGAN(SCGANConfig(order=order, g=2, nz=6), spec)
    layers = painter(painter.codes(2, batch(2, spec)))
    assert layers.image.shape == (2, 3, side, side)
    assert layers.image.dtype == torch.float32
    assert layers.image.abs().max() <= 1
    assert not layers.layered
    assert not painter.layered


@pytest.mark.parametrize("side", [128, 64, 32, 16])
@pytest.mark.parametrize("attributes", [5, 0])
def test_the_rivals_paint_whole_images_of_every_side(side, attributes):
    spec = ImageSpec(side, attributes=attributes)
    painter = WGAN(WGANConfig(g=2, nz=6), spec, attributes)
    layers = painter(painter.codes(2, batch(2, spec)))
    assert layers.image.shape == (2, 3, side, side)
    assert layers.image.abs().max() <= 1
    assert not layers.layered


@pytest.mark.parametrize("build", [lambda spec: small(spec=spec), lambda spec: rival(spec=spec)], ids=["scgan", "wgan"])
def test_grey_worlds_are_painted_grey(build):
    painter = build(replace(SPEC, channels=1))
    image = painter(painter.codes(4, batch())).image
    assert image.shape == (4, 3, 32, 32)
    assert torch.equal(image[:, :1].expand(-1, 3, -1, -1), image)


@pytest.mark.parametrize("side", [128, 64, 32, 16])
def test_the_critic_scores_two_by_two_patches_and_classifies_each_image(side):
    images = torch.rand(3, 3, side, side)
    scores, logits = Critic(side, 2, 5)(images)
    assert (scores.shape, logits.shape) == ((3, 1, 2, 2), (3, 5))
    assert Critic(side, 2)(images)[1] is None


@pytest.mark.parametrize("side", [64, 16])
@pytest.mark.parametrize("bend", [0.2, 0.0])
@pytest.mark.parametrize("layout", [torch.channels_last, torch.contiguous_format], ids=["channels last", "plain"])
def test_the_slope_of_the_summed_scores_and_its_gradients_are_autograds(side, bend, layout):
    critic = Critic(side, 4, 5, bend).to(memory_format=layout)
    real, painted = torch.randn(2, 3, 3, side, side).unbind()

    def penalized(penalty):
        torch.manual_seed(1)  # the same mixes
        value = penalty(real, painted)
        learning = {n: p for n, p in critic.named_parameters() if n.endswith("weight") and "classifier" not in n}
        return value, dict(zip(learning, torch.autograd.grad(value, list(learning.values())), strict=True))

    total = partial(gradient_penalty, lambda x: critic(x)[0].sum(dim=(1, 2, 3)))
    expected, found = penalized(total), penalized(partial(slope_penalty, critic.slope))
    assert_close(found[0], expected[0])
    for name, gradient in expected[1].items():
        assert (found[1][name] - gradient).norm() <= 1e-5 * gradient.norm(), name


def test_the_critic_has_no_norm_and_its_heads_no_bias():
    critic = Critic(64, 2, 5, slope=0.01)
    assert {type(part) for part in critic.trunk} == {Conv, nn.LeakyReLU}
    assert {part.negative_slope for part in critic.trunk if isinstance(part, nn.LeakyReLU)} == {0.01}
    assert critic.head.bias is None
    assert critic.classifier.bias is None


@pytest.mark.parametrize("norm", [InstanceNorm, nn.BatchNorm2d])
def test_a_block_computes_the_papers_figure(norm):
    block, h = ResBlockUp(3, 4, norm), torch.randn(2, 3, 5, 5)
    up = lambda x: F.interpolate(x, scale_factor=2.0, mode="nearest")  # noqa: E731
    main = up(F.relu(block.first_norm(block.first(h))))
    expected = F.relu(block.second_norm(block.second(main)) + block.shortcut(up(h)))
    assert_close(block(h), expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("build", [small, rival])
def test_convolutions_and_linear_maps_start_xavier_uniform(build):
    for part in build().modules():
        if isinstance(part, nn.Conv2d | nn.Linear):
            fan_in, fan_out = nn.init._calculate_fan_in_and_fan_out(part.weight)
            bound = (6 / (fan_in + fan_out)) ** 0.5
            assert part.weight.abs().max() <= bound
            assert part.weight.std().item() == pytest.approx(bound / 3**0.5, rel=0.2)


# Conditions.


def trace(painter, codes):
    """What each module without children returned, in order."""
    seen, hooks = [], []
    for name, part in painter.named_modules():
        if not list(part.children()):
            hooks.append(part.register_forward_hook(lambda _, __, out, name=name: seen.append((name, out.clone()))))
    painter.eval()(codes)
    for hook in hooks:
        hook.remove()
    return seen


def unchanged(painter, codes, **changes):
    """Names of the modules whose activations do not change with those codes, and of those whose do."""
    before, after = trace(painter, codes), trace(painter, {**codes, **changes})
    same = {name for (name, x), (_, y) in zip(before, after, strict=True) if torch.equal(x, y)}
    return same, {name for name, _ in before} - same


def parts(names):
    return {name.split(".")[1] for name in names}


def changed(codes):
    """Another latent, other attributes, other class maps."""
    return {"z": torch.randn_like(codes["z"]), "c": 1 - codes["c"], "s": (codes["s"] + 1) % SEGMENTS}


@pytest.mark.parametrize(
    ("order", "code", "blind"),
    [
        ("stepwise", "z", {"encode"}),
        ("stepwise", "c", {"encode", "latent", "latent_norm", "early"}),
        ("stepwise", "s", {"latent", "latent_norm"}),
        ("midlevel", "z", {"encode"}),
        ("midlevel", "c", {"encode", "join_z", "early"}),
        ("bottleneck", "z", {"encode"}),
        ("bottleneck", "c", {"encode"}),
        ("reversed", "z", {"encode"}),
        ("reversed", "c", {"latent", "early", "encode"}),
        ("reversed", "s", {"latent", "early"}),  # the opposite of stepwise, whose early blocks see s
    ],
)
def test_a_code_changes_nothing_before_the_side_where_it_enters(order, code, blind):
    painter = small(order)
    codes = painter.codes(4, batch())
    same, others = unchanged(painter, codes, **{code: changed(codes)[code]})
    assert parts(same) == blind
    assert not parts(others) & blind


@pytest.mark.parametrize("order", ["stepwise", "reversed"])
@pytest.mark.parametrize("side", [32, 64, 128])
def test_attributes_enter_at_a_quarter_of_the_side(order, side):
    spec, seen = ImageSpec(side, segments=7, attributes=5), []
    painter = SCGAN(SCGANConfig(order=order, g=2, nz=6), spec)
    painter.order.early.register_forward_hook(lambda *hooked: seen.append(hooked[2].shape[-1]))
    painter(painter.codes(2, batch(2, spec)))
    assert seen == [side // 4]


def test_acwgans_attributes_change_nothing_before_a_quarter_of_the_side():
    painter = rival()
    codes = painter.codes(4, batch())
    same, others = unchanged(painter, codes, c=1 - codes["c"])
    assert {name.split(".")[0] for name in same} == {"latent", "early"}
    assert {name.split(".")[0] for name in others} == {"late", "head"}


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("code", ["z", "c", "s"])
def test_every_code_shows_in_the_image(order, code):
    painter = small(order)
    codes = painter.codes(4, batch())
    before, after = (painter(c).image for c in (codes, {**codes, code: changed(codes)[code]}))
    assert (before - after).abs().amax(dim=(1, 2, 3)).min() > 1e-4


def test_codes_are_the_batchs_conditions_as_they_are_beside_a_fresh_latent():
    painter, given = small(), batch()
    first, second = painter.codes(4, given), painter.codes(4, given)
    assert first["s"] is given.segments
    assert first["c"] is given.attributes
    assert first["z"].shape == (4, 6)
    assert not torch.equal(first["z"], second["z"])
    assert painter(first).codes.keys() == {"z", "s", "c"}


def test_what_painters_are_conditional_on_follows_the_data():
    assert small().conditional == {"segments", "attributes"}
    assert small(spec=PLAIN).conditional == {"segments"}
    assert "c" not in small(spec=PLAIN).codes(4, batch(spec=PLAIN))
    assert ac_generator(WGANConfig(g=2), SPEC).conditional == {"attributes"}
    assert rival(0).conditional == frozenset()
    assert rival(0).codes(4).keys() == {"z"}


def test_an_ignored_pixel_is_painted_from_zeros():
    painter = small()
    codes = painter.codes(4, batch())
    codes["s"] = torch.full_like(codes["s"], 255)
    assert one_hot(codes["s"], SEGMENTS).abs().sum() == 0
    assert painter(codes).image.isfinite().all()


def test_a_tiled_code_is_the_same_at_each_place():
    assert_close(tile(torch.tensor([[1.0, 2]]), 3), torch.tensor([1.0, 2])[None, :, None, None].expand(1, 2, 3, 3))


# What a user can cause.


@pytest.mark.parametrize(
    ("build", "advice"),
    [
        (lambda: small(spec=replace(SPEC, segments=0)), "data list"),
        (lambda: small(spec=replace(SPEC, resolution=16)), "--resolution 32"),
        (lambda: ac_generator(WGANConfig(), PLAIN), "wgan-gp"),
        (lambda: small().codes(4), "class maps"),
        (lambda: small().codes(4, replace(batch(), segments=None)), "class maps"),
        (lambda: small().codes(4, replace(batch(), attributes=None)), "attributes"),
        (lambda: rival().codes(4), "attributes"),
    ],
)
def test_what_cannot_be_painted_says_what_to_do(build, advice):
    with pytest.raises(LgbenchError, match=advice):
        build()
