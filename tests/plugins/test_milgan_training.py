import math
from dataclasses import replace

import pytest
import torch
from milgan_worlds import CODES, DATASETS, TINY, carry_out, composed, images, phase_of, player, recipe_of, step_of
from weights import same, state, weights

from lgbench import ImageSpec
from lgbench.layers import Batch
from lgbench.plugins import registry
from lgbench.stages import build_game, build_segmenter
from lgbench.training.player import Player

pytestmark = pytest.mark.usefixtures("seeded")


def moved(game, terms, phases):
    """Networks whose weights change in one step with these phases only."""
    one = player(game, terms, phases)
    before = {name: weights(network) for name, network in one.networks.items()}
    one.play(0, Batch(images()), False)
    return {name for name, network in one.networks.items() if not same(before[name], weights(network))}


# Who learns when.


@pytest.mark.parametrize(
    ("e_step", "generator", "critic"),
    [
        ("d", {"generator"}, {"critic", "recovery-image", "recovery-mask"}),
        ("g", {"generator", "recovery-image", "recovery-mask"}, {"critic"}),
    ],
)
@pytest.mark.parametrize("fresh", [True, False])
def test_each_step_moves_its_own_networks_only(e_step, generator, critic, fresh):
    settings = {"method.e_step": e_step, "method.fresh": fresh}
    assert moved(*composed("milgan", settings), ["generator"]) == generator
    assert moved(*composed("milgan", settings), ["critic"]) == critic


def test_code_recovery_is_a_loss_of_the_critics_step_where_it_learns_there():
    mi = {"recovery/image", "recovery/mask"}
    for e_step, expected in (("d", {"critic"} | mi), ("g", {"critic"})):
        game, terms = composed("milgan", {"method.e_step": e_step})
        assert set(phase_of(game, "critic").loss(step_of(game, terms))) == expected
        assert set(phase_of(game, "generator").loss(step_of(game, terms))) == {"generator", "mi/image", "mi/mask"}


def test_the_generator_moves_first_and_both_by_the_same_adam():
    game, _ = composed("milgan", preset="paper")
    assert [phase.name for phase in game.phases] == ["generator", "critic"]
    assert {(phase.lr, phase.betas, phase.every) for phase in game.phases} == {(2e-4, (0.5, 0.999), 1)}
    assert [phase.regularized for phase in game.phases] == [True, False]


def test_fresh_codes_are_drawn_for_the_critic_unless_it_shares_the_generators():
    for fresh, passes in ((True, 2), (False, 1)):
        game, terms = composed("milgan", {"method.fresh": fresh})
        seen = []
        game.painter.register_forward_hook(lambda part, given, out, seen=seen: seen.append(given[0]["z"]))
        player(game, terms).play(0, Batch(images()), False)
        assert len(seen) == passes
        assert not fresh or not torch.equal(*seen)


def test_a_segmentation_step_leaves_the_generator_and_its_statistics_unchanged():
    recipe = recipe_of("milgan", {**TINY["milgan"], "segmenter.width": 4})
    game = build_game(recipe, ImageSpec(16))
    before = state(game.painter)
    segmenter = build_segmenter(recipe, game.painter, ImageSpec(16))
    values = player(segmenter).play(0, Batch(images()), False)
    assert math.isfinite(values["segmenter"])
    assert same(before, state(game.painter))


# Switches.

VARIANTS = {
    "the method itself": {},
    "no size term nor recovery": {"method.gamma_mi": 0.0},
    "mask size instead": {"method.gamma_mi": 0.0, "regularizers.mask-size.weight": 2.0},
    "image only": {"method.mi_mask": False},
    "mask only": {"method.mi_x": False},
    "normal code": {"generator.prior": "normal", "generator.d_c": 4},
    "as in ELGAN": {"method.e_step": "g"},
    "unperturbed": {"method.mi_on_perturbed": False},
    "shared codes": {"method.fresh": False},
    "fresh codes": {"method.fresh": True},
    "colours": {"method.colour_aug": True},
    "noise": {"method.instance_noise": 0.1, "method.mask_noise": 0.1},
    "gated": {"generator.act": "glu"},
    "whole pixels": {"regularizers.perturbation.form": "shift"},
    "rotation": {"regularizers.perturbation.rotate": 15.0},
    "perceptual": {"regularizers.equivariance.weight": 0.5},
}


@pytest.mark.parametrize("settings", VARIANTS.values(), ids=VARIANTS)
def test_every_variant_plays(settings):
    game, terms = composed("milgan", settings)
    one = player(game, terms, steps=2, ema=0.9)
    for number in range(2):
        values = one.play(number, Batch(images()), True)
        assert all(math.isfinite(value) for value in values.values())


