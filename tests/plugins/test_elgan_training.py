import math
from dataclasses import replace

import pytest
import torch
from milgan_worlds import DATASETS, TINY, composed, images, phase_of, player, recipe_of, silent, step_of
from weights import same, state, weights

from lgbench import ImageSpec
from lgbench.errors import LgbenchError
from lgbench.layers import Batch
from lgbench.nn import UNetS, count_parameters
from lgbench.stages import build_game, build_segmenter

pytestmark = pytest.mark.usefixtures("seeded")

E_ONLY = {"equivariance": 0.5}
LADDER = {
    "a": ({"perturbation": 1.0, "binarization": 2.0, "mask-size": 2.0}, 0.0),
    "b": ({"perturbation": 1.0, "binarization": 2.0}, 1.0),
    "c": ({"perturbation": 1.0, "binarization": 2.0}, 1.0),
    "d": ({"perturbation": 1.0, "binarization": 2.0}, 1.0),
    "e": ({"perturbation": 1.0, "binarization": 2.0, **E_ONLY}, 1.0),
}


def moved(game, terms, phases):
    """Networks whose weights change in one step with these phases only."""
    one = player(game, terms, phases)
    before = {name: weights(network) for name, network in one.networks.items()}
    one.play(1, Batch(images()), False)
    return {name for name, network in one.networks.items() if not same(before[name], weights(network))}


# Who learns when.


@pytest.mark.parametrize("on_perturbed", [True, False])
@pytest.mark.parametrize("fresh", [True, False])
def test_code_recovery_and_phi_learn_with_the_generator_and_the_critic_alone(fresh, on_perturbed):
    settings = {"method.fresh": fresh, "method.mi_on_perturbed": on_perturbed}
    learners = {"generator", "recovery-image", "recovery-mask", "phi"}
    assert moved(*composed("elgan", settings), ["generator"]) == learners
    assert moved(*composed("elgan", settings), ["critic"]) == {"critic"}


def test_recovery_teaches_the_generator_through_a_trunk_that_it_does_not_move():
    game, terms = composed("elgan")
    one = player(game, terms, ["generator"])
    one._hold(set(one.trained["generator"]))
    loss = phase_of(game, "generator").loss(step_of(game, terms))["recovery/image"]
    loss.backward()
    assert silent(game.networks["critic"])
    assert not silent(game.networks["recovery-image"])
    assert not silent(game.painter.f)
    assert not silent(game.painter.stage2)


def test_the_critic_leads_and_all_learn_by_the_same_adam():
    game, _ = composed("elgan", preset="smoke")
    assert [phase.name for phase in game.phases] == ["critic", "generator"]
    assert {(phase.lr, phase.betas, phase.every) for phase in game.phases} == {(2e-4, (0.5, 0.999), 1)}


def test_the_losses_are_the_hinge_s():
    game, terms = composed("elgan", {"method.fresh": False, "method.colour_aug": False})
    game.networks["critic"].eval()
    step, d = step_of(game, terms), game.networks["critic"]
    real, fake = d(step.images), d(step.layers.image)
    expected = (1 - real).clamp(min=0).mean() + (1 + fake).clamp(min=0).mean()
    torch.testing.assert_close(phase_of(game, "critic").loss(step)["critic"], expected)
    torch.testing.assert_close(phase_of(game, "generator").loss(step)["generator"], -fake.mean())


def test_a_segmentation_step_leaves_the_generator_and_its_statistics_unchanged():
    recipe = recipe_of("elgan", {**TINY["elgan"], "segmenter.width": 4})
    game = build_game(recipe, ImageSpec(16))
    before = state(game.painter)
    values = player(build_segmenter(recipe, game.painter, ImageSpec(16))).play(0, Batch(images()), False)
    assert math.isfinite(values["segmenter"])
    assert same(before, state(game.painter))


# The ladder of Table 3.


@pytest.mark.parametrize("size", ["smoke", "small", "paper"])
@pytest.mark.parametrize("letter", LADDER)
def test_each_rung_has_its_terms(size, letter):
    recipe = recipe_of("elgan", preset=f"{size}-{letter}", dataset="digits-one")
    terms, gamma_r = LADDER[letter]
    if size != "paper":  # lighter in short trainings
        terms, gamma_r = {**terms, "binarization": 0.5}, 0.2 * gamma_r
    assert {chosen.record.name: chosen.weight for chosen in recipe.regularizers} == terms
    assert recipe.method_config.gamma_r == gamma_r
    configs = {chosen.record.name: chosen.config for chosen in recipe.regularizers}
    assert (configs["binarization"].form, configs["binarization"].on) == ("min", "painted")
    eta = 0.25 if size == "paper" else 0.03  # digits cover a twentieth
    assert letter != "a" or (configs["mask-size"].eta, configs["mask-size"].on) == (eta, "perturbed")


@pytest.mark.parametrize("size", ["smoke", "small"])
def test_no_world_gives_rung_a_a_code_to_recover(size):
    for dataset in DATASETS:
        assert recipe_of("elgan", preset=f"{size}-a", dataset=dataset).method_config.gamma_r == 0


