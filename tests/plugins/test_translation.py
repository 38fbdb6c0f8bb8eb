"""pix2pix and CycleGAN before any training: sizes, shapes, noise, what their losses are and whom they move."""

import math

import pytest
import torch
from torch import nn
from torch.testing import assert_close
from translation_worlds import batch, built, cyclegan, pix2pix, player, step_of

from lgbench import ImageSpec, LgbenchError
from lgbench.errors import BadRecipe
from lgbench.layers import Batch
from lgbench.nn import count_parameters, one_hot
from lgbench_translation.game import squared_fake, squared_real
from lgbench_translation.maps import signed

METHODS = ("pix2pix", "cyclegan")


# The networks.


@pytest.mark.parametrize("side", [128, 64, 32])
def test_each_game_has_the_networks_of_its_paper(side):
    spec, unet = ImageSpec(side, segments=7), {128: 41_833_091, 64: 29_248_131, 32: 16_663_171}
    with torch.device("meta"):  # shapes without weights: instant at full width
        paired = pix2pix(spec, ngf=64, ndf=64).game().networks
        unpaired = cyclegan(spec, ngf=64, blocks=6, ndf=64).game().networks
    assert {name: count_parameters(network) for name, network in paired.items()} == {
        "generator": unet[side],
        "critic": 2_772_801,
    }
    assert {name: count_parameters(network) for name, network in unpaired.items()} == {
        "generator": 7_850_243,
        "parser": 7_850_247,
        "critic-images": 2_764_737,
        "critic-segments": 2_768_833,
        "pools": 0,
    }


@pytest.mark.parametrize("method", METHODS)
def test_initial_weights_are_the_authors(method):
    for network in built(method).networks.values():
        convolutions = [m for m in network.modules() if isinstance(m, nn.Conv2d | nn.ConvTranspose2d)]
        weights = [m.weight.detach().flatten() for m in convolutions]
        if weights:
            assert torch.cat(weights).std() == pytest.approx(0.02, rel=0.1)
        assert all(not m.bias.any() for m in convolutions if m.bias is not None)


# What is painted.


@pytest.mark.parametrize("side", [32, 64])
@pytest.mark.parametrize("channels", [3, 1])
@pytest.mark.parametrize("build", [pix2pix, cyclegan])
def test_a_class_map_becomes_a_whole_picture(build, channels, side):
    made = build(ImageSpec(side, channels, segments=4))
    real = batch(3, side)
    step = step_of(made.game(), real)
    assert step.painted.image.shape == (3, 3, side, side)
    assert step.painted.image.abs().max() <= 1
    assert not step.painted.layered
    assert not made.painter.layered
    assert made.painter.conditional == {"segments"}
    assert torch.equal(made.painter.codes(2, real)["s"], real.segments[:2])
    if channels == 1:
        assert torch.equal(step.painted.image[:, 0], step.painted.image[:, 2])
    for phase in made.game().phases:
        assert all(value.isfinite() for value in phase.loss(step).values())


def test_class_maps_are_read_one_hot_and_ignored_pixels_belong_to_no_class():
    maps = torch.tensor([[[0, 2], [255, 1]]], dtype=torch.uint8)
    hot = one_hot(maps, 3)
    assert hot.shape == (1, 3, 2, 2)
    assert hot.sum(dim=1).tolist() == [[[1, 1], [0, 1]]]
    assert hot.argmax(dim=1)[0, [0, 0, 1], [0, 1, 1]].tolist() == [0, 2, 1]
    assert_close(signed(maps, 3), 2 * hot - 1)


def test_the_noise_of_pix2pix_is_what_dropout_keeps_in_evaluation_too():
    painter, real = pix2pix(ImageSpec(64, segments=4)).painter.eval(), batch(2, 64)

    def paint(seed):
        torch.manual_seed(seed)
        return painter(painter.codes(2, real)).image

    with torch.no_grad():
        codes = painter.codes(2, real)
        assert codes["kept"].shape == (2, 32 * 4 * 4)
        assert 0.4 < codes["kept"].float().mean() < 0.6
        assert torch.equal(painter(codes).image, painter(codes).image)
        assert torch.equal(paint(1), paint(1))
        assert not torch.equal(paint(1), paint(2))


