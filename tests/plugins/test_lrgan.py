from dataclasses import replace
from functools import partial

import pytest
import torch
from lrgan_worlds import METHOD, SMALL, SPEC, images, painted, small
from torch import nn
from torch.testing import assert_close

from lgbench import ImageSpec
from lgbench.layers import Batch, paint_over
from lgbench.nn import count_parameters, warp
from lgbench.runtime import Runtime
from lgbench.training import Schedule
from lgbench.training.player import Player
from lgbench_lrgan.config import DCGANConfig, LRGANConfig
from lgbench_lrgan.game import game, lrgan
from lgbench_lrgan.model import DCGAN, LRGAN
from lgbench_lrgan.networks import Critic, Pose, conv_stack, widths

pytestmark = pytest.mark.usefixtures("seeded")

CIFAR, CUB = ImageSpec(32), ImageSpec(64)
MNIST_ONE, MNIST_TWO = ImageSpec(32, channels=1), ImageSpec(64, channels=1)


def count(*builds):
    with torch.device("meta"):  # shapes without weights: instant at full width
        return sum(count_parameters(build()) for build in builds)


def force_mask(painter, alpha):
    nn.init.zeros_(painter.fg_mask[0].weight)
    nn.init.constant_(painter.fg_mask[0].bias, 1000.0 if alpha else -1000.0)


# Parameter counts (generator and critic together), in the paper's terms.

THREE = LRGANConfig(n_layers=3)
PAPER_THREE = LRGANConfig(n_layers=3, bg_floor=32, first_fg_context="none")


@pytest.mark.parametrize(
    ("spec", "config", "ndf", "head", "parameters"),
    [
        (MNIST_ONE, LRGANConfig(), 64, "conv4", 5_256_512),
        (MNIST_ONE, LRGANConfig(), 64, "avgpool", 5_252_673),
        (MNIST_TWO, THREE, 64, "conv4", 7_600_376),
        (MNIST_TWO, PAPER_THREE, 64, "avgpool", 7_559_321),
        (MNIST_TWO, replace(PAPER_THREE, context_encoder="off"), 64, "avgpool", 7_512_609),
        (CIFAR, LRGANConfig(), 64, "conv4", 5_264_706),
        (CIFAR, LRGANConfig(), 64, "avgpool", 5_260_867),
        (CUB, LRGANConfig(ngf=128), 128, "conv4", 27_355_714),
        (CUB, LRGANConfig(ngf=128), 128, "avgpool", 27_340_355),
        (ImageSpec(64), LRGANConfig(), 64, "conv4", 7_559_810),
    ],
    ids=["one", "one-avg", "two", "two-avg", "two-no-context", "cifar", "cifar-avg", "cub", "cub-avg", "lfw"],
)
def test_lrgan_has_the_papers_parameter_counts(spec, config, ndf, head, parameters):
    critic = Critic
    assert count(lambda: LRGAN(config, spec), lambda: critic(spec.resolution, spec.channels, ndf, head)) == parameters


@pytest.mark.parametrize(
    ("spec", "head", "parameters"),
    [
        (MNIST_ONE, "conv4", 4_105_728),
        (MNIST_ONE, "avgpool", 4_101_889),
        (MNIST_TWO, "conv4", 6_338_176),
        (MNIST_TWO, "avgpool", 6_330_497),
        (CIFAR, "conv4", 4_111_872),
        (CIFAR, "avgpool", 4_108_033),
        (CUB, "conv4", 6_342_272),
        (CUB, "avgpool", 6_334_593),
    ],
    ids=str,
)
def test_dcgan_has_the_counts_of_table_2(spec, head, parameters):
    built = count(partial(DCGAN, DCGANConfig(), spec), partial(Critic, spec.resolution, spec.channels, 64, head))
    assert built == parameters


def test_a_width_matched_dcgan_for_birds_has_almost_four_times_the_parameters():
    built = count(partial(DCGAN, DCGANConfig(ngf=128), CUB), partial(Critic, 64, 3, 128, "conv4"))
    assert round(built / 1e6, 1) == 23.7


def test_the_parts_of_the_cifar_model_have_their_counts():
    with torch.device("meta"):
        g, critic = LRGAN(LRGANConfig(), CIFAR), Critic(32, 3, 64, "conv4")
        context = LRGAN(THREE, MNIST_TWO).context
    assert count_parameters(g.bg_trunk) + count_parameters(g.bg_head) == 1_069_379
    assert count_parameters(g.fg_trunk) == 3_442_432
    assert count_parameters(g.fg_image) == 6_144
    assert count_parameters(g.fg_mask) == 2_049
    assert count_parameters(g.lstm) == 80_800
    assert count_parameters(g.pose) == 606
    assert count_parameters(critic) == 663_296
    assert count_parameters(context.pool) + count_parameters(context.squeeze) == 26_412
    assert count_parameters(context.join) == 20_300


