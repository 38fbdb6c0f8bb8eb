"""The paper's inference: an encoder finds the latent, and the generator's mask of it is the segmentation."""

from dataclasses import replace

import pytest
import torch
from milgan_worlds import TINY, carry_out, composed, images, player, recipe_of
from torch.nn import functional as F
from torch.testing import assert_close
from weights import same, state, weights

from lgbench import ImageSpec, LgbenchError
from lgbench.game import Step
from lgbench.layers import Batch, Layers, Painter
from lgbench.nn import count_parameters, shift
from lgbench.stages import build_game, build_segmenter
from lgbench_perturbgan.config import EncoderConfig, PerturbGANMethod
from lgbench_perturbgan.encoder import encoder
from lgbench_perturbgan.game import perturbgan
from lgbench_perturbgan.style_critic import StyleCritic
from lgbench_perturbgan.style_layers import NoiseInjection

pytestmark = pytest.mark.usefixtures("seeded")


class Discs(Painter):
    """A painter without weights to learn: a bright disc on dark ground, where the two numbers of z say."""

    def __init__(self, side=16):
        super().__init__()
        axis = (torch.arange(side) + 0.5) * 2 / side - 1
        self.register_buffer("x", axis.expand(side, side))
        self.register_buffer("y", axis[:, None].expand(side, side))

    def codes(self, n, batch=None):
        return {"z": torch.randn(n, 2)}

    def forward(self, codes):
        centre = 0.4 * codes["z"].tanh()[:, :, None, None]
        distance = ((self.x - centre[:, 0]) ** 2 + (self.y - centre[:, 1]) ** 2 + 1e-6).sqrt()
        alpha = (6 * (0.5 - distance)).sigmoid()[:, None, None]
        colour = torch.ones(len(alpha), 3, *self.x.shape)
        return Layers.compose(-0.8 * colour, 0.8 * colour[:, None], alpha, codes=codes)


def disc_game(**settings):
    painter = Discs()
    return encoder(EncoderConfig(**{"d": 4, "lr": 3e-3, **settings}), painter, ImageSpec(16)), painter


def test_an_encoder_learns_to_invert_a_painter_and_segments_with_what_it_finds():
    game, painter = disc_game()
    one, rows = player(game, batch=16), []
    for number in range(80):
        with torch.no_grad():
            real = painter(painter.codes(16)).image
        rows.append({name: float(value) for name, value in one.play(number, Batch(real), False).items()})
    for name in ("encoder/real", "encoder/painted", "encoder/code"):
        first, last = (sum(row[name] for row in part) / 10 for part in (rows[:10], rows[-10:]))
        assert last < 0.6 * first, name
    game.networks["segmenter"].eval()
    with torch.no_grad():
        fresh = painter(painter.codes(32))
        mask = game.predict(fresh.image)
    assert mask.shape == (32, 1, 16, 16)
    assert 0 <= mask.min() < mask.max() <= 1
    assert ((mask > 0.5) == (fresh.alpha > 0.5)).float().mean() > 0.85


def test_what_is_inverted_is_the_unperturbed_painting():
    game, painter = disc_game()
    with torch.no_grad():
        layers = painter(painter.codes(4))
    moved = shift(layers, torch.full((4, 1, 2), 3))
    game.networks["segmenter"].eval()
    real = images()
    still, perturbed = (
        game.phases[0].loss(Step(0, Batch(real), layers, seen, lambda: (layers, layers))) for seen in (layers, moved)
    )
    assert not torch.equal(layers.image, moved.image)
    for name in still:
        assert torch.equal(still[name], perturbed[name]), name


def test_refining_the_latent_brings_the_painting_nearer_to_its_image():
    game, painter = disc_game(refine=0)
    finer, _ = disc_game(refine=40, refine_lr=0.05)
    finer.networks["segmenter"].load_state_dict(game.networks["segmenter"].state_dict())
    for made in (game, finer):
        made.networks["segmenter"].eval()
    with torch.no_grad():
        seen = painter(painter.codes(8))
        rough, fine = (made.predict(seen.image) for made in (game, finer))
    assert (fine - seen.alpha).abs().mean() < 0.6 * (rough - seen.alpha).abs().mean()
    assert not fine.requires_grad


def test_refining_an_image_does_not_depend_on_its_company():
    game, painter = disc_game(refine=5)
    game.networks["segmenter"].eval()
    with torch.no_grad():
        seen = painter(painter.codes(4)).image
        assert_close(game.predict(seen)[:1], game.predict(seen[:1]), atol=1e-5, rtol=0)


def test_features_of_the_critic_count_where_there_is_one_and_only_its_last_three():
    game, painter = disc_game(feature_weight=0.1)
    with torch.no_grad():
        layers = painter(painter.codes(4))
    game.networks["segmenter"].eval()
    plain = Step(0, Batch(layers.image), layers, layers, lambda: (layers, layers))
    apart = [lambda x, k=k: k * x for k in (1000.0, 1.0, 2.0, 3.0)]
    seeing = replace(plain, features=lambda x: [feature(x) for feature in apart])
    without, with_ = (game.phases[0].loss(step) for step in (plain, seeing))
    x_rec = painter({"z": game.networks["segmenter"](layers.image)}).image
    expected = 0.1 * (1 + 4 + 9) * F.mse_loss(layers.image, x_rec)
    for name in ("encoder/real", "encoder/painted"):
        assert_close(with_[name] - without[name], expected, rtol=1e-3, atol=1e-5)
    assert_close(with_["encoder/code"], without["encoder/code"])