def test_dropout_keeps_the_mean_of_what_it_falls_on():
    made = pix2pix(ImageSpec(64, segments=4))
    network, seen = made.painter.unet.eval(), []
    network.ups[2].register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0][:, -32:]))
    with torch.no_grad():
        codes = made.painter.codes(1, batch(1, 64))
        made.painter(codes)
        network(one_hot(codes["s"], 4))
    dropped, whole = seen
    kept = codes["kept"].view(1, 32, 4, 4)
    assert torch.equal(dropped, torch.where(kept, 2 * whole, 0.0))


def test_without_dropout_pix2pix_paints_one_picture_for_one_map():
    painter, real = pix2pix(ImageSpec(64, segments=4), dropout=0.0).painter.eval(), batch(2, 64)
    with torch.no_grad():
        assert torch.equal(*(painter(painter.codes(2, real)).image for _ in range(2)))


@pytest.mark.parametrize("build", [pix2pix, cyclegan])
def test_a_painter_without_class_maps_says_what_it_needs(build):
    painter = build().painter
    for given in (None, Batch(torch.zeros(2, 3, 32, 32))):
        with pytest.raises(LgbenchError, match="a batch with segments"):
            painter.codes(2, given)


@pytest.mark.parametrize("build", [pix2pix, cyclegan])
def test_images_that_cannot_be_translated_are_refused_when_networks_are_built(build):
    with pytest.raises(BadRecipe, match="how many classes"):
        build(ImageSpec(32))
    with pytest.raises(BadRecipe, match="--resolution 32"):
        build(ImageSpec(16, segments=4))


# The losses.


def constant(score: float) -> nn.Module:
    """A critic that has made up its mind."""

    class Fixed(nn.Module):
        def forward(self, x):
            return x.new_full((len(x), 1, 2, 2), score)

    return Fixed()


def test_pix2pix_loses_half_the_entropy_of_its_critics_doubt_and_a_hundred_times_the_difference():
    made = pix2pix()
    made.critic = constant(0.0)
    step = step_of(made.game())
    assert made.critic_loss(step)["critic"].item() == pytest.approx(math.log(2))
    losses = made.generator_loss(step)
    assert losses["generator"].item() == pytest.approx(math.log(2))
    assert_close(losses["l1"], 100 * (step.painted.image - step.images).abs().mean())
    made.critic = constant(3.0)  # takes both for real: 3 more for the fakes than for the real ones
    assert made.critic_loss(step)["critic"].item() == pytest.approx(math.log1p(math.exp(-3)) + 1.5)


def test_least_squares_are_nothing_at_their_targets():
    assert squared_real(torch.ones(4)) == squared_fake(torch.zeros(4)) == 0
    assert squared_real(torch.zeros(4)) == squared_fake(torch.ones(4)) == 1


def test_cyclegan_loses_by_squares_and_ten_times_both_cycles():
    made = cyclegan()
    made.critic_images, made.critic_maps = constant(0.5), constant(3.0)
    step = step_of(made.game())
    critics, translators = made.critic_loss(step), made.generator_loss(step)
    assert critics["critic/images"].item() == pytest.approx(0.25)
    assert critics["critic/segments"].item() == pytest.approx(0.5 * (4 + 9))
    assert translators["generator/images"].item() == pytest.approx(0.25)
    assert translators["generator/segments"].item() == pytest.approx(4)
    x, s = step.images, signed(step.layers.codes["s"], 4)
    there_and_back = made.painter.translate(made.parse(x)) - x, made.parse(made.painter.translate(s)) - s
    assert_close(translators["cycle/images"], 10 * there_and_back[0].abs().mean())
    assert_close(translators["cycle/segments"], 10 * there_and_back[1].abs().mean())