def test_one_layer_without_lstm_is_the_narrow_dcgan():
    with torch.device("meta"):
        alone = LRGAN(LRGANConfig(n_layers=1, lstm=False), CIFAR)
        control = DCGAN(DCGANConfig(width="t1"), CIFAR)
    assert count_parameters(alone) == count_parameters(control) == 1_069_379
    assert [p.shape for p in alone.parameters()] == [p.shape for p in control.parameters()]
    kinds = [[type(part) for part in network.modules() if not list(part.children())] for network in (alone, control)]
    assert kinds[0] == kinds[1]
    layers, _ = painted(small(n_layers=1, lstm=False))
    assert not layers.layered


def test_every_foreground_step_has_the_same_parameters():
    configs = [LRGANConfig(n_layers=layers, context_encoder="off") for layers in (2, 3, 5)]
    assert len({count(partial(LRGAN, config, CUB)) for config in configs}) == 1


def test_two_layers_have_no_context_encoder():
    assert small().context is None
    assert small(n_layers=3).context is not None


@pytest.mark.parametrize(
    ("side", "ngf", "background", "foreground", "critic"),
    [
        (32, 64, [256, 128, 64], [512, 256, 128], [64, 128, 256]),
        (64, 64, [256, 128, 64, 64], [512, 256, 128, 64], [64, 128, 256, 512]),
        (64, 128, [512, 256, 128, 64], [1024, 512, 256, 128], [128, 256, 512, 1024]),
        (128, 128, [512, 256, 128, 64, 64], [1024, 512, 256, 128, 64], [128, 256, 512, 1024, 2048]),
    ],
)
def test_widths_halve_down_to_the_floor(side, ngf, background, foreground, critic):
    assert widths(4 * ngf, side, 64) == background
    assert widths(8 * ngf, side, 64) == foreground
    with torch.device("meta"):
        convolutions = [layer for layer in conv_stack(side, 3, ngf)[0] if isinstance(layer, nn.Conv2d)]
    assert [layer.out_channels for layer in convolutions] == critic


# What the generator paints.


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"n_layers": 3},
        {"n_layers": 1},
        {"conditional": True},
        {"transform": "none"},
        {"mask": "none"},
        {"transform": "none", "mask": "none"},
        {"lstm": False},
        {"bg_input": "h0"},
        {"clamp": "none", "rot_clamp": None},
        {"n_layers": 3, "context_encoder": "off"},
        {"n_layers": 3, "first_fg_context": "none"},
        {"init": "dcgan"},
    ],
    ids=str,
)
def test_layers_have_their_shapes_and_ranges_and_compose_the_image(changes):
    layers, _ = painted(small(**changes), n=5)
    k = changes.get("n_layers", 2) - 1
    assert layers.image.shape == layers.background.shape == (5, 3, 32, 32)
    assert layers.foregrounds.shape == (5, k, 3, 32, 32)
    assert layers.alphas.shape == (5, k, 1, 32, 32)
    for part in (layers.image, layers.background, layers.foregrounds):
        assert part.numel() == 0 or part.abs().max() <= 1
    if k:
        assert layers.poses.shape == (5, k, 2, 3)
        assert 0 <= layers.alphas.min() <= layers.alphas.max() <= 1
    assert_close(layers.image, paint_over(layers.background, layers.foregrounds, layers.alphas), atol=1e-6, rtol=0)


def test_latents_are_standard_normal_one_per_layer():
    z = small(n_layers=3).codes(500)["z"]
    assert z.shape == (500, 3, 100)
    assert abs(z.mean().item()) < 0.02
    assert z.std().item() == pytest.approx(1, abs=0.02)


def test_a_full_mask_shows_the_foreground_and_an_empty_one_the_canvas():
    painter = small(transform="none")
    force_mask(painter, 1)
    layers, codes = painted(painter)
    assert torch.equal(layers.image, layers.foregrounds[:, 0])
    force_mask(painter, 0)
    assert torch.equal(painter(codes).image, layers.background)
    assert (layers.image - layers.background).abs().max() > 1e-3  # the two differ


