from dataclasses import replace

import pytest
import torch
from milgan_worlds import carry_out, check_layers, composed, images, painted, phase_of, recipe_of, step_of, term_of
from torch import nn

from lgbench import ImageSpec
from lgbench.errors import BadRecipe
from lgbench.layers import Layers
from lgbench.nn import Critic, SNCritic, count_parameters
from lgbench_perturbgan.config import LightConfig, PerturbGANMethod
from lgbench_perturbgan.game import perturbgan
from lgbench_perturbgan.light import DCGANCritic, DCGANFeatures, LightPainter, SimpleFeatures
from lgbench_regularizers.moves import move

pytestmark = pytest.mark.usefixtures("seeded")

NAMES = ("background", "foregrounds", "alphas")
VARIANTS = {
    "two generators": {},
    "one generator": {"n_generators": 1},
    "three generators": {"n_generators": 3},
    "ComGAN's heads": {"n_generators": 3, "heads": "comgan"},
    "DCGAN": {"backbone": "dcgan"},
    "DCGAN, one": {"backbone": "dcgan", "n_generators": 1},
    "DCGAN, three": {"backbone": "dcgan", "n_generators": 3},
}


def tiny(side=16, channels=3, **settings):
    return LightPainter(LightConfig(**{"g": 8, **settings}), ImageSpec(side, channels))


# Parameter counts.


@pytest.mark.parametrize(
    ("settings", "at_64", "at_128"),
    [
        ({"n_generators": 2}, 9_577_072, 9_632_624),
        ({"n_generators": 3}, 14_365_104, 14_448_432),
        ({"n_generators": 3, "heads": "comgan"}, 14_588_016, 14_671_344),
        ({"backbone": "dcgan"}, 3_576_707 + 3_577_732, 12_786_563 + 12_787_588),
    ],
    ids=["two", "three", "pi2_comgan", "dcgan"],
)
def test_generators_have_the_parameters_of_their_tables(settings, at_64, at_128):
    with torch.device("meta"):
        for side, parameters in ((64, at_64), (128, at_128)):
            assert count_parameters(LightPainter(LightConfig(**settings), ImageSpec(side))) == parameters


def test_feature_generators_have_the_parameters_of_their_tables():
    with torch.device("meta"):
        assert count_parameters(SimpleFeatures(100, 64, 64)) == 4_788_032
        assert count_parameters(SimpleFeatures(100, 64, 128)) == 4_815_808
        assert [count_parameters(DCGANFeatures(100, 64, 32, k)) for k in (3, 4)] == [3_448_579, 3_450_628]
        painter = LightPainter(LightConfig(), ImageSpec(64))
    assert [count_parameters(head) for head in (painter.b, painter.f, painter.m)] == [432, 432, 144]


@pytest.mark.parametrize(("d", "at_64", "at_128"), [(64, 5_125_889, 9_321_217), (32, 1_284_993, 2_334_081)])
def test_critics_with_batch_norm_have_the_parameters_of_their_tables(d, at_64, at_128):
    with torch.device("meta"):
        for side, parameters in ((64, at_64), (128, at_128)):
            made = perturbgan(PerturbGANMethod(gan_loss="nonsat", d=d), tiny(), ImageSpec(side))
            assert count_parameters(made.networks["critic"]) == parameters


@pytest.mark.parametrize(("side", "parameters"), [(32, 663_297), (64, 2_765_569), (128, 6_960_897)])
def test_dcgans_critic_has_the_parameters_of_its_table(side, parameters):
    with torch.device("meta"):
        assert count_parameters(DCGANCritic(side)) == parameters


# What is painted from what.


@pytest.mark.parametrize("settings", VARIANTS.values(), ids=VARIANTS)
@pytest.mark.parametrize(("side", "channels"), [(16, 3), (32, 1)])
def test_layers_have_their_shapes_and_ranges_and_compose_the_image(side, channels, settings):
    layers = check_layers(tiny(side, channels, **settings), side)
    for layer in (layers.background, layers.foregrounds[:, 0]):
        assert (layer[:, 0] == layer[:, 1]).all() == (channels == 1)