def test_each_cycle_reaches_both_translators():
    made = cyclegan()
    step = step_of(made.game())
    for name in ("cycle/images", "cycle/segments"):
        made.painter.zero_grad()
        made.parser.zero_grad()
        made.generator_loss(step)[name].backward(retain_graph=True)
        for network in (made.painter, made.parser):
            # a bias before an instance norm moves nothing
            assert all(p.grad is not None and p.grad.any() for n, p in network.named_parameters() if "weight" in n)


def test_a_critic_of_pairs_looks_at_both():
    made, real = pix2pix(), batch(4)
    made.critic.eval()
    assert real.segments is not None
    score = made.judge(real.segments, real.images)
    assert not torch.equal(made.judge(real.segments.roll(1, 0), real.images), score)
    assert not torch.equal(made.judge(real.segments, real.images.roll(1, 0)), score)


@pytest.mark.parametrize("method", METHODS)
def test_a_move_of_the_critics_leaves_the_translators_as_they_are_and_the_other_way_round(method):
    one = player(built(method))
    step = one._paint(0, batch())
    critics = {name for name in one.networks if name.startswith("critic")}
    translators = {"generator", "parser"} & one.networks.keys()
    for phase, moving, still in ((0, critics, translators), (1, translators, critics)):
        before = {name: [p.clone() for p in network.parameters()] for name, network in one.networks.items()}
        one._move(one.phases[phase], [step])
        same = {
            name: all(map(torch.equal, before[name], network.parameters()))
            for name, network in one.networks.items()
            if before[name]
        }
        assert {name for name, kept in same.items() if kept} == still
        assert {name for name, kept in same.items() if not kept} == moving


@pytest.mark.parametrize("method", METHODS)
def test_one_move_of_the_critics_tells_real_from_fake_better(method):
    one = player(built(method))
    step = one._paint(0, batch())
    critic = one.phases[0]
    for group in one.optimizers["critic"].param_groups:
        group["lr"] = 2e-3

    def total():
        return sum(loss.item() for loss in one._move(critic, [step]).values())

    first = total()
    for _ in range(5):
        last = total()
    assert last < first


@pytest.mark.parametrize("method", METHODS)
def test_rates_and_their_fall_are_the_papers(method):
    for phase in built(method).phases:
        assert (phase.lr, phase.betas, phase.decay_from, phase.every) == (2e-4, (0.5, 0.999), 0.5, 1)


# Class maps of other pictures.


def test_cyclegan_is_given_class_maps_of_pictures_of_other_steps_and_pix2pix_its_own():
    made, size = cyclegan(), 32
    pictures = Batch(torch.zeros(size, 3, 32, 32))

    def real(number: int) -> Batch:
        names = torch.arange(number * size, (number + 1) * size)
        maps = torch.zeros(size, 32, 32, dtype=torch.uint8)
        maps[:, 0, 0], maps[:, 0, 1] = names % 200, names // 200
        return Batch(pictures.images, segments=maps)

    def names(given: Batch) -> list[int]:
        assert given.segments is not None
        return (given.segments[:, 0, 0].int() + 200 * given.segments[:, 0, 1].int()).tolist()

    filling = [names(made.unpair(real(number))) for number in range(8)]
    assert filling == [names(real(number)) for number in range(8)]
    came = [names(made.unpair(real(number))) for number in range(8, 40)]
    assert all(set(shown).isdisjoint(names(real(number))) for number, shown in enumerate(came, 8))
    assert len({name for shown in came for name in shown}) == 32 * size  # each once
    assert pix2pix().game().given is None


def test_the_fakes_that_critics_of_cyclegan_see_are_kept_for_later():
    one = player(built("cyclegan"), steps=3)
    for number in range(3):
        step = one._paint(number, batch())
        one._move(one.phases[0], [step])
    pools = one.networks["pools"]
    assert {name: int(pool.count) for name, pool in pools.items()} == {"images": 12, "segments": 12, "waiting": 12}
    assert torch.equal(pools["images"].kept[8:12], step.layers.image.detach())
    assert pools["segments"].kept.shape == (50, 4, 32, 32)
    assert pools["segments"].kept[:12].abs().max() <= 1
    assert torch.equal(pools["waiting"].kept[8:12], batch().segments)