@pytest.mark.parametrize("size", ["smoke", "small", "paper"])
def test_the_method_itself_is_rung_e_and_all_rungs_differ_in_nothing_else(size):
    def rest(preset):
        settings = recipe_of("elgan", preset=preset).as_dict()
        del settings["preset"], settings["regularizers"], settings["method"]["gamma_r"]
        return settings

    plain, e = (recipe_of("elgan", preset=name).as_dict() for name in (size, f"{size}-e"))
    assert {**plain, "preset": ""} == {**e, "preset": ""}
    assert all(rest(f"{size}-{letter}") == rest(size) for letter in LADDER)


@pytest.mark.parametrize("letter", LADDER)
def test_each_rung_plays(letter):
    game, terms = composed(
        "elgan", {"regularizers.equivariance.ramp": 2} if letter == "e" else {}, preset=f"smoke-{letter}"
    )
    one = player(game, terms, steps=2, ema=0.9)
    for number in range(2):
        values = one.play(number, Batch(images()), True)
        assert all(math.isfinite(value) for value in values.values())
    named = {"generator", "critic", "binarization"}
    recovered = {"recovery/image", "recovery/mask"}
    extra = {"a": {"mask-size"}, "e": recovered | {"equivariance"}}.get(letter, recovered)
    watched = {name for name in values if name.startswith("gradient/")} | {"coverage", "greyness", "layer_difference"}
    assert set(values) - watched == named | extra


def test_configuration_a_recovers_nothing_and_clusters_nothing():
    game, _ = composed("elgan", preset="smoke-a")
    assert set(game.networks) == {"generator", "critic"}
    assert game.cluster is None
    assert composed("elgan", preset="smoke-b")[0].cluster is not None


VARIANTS = {
    "classes only": {"method.recover_sup": False},
    "shared codes": {"method.fresh": False},
    "colours": {"method.colour_aug": True},
    "noise": {"method.instance_noise": 0.1, "method.mask_noise": 0.1},
    "gated": {"generator.act": "glu"},
    "whole pixels": {"regularizers.perturbation.form": "shift"},
    "grid units": {"regularizers.perturbation.unit": "grid", "regularizers.equivariance.unit": "grid"},
    "rotation": {"regularizers.perturbation.rotate": 15.0, "regularizers.equivariance.rotate": 15.0},
    "held target": {"regularizers.equivariance.stop_gradient": True, "regularizers.equivariance.zero": True},
    "pixels": {"regularizers.equivariance.distance": "pixel"},
}


@pytest.mark.parametrize("settings", VARIANTS.values(), ids=VARIANTS)
def test_every_variant_plays(settings):
    game, terms = composed("elgan", settings)
    one = player(game, terms, steps=2)
    for number in range(2):
        values = one.play(number, Batch(images()), False)
        assert all(math.isfinite(value) for value in values.values())


def test_the_papers_distance_says_which_weights_it_needs(monkeypatch):
    monkeypatch.delenv("LGBENCH_ROTNET_VGG16", raising=False)
    with pytest.raises(LgbenchError, match="LGBENCH_ROTNET_VGG16"):
        composed("elgan", preset="paper")


def test_twenty_steps_stay_finite():
    game, terms = composed("elgan", {"regularizers.equivariance.ramp": 10})
    one = player(game, terms, steps=20, batch=8, ema=0.9)
    for number in range(20):
        values = one.play(number, Batch(images(8)), number % 10 == 0)
        assert all(math.isfinite(value) for value in values.values())
    assert all(p.isfinite().all() for network in one.networks.values() for p in network.parameters())


# The paper's schedule.


def test_the_paper_trains_for_810_epochs_and_keeps_the_lowest_fid():
    training = recipe_of("elgan", preset="paper").training
    assert (training.steps, training.batch, training.ema) == (810 * (10_000 // 32), 32, 0.999)
    assert (training.select, training.select_every, training.select_samples) == ("fid", 2500, 10_000)
    assert (training.crop, training.crop_ratio, training.flip) == (0.8, 4 / 3, True)
    assert recipe_of("elgan", preset="paper").method_config.colour_aug
    cars = recipe_of("elgan", preset="paper", dataset="lsun-car")
    assert cars.training.steps == 81 * (31_893 // 32)
    assert (cars.generator_config.n_codes, cars.generator_config.group) == (200, 10)


def test_the_u_net_learns_at_a_thousandth_until_step_8000_of_12000_and_at_a_fifth_of_it_afterwards():
    recipe = recipe_of("elgan", {**TINY["elgan"], "generator.n_codes": 4}, preset="paper-c")
    segmentation, config = recipe.segmentation, recipe.segmenter_config
    assert (segmentation.steps, segmentation.batch) == (12_000, 95)
    assert (config.target, config.cut, config.colours) == ("hard", 0.5, False)
    game = build_game(recipe, ImageSpec(16))
    narrow = replace(recipe, segmenter_config=replace(config, width=2))
    one = player(build_segmenter(narrow, game.painter, ImageSpec(16)), steps=12_000, batch=2)
    rates = []
    for number in (0, 7_999, 8_000, 11_999):
        one.play(number, Batch(images(2)), False)
        rates.append(one.optimizers["segmenter"].param_groups[0]["lr"])
    assert rates == pytest.approx([1e-3, 1e-3, 2e-4, 2e-4])
    with torch.device("meta"):
        assert count_parameters(UNetS(config.width)) == 13_395_394