def changed(painter, part):
    """Which of background, foreground and mask change with the weights of a part."""
    codes = painter.codes(3)
    before = painted(painter, codes)
    with torch.no_grad():
        for p in part.parameters():
            p.add_(0.3 * torch.randn_like(p))
    after = painted(painter, codes)
    return [not torch.equal(getattr(before, name), getattr(after, name)) for name in NAMES]


@pytest.mark.parametrize("backbone", ["simplegan", "dcgan"])
@pytest.mark.parametrize(
    ("n", "parts"),
    [
        (1, {"all": [True, True, True]}),
        (2, {"b": [True, False, False], "fm": [False, True, True]}),
        (3, {"b": [True, False, False], "f": [False, True, False], "m": [False, False, True]}),
    ],
)
def test_each_generator_paints_its_own_layers(backbone, n, parts):
    painter = tiny(backbone=backbone, n_generators=n)
    assert {name: changed(painter, net) for name, net in painter.features.items()} == parts


def test_one_latent_paints_all_layers_and_is_four_times_as_wide_in_comgans_rebuild():
    painter = tiny()
    codes = painter.codes(2000)
    assert set(codes) == {"z"}
    assert codes["z"].shape == (2000, 100)
    assert codes["z"].std().item() == pytest.approx(1, rel=0.02)
    before, after = (painted(painter, {"z": z}) for z in (codes["z"][:3], codes["z"][3:6]))
    assert not any(torch.equal(getattr(before, name), getattr(after, name)) for name in NAMES)
    game, _ = composed("perturbgan", preset="pi2_comgan")
    assert game.painter.codes(2000)["z"].std().item() == pytest.approx(4, rel=0.02)


# The perturbation, as the method composes it.


def perturb(settings=None):
    _, terms = composed("perturbgan", settings, preset="paper")
    return term_of(terms, "perturbation").compose