def test_without_recovery_there_are_no_code_critics_and_no_clusters():
    game, terms = composed("milgan", {"method.gamma_mi": 0.0, "regularizers.mask-size.weight": 2.0})
    assert set(game.networks) == {"generator", "critic"}
    assert game.cluster is None
    assert game.kept == ["critic"]
    assert {name for name, _, _ in terms} == {"perturbation", "binarization", "mask-size"}
    values = player(game, terms).play(0, Batch(images()), False)
    assert set(values) == {"generator", "binarization", "mask-size", "critic"}


@pytest.mark.parametrize(("switch", "left"), [("mi_x", "recovery-mask"), ("mi_mask", "recovery-image")])
def test_each_half_of_the_recovery_can_be_left_out(switch, left):
    game, _ = composed("milgan", {f"method.{switch}": False})
    assert set(game.networks) == {"generator", "critic", left}
    assert (game.cluster is None) == (switch == "mi_x")


def test_colours_are_jittered_for_the_critic_alone():
    game, terms = composed("milgan", {"method.colour_aug": True, "method.instance_noise": 0.0})
    game.networks["critic"].eval()
    step, seen = step_of(game, terms), []
    game.networks["critic"].trunk.register_forward_hook(lambda part, given, out: seen.append(given[0]))
    phase_of(game, "generator").loss(step)
    phase_of(game, "critic").loss(step)
    assert len(seen) == 3  # painted for the generator; painted and real for the critic
    assert not any(torch.equal(x, known) for x in seen for known in (step.layers.image, step.images))
    assert torch.equal(step.layers.image, step.layers.recompose(step.layers.foregrounds, step.layers.alphas).image)


def test_the_papers_weights_and_the_terms_it_names():
    for preset in ("smoke", "small", "paper"):
        recipe = recipe_of("milgan", preset=preset, dataset="digits-one")
        weights_ = {chosen.record.name: chosen.weight for chosen in recipe.regularizers}
        background = {} if preset == "smoke" else {"background": 1.0}
        assert weights_ == {"perturbation": 1.0, "binarization": 2.0, **background}
        assert recipe.method_config.gamma_mi == 1.0
        configs = {chosen.record.name: chosen.config for chosen in recipe.regularizers}
        assert (configs["binarization"].form, configs["binarization"].on) == ("min", "painted")
        assert configs["perturbation"].form == "affine"
    moves = configs["perturbation"]
    assert (moves.translate, moves.shrink, moves.grow, moves.rotate, moves.contrast) == (0.125, 0.2, 0.2, 0, 0)


def test_the_papers_schedule_alternates_three_rounds_of_sixty_twenty_and_twenty_percent():
    recipe = recipe_of("milgan", preset="paper")
    assert recipe.training.round_ends(recipe.training.rounds) == [150_000, 200_000, 250_000]
    assert (recipe.training.batch, recipe.training.ema) == (32, 0.999)
    segmentation, segmenter = recipe.segmentation, recipe.segmenter_config
    assert (segmentation.round_steps, segmentation.steps, segmentation.batch) == (0, 12_000, 95)  # a third: 4,000
    assert (segmenter.lr, segmenter.drop, int(segmenter.drop_at * segmentation.steps)) == (1e-3, 0.2, 8000)
    assert recipe.evaluation.aggregation == "pooled"


@pytest.mark.parametrize("dataset", DATASETS)
@pytest.mark.parametrize("method", TINY)
def test_every_preset_resolves_on_every_small_data_set(method, dataset):
    presets = {name for name in registry().get("methods", method).presets if "@" not in name}
    assert presets >= {"smoke", "small", "paper"}
    for preset in presets:
        recipe = recipe_of(method, preset=preset, dataset=dataset)
        assert recipe.as_dict()["preset"] == preset
        assert recipe.resolution == (64 if dataset == "mnist-two" else 32)


# Learning.