@pytest.mark.parametrize(("scale", "covered"), [(1.2, 0.691), (2.0, 0.250)])
def test_at_first_every_foreground_is_shrunk_by_the_least_scale(scale, covered):
    painter = small(min_scale=scale)
    force_mask(painter, 1)
    layers, _ = painted(painter)
    assert layers.alphas.mean().item() == pytest.approx(covered, abs=5e-4)
    assert_close(layers.poses, (scale * torch.eye(2, 3)).expand(4, 1, 2, 3))


def test_appearance_and_mask_are_warped_by_the_same_pose():
    """Zeros come in from outside for each of them, so that their product fades twice at the border."""
    painter = small()
    layers, codes = painted(painter)
    unmoved = small(transform="none").eval()
    unmoved.load_state_dict({k: v for k, v in painter.state_dict().items() if not k.startswith("pose")})
    with torch.no_grad():
        still = unmoved(codes)
    assert_close(layers.foregrounds[:, 0], warp(still.foregrounds[:, 0], layers.poses[:, 0]))
    assert_close(layers.alphas[:, 0], warp(still.alphas[:, 0], layers.poses[:, 0]))
    assert layers.alphas[..., 0, :].count_nonzero() == 0  # shrunk, so nothing at the edge


def test_a_foreground_moved_off_the_canvas_leaves_it_untouched():
    painter = small(clamp="none")
    force_mask(painter, 1)
    with torch.no_grad():
        painter.pose.linear.bias[2] = 2.3
    layers, _ = painted(painter)
    assert layers.alphas.count_nonzero() == 0
    assert torch.equal(layers.image, layers.background)


def test_the_last_latent_changes_only_the_last_layer():
    painter = small(n_layers=3)
    one, codes = painted(painter)
    z = codes["z"].clone()
    z[:, 2] = torch.randn(4, 100)
    with torch.no_grad():
        two = painter({"z": z})
    assert torch.equal(one.background, two.background)
    assert torch.equal(one.foregrounds[:, 0], two.foregrounds[:, 0])
    assert torch.equal(one.alphas[:, 0], two.alphas[:, 0])
    assert not torch.equal(one.foregrounds[:, 1], two.foregrounds[:, 1])
    first = [paint_over(layers.background, layers.foregrounds[:, :1], layers.alphas[:, :1]) for layers in (one, two)]
    assert torch.equal(*first)


def foreground_feels(painter, layer, on=-1):
    """Whether the foreground `on` changes with the latent of `layer`."""
    one, codes = painted(painter)
    z = codes["z"].clone()
    z[:, layer] = torch.randn(4, 100)
    with torch.no_grad():
        two = painter({"z": z})
    return not torch.equal(one.foregrounds[:, on], two.foregrounds[:, on])


def test_only_through_the_lstm_does_the_foreground_know_its_background():
    assert foreground_feels(small(), 0)
    assert not foreground_feels(small(lstm=False), 0)


def test_the_context_encoder_shows_a_foreground_what_lies_below():
    assert foreground_feels(small(n_layers=3, lstm=False), 1)
    assert not foreground_feels(small(n_layers=3, lstm=False, context_encoder="off"), 1)
    assert foreground_feels(small(n_layers=3, lstm=False), 0, on=0)
    only_later = small(n_layers=3, lstm=False, first_fg_context="none")
    assert not foreground_feels(only_later, 0, on=0)
    assert foreground_feels(only_later, 1, on=1)


def test_the_background_is_painted_from_its_latent_or_from_the_first_state():
    for source, of in (("z0", lambda painter, z: z), ("h0", lambda painter, z: painter.lstm(z)[0])):
        painter = small(bg_input=source)
        layers, codes = painted(painter)
        with torch.no_grad():
            code = of(painter, codes["z"][:, 0])
            expected = painter.bg_head(painter.bg_trunk(code[:, :, None, None]))
        assert torch.equal(layers.background, expected)


def test_without_transform_there_is_no_pose_network():
    painter = small(transform="none")
    layers, _ = painted(painter)
    assert not any("pose" in name for name, _ in painter.named_modules())
    assert torch.equal(layers.poses, torch.eye(2, 3).expand(4, 1, 2, 3))


def test_without_mask_the_warped_rectangle_is_opaque():
    painter = small(mask="none")
    layers, _ = painted(painter)
    assert not any("fg_mask" in name for name, _ in painter.named_modules())
    assert_close(layers.alphas[:, 0], warp(torch.ones(4, 1, 32, 32), layers.poses[:, 0]))
    flat, _ = painted(small(mask="none", transform="none"))
    assert torch.equal(flat.image, flat.foregrounds[:, 0])