def spot(n, side=16):
    """One opaque pixel in the middle of each mask."""
    alphas = torch.zeros(n, 1, 1, side, side)
    alphas[..., side // 2, side // 2] = 1
    return Layers.compose(torch.zeros(n, 3, side, side), torch.ones(n, 1, 3, side, side), alphas)


def test_offsets_are_whole_pixels_spread_evenly_up_to_an_eighth_of_the_side():
    n, side = 4000, 16
    moved = perturb()(spot(n)).alphas[:, 0, 0]
    assert torch.equal(moved.flatten(1).sum(dim=1), torch.ones(n))
    where = moved.flatten(1).argmax(dim=1)
    expected = n * torch.tensor([1, 2, 2, 2, 1]) / 8  # rounding gives the ends half the share
    for offset in (where // side - 8, where % side - 8):
        counts = (offset + 2).bincount(minlength=5)
        assert len(counts) == 5
        assert ((counts - expected).square() / expected).sum() < 23.5  # chi-square, 4 degrees of freedom, p = 1e-4
    dy, dx = (where // side - 8).double(), (where % side - 8).double()
    assert torch.corrcoef(torch.stack([dx, dy]))[0, 1].abs() < 0.07


def test_foreground_and_mask_move_together_and_the_background_stays():
    layers = painted(tiny(), tiny().codes(8))
    layers = layers.recompose(torch.full_like(layers.foregrounds, 0.5), layers.alphas)
    moved = perturb({"regularizers.perturbation.contrast": 0.0})(layers)
    assert torch.equal(moved.background, layers.background)
    inside = (moved.alphas > 0)[:, 0].expand(-1, 3, -1, -1)
    assert 0 < (~inside).float().mean() < 0.3  # what moved in is empty
    assert (moved.foregrounds[:, 0][inside] == 0.5).all()
    assert torch.equal(moved.image[~inside], layers.background[~inside])


def test_a_foreground_that_moves_without_its_mask_is_another_picture():
    layers = painted(tiny(), tiny().codes(8))
    moved = perturb({"regularizers.perturbation.contrast": 0.0})(layers)
    alone = layers.recompose(moved.foregrounds, layers.alphas).image
    moves = (moved.alphas != layers.alphas).flatten(1).any(dim=1)
    assert moves.sum() > 3
    for other in (layers.image, moved.image):
        assert torch.equal((alone != other).flatten(1).any(dim=1), moves)


def test_offsets_are_drawn_without_a_look_at_the_latents():
    compose, plain = perturb(), spot(64)
    one, two = (replace(plain, codes={"z": torch.randn(64, 100)}) for _ in range(2))
    moved = []
    for layers, seed in ((one, 1), (two, 1), (one, 2)):
        torch.manual_seed(seed)
        moved.append(compose(layers).alphas)
    assert torch.equal(moved[0], moved[1])  # other latents, the same dice
    assert not torch.equal(moved[0], moved[2])


@pytest.mark.parametrize("name", VARIANTS)
def test_a_painter_in_eval_mode_draws_nothing(name):
    painter = tiny(**VARIANTS[name])
    codes, dice = painter.codes(2), torch.get_rng_state()
    one, two = painted(painter, codes), painted(painter, codes)
    assert torch.equal(torch.get_rng_state(), dice)
    assert torch.equal(one.image, two.image)


@pytest.mark.parametrize("perturbed", [False, True])
def test_only_training_perturbs_and_what_it_paints_for_a_segmenter_where_told_to(tmp_path, monkeypatch, perturbed):
    batches = []

    def noted(layers, poses):
        batches.append(len(poses))
        return move(layers, poses)

    monkeypatch.setattr("lgbench_regularizers.terms.move", noted)
    record = carry_out(
        tmp_path / "run", "perturbgan", training__steps=3, segmentation__steps=2, segmentation__perturbed=perturbed
    )
    assert record["status"] == "done"
    assert batches[: 3 + 2 * perturbed] == [4] * (3 + 2 * perturbed)
    later = batches[3 + 2 * perturbed :]  # what the taught segmenter is compared on, and none of the evaluation's
    assert 4 not in later
    assert bool(later) == perturbed


def test_contrast_varies_around_each_channels_mean_and_never_widens_its_range():
    layers = painted(tiny(), tiny().codes(64))
    b, jittered = layers.background, perturb()(layers).background
    assert not torch.equal(b, jittered)
    assert (jittered.amax(dim=(2, 3)) <= b.amax(dim=(2, 3)) + 1e-6).all()
    assert (jittered.amin(dim=(2, 3)) >= b.amin(dim=(2, 3)) - 1e-6).all()
    ratio = jittered.std(dim=(1, 2, 3)) / b.std(dim=(1, 2, 3))
    assert 0.65 < ratio.min() < 0.85
    assert 1 <= ratio.max() < 1.3


@pytest.mark.parametrize("method", ["perturbgan", "perturbgan-full"])
def test_the_defaults_are_the_public_codes(method):
    recipe = recipe_of(method, preset="paper")
    chosen = {c.record.name: (c.weight, c.config) for c in recipe.regularizers}
    assert {name: weight for name, (weight, _) in chosen.items()} == {
        "perturbation": 1.0,
        "mask-size": 2.0,
        "binarization": 2.0,
    }
    shift, size, binary = (chosen[name][1] for name in ("perturbation", "mask-size", "binarization"))
    assert (shift.form, shift.translate, shift.contrast, shift.noise) == ("shift", 0.125, 0.3, 0.0)
    assert (size.eta, size.on) == (0.25, "perturbed")
    assert (binary.form, binary.on) == ("min", "perturbed")
    assert (recipe.method_config.gan_loss, recipe.generator_config.n_generators) == ("wgan-gp", 2)
    assert (recipe.training.ema, recipe.training.batch, recipe.training.flip) == (0.999, 32, False)
    assert not recipe.segmentation.flip  # an encoder sees real images
    assert recipe.training.crop**0.5 == pytest.approx(1 / 1.125, rel=1e-3)
    assert recipe.training.crop_ratio == 1
    assert recipe.segmenter.name == "unet-s"


# The lemma of trivial solutions, and what breaks it.


def mask_gradient(settings, constant=False):
    """Gradient of the generator's whole loss at the painted mask, where foreground and background are one picture."""
    recipe = {"regularizers.binarization.weight": 0.0, **settings}
    game, terms = composed("perturbgan", recipe, preset="pi2_comgan", side=16)
    step = step_of(game, x=images(8))
    picture = torch.full_like(step.images, 0.3) if constant else step.images.clone()
    logits = torch.randn(8, 1, 1, 16, 16, requires_grad=True)
    layers = Layers.compose(picture, picture[:, None], logits.sigmoid())
    step.painted = step.layers = layers
    for _, _, term in terms:
        step.layers = term.compose(layers) if term.compose else layers
    total = sum(phase_of(game, "generator").loss(step).values())
    total += sum(weight * term.penalty(step) for _, weight, term in terms if term.penalty)
    return torch.autograd.grad(total, logits)[0]


SHIFTED = {"regularizers.perturbation.weight": 1.0, "regularizers.perturbation.contrast": 0.0}


def test_a_mask_between_identical_layers_hears_nothing_unless_the_foreground_moves():
    assert mask_gradient({}).count_nonzero() == 0
    assert mask_gradient(SHIFTED).abs().max() > 1e-6
    assert mask_gradient(SHIFTED, constant=True).count_nonzero() == 0


@pytest.mark.parametrize("weight", [0.1, 1.0])
def test_comgans_rebuild_has_an_entropy_and_nothing_else(weight):
    recipe = recipe_of("perturbgan", {"regularizers.binarization.weight": weight}, preset="pi2_comgan")
    (binary,) = recipe.regularizers
    assert (binary.record.name, binary.config.form, binary.weight) == ("binarization", "entropy", weight)
    assert recipe_of("perturbgan", preset="pi2_comgan").regularizers[0].weight == 0.1
    assert (recipe.method_config.gan_loss, recipe.method_config.d, recipe.training.batch) == ("nonsat", 32, 90)
    assert (recipe.generator_config.n_generators, recipe.generator_config.heads) == (3, "comgan")


# Critics.


@pytest.mark.parametrize(
    ("backbone", "loss", "kind", "norm"),
    [
        ("simplegan", "wgan-gp", Critic, False),
        ("simplegan", "nonsat", Critic, True),
        ("simplegan", "hinge", SNCritic, False),
        ("dcgan", "wgan-gp", DCGANCritic, False),
        ("dcgan", "nonsat", DCGANCritic, True),
        ("dcgan", "hinge", SNCritic, False),
    ],
)
def test_each_backbone_and_loss_has_its_critic_and_only_a_plain_gans_has_batch_norm(backbone, loss, kind, norm):
    game, _ = composed("perturbgan", {"generator.backbone": backbone, "method.gan_loss": loss})
    critic = game.networks["critic"]
    assert isinstance(critic, kind)
    assert any(isinstance(part, nn.BatchNorm2d) for part in critic.modules()) == norm


@pytest.mark.parametrize("loss", ["wgan-gp", "nonsat", "hinge"])
def test_features_are_what_each_convolution_of_the_trunk_sees(loss):
    game, _ = composed("perturbgan", {"method.gan_loss": loss})
    assert [h.shape[1:] for h in game.features(images())] == [(4, 8, 8), (8, 4, 4), (32, 4, 4)]


@pytest.mark.parametrize("backbone", ["simplegan", "dcgan"])
def test_the_backgrounds_generator_can_be_narrower(backbone):
    narrow, even = (LightPainter(LightConfig(backbone, g=16, g_b=g_b), ImageSpec(32)) for g_b in (8, 0))
    assert count_parameters(narrow.features["b"]) < count_parameters(even.features["b"])
    assert count_parameters(narrow.features["fm"]) == count_parameters(even.features["fm"])
    assert narrow(narrow.codes(2)).background.shape == (2, 3, 32, 32)


def test_a_width_that_no_background_would_read_is_refused():
    with pytest.raises(BadRecipe, match="generator.g_b needs generator.n_generators=2 or 3"):
        LightPainter(LightConfig(n_generators=1, g_b=8), ImageSpec(32))