def recovery(opaque, steps=60):
    """L_mi of a balanced batch after its critics, and they alone, have looked at what an untrained painter paints."""
    game, terms = composed("milgan", {"method.colour_aug": False, "method.d": 8})
    codes = game.painter.codes(2 * CODES)
    codes = {"z": codes["z"][:1].expand(2 * CODES, -1), "c": torch.arange(2 * CODES) % CODES}
    with torch.no_grad():
        layers = game.painter.train()(codes)  # the code is all that differs, and batch norm makes the most of it
        if not opaque:
            layers = layers.recompose(layers.foregrounds, torch.zeros_like(layers.alphas))
    step = step_of(game, terms)
    step.painted = step.layers = layers
    learning = [p for name in ("recovery-image", "recovery-mask") for p in game.networks[name].parameters()]
    optimizer = torch.optim.Adam(learning, lr=3e-3, betas=(0.5, 0.999))
    for _ in range(steps):
        losses = phase_of(game, "generator").loss(step)
        optimizer.zero_grad()
        (losses["mi/image"] + losses["mi/mask"]).backward()
        optimizer.step()
    return losses["mi/image"].item(), losses["mi/mask"].item()


def test_codes_can_be_read_from_painted_foregrounds_and_not_from_empty_ones():
    assert max(recovery(opaque=True)) < 0.7 * math.log(CODES)
    assert min(recovery(opaque=False)) > math.log(CODES) - 1e-4


def test_twenty_steps_stay_finite():
    game, terms = composed("milgan")
    one = player(game, terms, steps=20, batch=8, ema=0.9)
    for number in range(20):
        values = one.play(number, Batch(images(8)), number % 10 == 0)
        assert all(math.isfinite(value) for value in values.values())
    assert all(p.isfinite().all() for network in one.networks.values() for p in network.parameters())
    assert one.result is not game.painter


# From recipe to record.


def test_rounds_alternate_as_the_algorithm_says(tmp_path, monkeypatch):
    trace, learn = [], Player._learn

    def noted(self, phase, step, *more):
        losses = learn(self, phase, step, *more)
        heard = "background" in losses and (step.segment is not None, bool(losses["background"] > 0))
        trace.append((phase.name, heard))
        return losses

    monkeypatch.setattr(Player, "_learn", noted)
    rounds = {"training__rounds": 2, "training__first_round": 0.5, "regularizers__background__weight": 1.0}
    record = carry_out(
        tmp_path / "run", "milgan", training__steps=6, segmentation__steps=2, segmentation__round_steps=2, **rounds
    )
    first, second = ([("generator", heard), ("critic", False)] * 3 for heard in ((False, False), (True, True)))
    taught = [("segmenter", False)] * 2
    assert trace == first + taught + second + taught
    assert record["training"]["rounds"] == 2


@pytest.mark.parametrize("method", ["milgan", "elgan"])
def test_a_run_that_was_killed_clusters_like_one_that_was_not(tmp_path, monkeypatch, method):
    scores, play = [], Player.play

    nmi = registry().metrics["nmi"]

    def clusters(evidence):
        with torch.no_grad():
            scores.append((evidence.game.cluster(images(5)).shape, evidence["clusters"]))
        return nmi.compute(evidence)

    def dies(self, number, *rest):
        if number == 3:
            raise SystemExit("killed")
        return play(self, number, *rest)

    monkeypatch.setitem(registry().metrics, "nmi", replace(nmi, compute=clusters))
    steps = {"training__steps": 6, "segmentation__steps": 1}
    whole = carry_out(tmp_path / "whole", method, **steps)
    with monkeypatch.context() as patch:
        patch.setattr(Player, "play", dies)
        with pytest.raises(SystemExit):
            carry_out(tmp_path / "run", method, **steps)
    resumed = carry_out(tmp_path / "run", method, **steps)
    (shape, found), (_, again) = scores
    assert shape == (5, CODES)
    assert found.shape == (68,)
    assert (found == again).all()
    assert 0 <= whole["values"]["nmi"]["value"] <= 1
    assert whole["values"] == resumed["values"]
    assert whole["artefacts"] == resumed["artefacts"]
    assert {"train/critic.safetensors", "train/recovery-image.safetensors"} <= set(whole["artefacts"])


def test_samples_and_pairs_are_painted_unperturbed(tmp_path, monkeypatch):
    """Nothing but the training stage composes: the same codes give the same pictures."""
    composed_at, paint = [], Player._paint

    def noted(self, *given):
        composed_at.append((self.game.result, bool(self.game.terms)))
        return paint(self, *given)

    monkeypatch.setattr(Player, "_paint", noted)
    steps = {"training__steps": 2, "segmentation__steps": 2}
    carry_out(tmp_path / "run", "milgan", segmentation__perturbed=False, **steps)  # as in the paper
    assert composed_at == [("generator", True)] * 2 + [("segmenter", False)] * 2
    game, _ = composed("milgan")
    painter = game.painter.eval()
    with torch.no_grad():
        codes = painter.codes(4)
        assert torch.equal(painter(codes).image, painter(codes).image)