@pytest.mark.parametrize("level", [0, 1, 2])
@pytest.mark.parametrize("alpha", [0.4, 1.0])
def test_a_growing_critic_shows_what_each_of_its_present_blocks_sees(level, alpha):
    critic, x = StyleCritic(32, 8), images(side=8 << level)
    critic.grow(level, alpha)
    seen, scores = [], critic(x)
    for block in critic.blocks:
        block.register_forward_hook(lambda part, given, out: seen.append(out))
    features = critic.features(x)
    assert [h.shape for h in features] == [(4, 8, 4 << k, 4 << k) for k in reversed(range(level + 1))]
    for h, out in list(zip(features, seen, strict=True))[alpha < 1 :]:  # the newest block's is still fading in
        assert torch.equal(h, out)
    assert torch.equal(critic.judge(features[-1]), scores)


@pytest.mark.parametrize("method", ["perturbgan", "perturbgan-full"])
def test_both_versions_keep_a_critic_that_tells_an_encoder_what_it_sees(method):
    game, segmenter = encoding(method)
    assert game.kept == ["critic"]
    segmenter.networks["segmenter"].eval()
    with torch.no_grad():
        layers = game.painter.eval()(game.painter.codes(4))
        step = Step(0, Batch(images()), layers, layers, lambda: (layers, layers))
        plain, seeing = (segmenter.phases[0].loss(s) for s in (step, replace(step, features=game.features)))
    for name in ("encoder/real", "encoder/painted"):
        assert seeing[name] > plain[name]


def encoding(method, **settings):
    recipe = recipe_of(method, {**TINY[method], "segmentation.name": "encoder", "segmenter.d": 4, **settings})
    game = build_game(recipe, ImageSpec(16))
    if game.begin:
        game.begin(recipe.training.steps - 1)  # all grown
    return game, build_segmenter(recipe, game.painter, ImageSpec(16))


@pytest.mark.parametrize("method", ["perturbgan", "perturbgan-full"])
def test_masks_do_not_depend_on_what_ran_before_nor_on_their_company(method):
    game, segmenter = encoding(method)
    for part in game.painter.modules():
        if isinstance(part, NoiseInjection):
            torch.nn.init.normal_(part.weight)
    for network in (game.painter, *segmenter.networks.values()):
        network.eval()
    real = images(4)
    with torch.no_grad():
        first = segmenter.predict(real)
        torch.randn(7)
        assert torch.equal(segmenter.predict(real), first)
        assert_close(segmenter.predict(real[2:]), first[2:], atol=1e-5, rtol=0)


@pytest.mark.parametrize("method", ["perturbgan", "perturbgan-full"])
def test_an_encoders_step_leaves_the_generator_unchanged(method):
    game, segmenter = encoding(method)
    before, latents = state(game.painter), weights(segmenter.networks["segmenter"])
    assert game.painter.training
    player(replace(segmenter, features=game.features)).play(0, Batch(images()), False)
    assert same(before, state(game.painter))
    assert not same(latents, weights(segmenter.networks["segmenter"]))


def test_an_encoder_has_a_critics_trunk_and_one_linear_map_to_the_latent():
    with torch.device("meta"):
        made = encoder(EncoderConfig(), Discs(), ImageSpec(64))
        trunk = count_parameters(
            perturbgan(PerturbGANMethod(gan_loss="nonsat"), Discs(), ImageSpec(64)).networks["critic"]
        )
        assert count_parameters(made.networks["segmenter"]) == trunk - (512 * 16 + 1) + (512 * 16 + 1) * 2
    (phase,) = encoder(EncoderConfig(d=4), Discs(), ImageSpec(16)).phases
    assert (phase.lr, phase.betas) == (1e-4, (0.9, 0.999))


@pytest.mark.parametrize("method", ["milgan", "elgan"])
def test_painters_with_codes_are_refused_with_what_to_do_instead(method):
    game, _ = composed(method)
    with pytest.raises(LgbenchError, match=r"\['c'.*segmentation\.name=unet-s"):
        encoder(EncoderConfig(d=4), game.painter, ImageSpec(16))


@pytest.mark.parametrize(("method", "own"), [("perturbgan", {}), ("perturbgan-full", {"method__phase_steps": 1})])
def test_a_whole_run_segments_with_its_encoder(tmp_path, method, own):
    settings = {"segmenter__d": 4, "segmenter__refine": 2}
    short = {"training__steps": 4, "segmentation__steps": 2, "segmentation__name": "encoder"}
    record = carry_out(tmp_path / "run", method, **short, **settings, **own)
    assert record["segmentation"]["name"] == "encoder"
    assert 0 <= record["values"]["iou"]["value"] <= 1