def test_a_grey_world_is_painted_with_three_equal_channels_and_read_from_one():
    layers, _ = painted(lrgan(SMALL, ImageSpec(32, channels=1)))
    for part in (layers.image, layers.background, layers.foregrounds[:, 0]):
        assert torch.equal(part[:, :1].expand_as(part), part)
    critic, x = Critic(32, 1, 4, "conv4").eval(), images()
    assert torch.equal(critic(x), critic(x[:, :1]))


# Poses.


def wild_poses(**changes):
    config = replace(LRGANConfig(), **changes)
    pose = Pose(100, config.min_scale, config.max_scale_ratio, config.rot_clamp, config.clamp == "hard")
    nn.init.normal_(pose.linear.weight, 0, 5)
    a = pose(torch.randn(500, 100)).detach()
    return a[:, [0, 1], [0, 1]], a[:, [0, 1], [1, 0]], a[:, :, 2]


@pytest.mark.parametrize(("scale", "ratio"), [(1.2, 2.0), (2.0, 2.0), (1.3, 1.5)])
@pytest.mark.parametrize("rot", [0.1, 0.3])
def test_a_pose_is_clamped_to_its_bounds(scale, ratio, rot):
    diagonal, off_diagonal, shift = wild_poses(min_scale=scale, max_scale_ratio=ratio, rot_clamp=rot)
    for found, low, high in ((diagonal, scale, scale * ratio), (off_diagonal, -rot, rot), (shift, -1, 1)):
        assert found.min().item() == pytest.approx(low)
        assert found.max().item() == pytest.approx(high)


def test_a_rotation_bound_of_none_is_no_bound():
    diagonal, off_diagonal, shift = wild_poses(rot_clamp=None)
    assert off_diagonal.abs().max() > 10
    assert diagonal.max() <= 2.4001
    assert shift.abs().max() <= 1


def test_an_unclamped_pose_runs_free():
    assert all(part.abs().max() > 10 for part in wild_poses(clamp="none"))


@pytest.mark.parametrize("init", ["dcgan", "torch_default"])
@pytest.mark.parametrize("conditional", [False, True])
def test_every_pose_starts_at_the_least_scale_whatever_the_input(init, conditional):
    layers, _ = painted(small(init=init, conditional=conditional), n=6)
    assert torch.equal(layers.poses, (1.2 * torch.eye(2, 3)).expand(6, 1, 2, 3))


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_the_critics_gradients_reach_the_pose_from_its_bound(precision):
    painter = small()
    made = game(METHOD, painter, SPEC)
    Player(made, Schedule(1, 4), Runtime(torch.device("cpu"), precision=precision)).play(0, Batch(images()), False)
    assert painter.pose.linear.bias.grad.count_nonzero() == 6
    assert painter.pose.linear.weight.grad.count_nonzero() > 0


# Initial weights.


def test_initial_weights_are_dcgans_or_the_frameworks():
    config = LRGANConfig(ngf=32, floor=32, bg_floor=32)
    made = LRGAN(config, SPEC)
    for part in made.modules():
        if isinstance(part, nn.ConvTranspose2d):
            assert part.weight.std().item() == pytest.approx(0.02, rel=0.1)
        if isinstance(part, nn.BatchNorm2d):
            assert part.weight.mean().item() == pytest.approx(1, abs=0.02)
            assert 0 < part.weight.std() < 0.04
    default = LRGAN(replace(config, init="torch_default"), SPEC)
    assert all((part.weight == 1).all() for part in default.modules() if isinstance(part, nn.BatchNorm2d))


def painters(init):
    control = DCGAN(DCGANConfig(ngf=4, floor=8, init=init), SPEC)
    return [small(init=init), small(init=init, conditional=True), control]


@pytest.mark.parametrize("which", range(3), ids=["LR-GAN", "conditional", "DCGAN"])
def test_a_critics_initial_weights_are_as_its_generators(which):
    for init, deviation in (
        ("dcgan", 0.02),
        ("torch_default", (3 * 48) ** -0.5),
    ):  # the framework's: U(-b, b), b^2 = 1/48
        critic = game(METHOD, painters(init)[which], SPEC).networks["critic"]
        norms = [part for part in critic.modules() if isinstance(part, nn.BatchNorm2d)]
        assert all((part.weight == 1).all() for part in norms) is (init == "torch_default")
        first = next(part for part in critic.modules() if isinstance(part, nn.Conv2d))
        assert first.weight.std().item() == pytest.approx(deviation, rel=0.2)
