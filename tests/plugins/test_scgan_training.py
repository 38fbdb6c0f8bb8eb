"""How SCGAN and its WGAN rivals train: signs, the penalty of summed patches, who learns when, recipes to records."""

import json
from dataclasses import replace

import pytest
import torch
from scgan_worlds import MOSAICS, PLAIN, SPEC, batch, rival, small
from torch import nn
from torch.testing import assert_close
from weights import same, weights

import lgbench_scgan
from lgbench.data import DataHome
from lgbench.errors import BadRecipe
from lgbench.lookup import check_conditions
from lgbench.losses import multi_label
from lgbench.plugins import registry
from lgbench.progress import Quiet
from lgbench.recipe import Request, resolve
from lgbench.run import Place, chosen_metrics, run
from lgbench.runtime import Runtime
from lgbench.training import Schedule
from lgbench.training.player import Player
from lgbench_regularizers.config import SegmentorConfig
from lgbench_regularizers.segmentor import segmentor
from lgbench_scgan.config import ACWGANMethod, SCGANMethod, WGANGPMethod
from lgbench_scgan.game import WassersteinGame, acwgan, classification, scgan, shuffled, wgan_gp
from lgbench_scgan.networks import Critic

pytestmark = pytest.mark.usefixtures("seeded")

METHODS = {method.name: method for method in lgbench_scgan.methods()}
CPU = Runtime(torch.device("cpu"), channels_last=False)


def made(name, spec=SPEC, **changes):
    """A small game of a method."""
    if name == "scgan":
        return scgan(SCGANMethod(d=4, **changes), small(spec=spec), spec)
    if name == "acwgan":
        return acwgan(ACWGANMethod(d=4, **changes), rival(spec=spec), spec)
    return wgan_gp(WGANGPMethod(d=4, **changes), rival(0, spec), spec)


def player(game, terms=()):
    return Player(replace(game, terms=terms), Schedule(10, 4), CPU)


def phase(playing, name):
    return next(phase for phase in playing.phases if phase.name == name)


# The game.


@pytest.mark.parametrize("name", METHODS)
def test_critic_and_generator_have_the_papers_adam_and_the_generator_every_fifth_step(name):
    game = made(name)
    assert [(phase.name, phase.every, phase.regularized) for phase in game.phases] == [
        ("critic", 1, False),
        ("generator", 5, True),
    ]
    assert {(phase.lr, phase.betas, phase.decay_from) for phase in game.phases} == {(1e-4, (0.5, 0.999), 1.0)}


@pytest.mark.parametrize("name", METHODS)
def test_switches_reach_the_phases(name):
    game = made(name, n_repeat=2, lr=5e-5, beta1=0.0, beta2=0.9, decay_from=0.4, lrelu=0.01)
    assert {(phase.lr, phase.betas, phase.decay_from) for phase in game.phases} == {(5e-5, (0.0, 0.9), 0.4)}
    assert game.phases[-1].every == 2
    slopes = {part.negative_slope for part in game.networks["critic"].modules() if isinstance(part, nn.LeakyReLU)}
    assert slopes == {0.01}


def test_defaults_are_the_papers():
    config = SCGANMethod()
    assert (config.lambda_gp, config.lambda_cls, config.n_repeat, config.lrelu, config.lr) == (10, 5, 5, 0.2, 1e-4)
    assert (config.gp_step, config.cls_loss, config.aux_classifier, config.shuffle_seg) == ("joint", "bce", True, True)
    assert METHODS["scgan"].regularizers == {"segmentor": {"weight": 1.0}}
    supervision = {name: method.supervision for name, method in METHODS.items()}
    assert supervision == {"scgan": "full", "acwgan": "weak", "wgan-gp": "none"}


@pytest.mark.parametrize(
    ("name", "reads"),
    [("scgan", {"segments", "attributes"}), ("acwgan", {"attributes"}), ("wgan-gp", set())],
)
def test_a_step_reads_what_the_method_is_told_and_no_more(name, reads):
    assert player(made(name)).reads == reads


@pytest.mark.parametrize("name", METHODS)
def test_the_critic_moves_at_every_step_and_the_generator_at_every_fifth(name):
    playing, moved = player(made(name)), []
    critic, generator = (playing.networks[network] for network in ("critic", "generator"))
    for number in range(10):
        before = weights(critic), weights(generator)
        playing.play(number, batch(), looking=False)
        moved.append((not same(before[0], weights(critic)), not same(before[1], weights(generator))))
    assert moved == [*[(True, False)] * 4, (True, True)] * 2


def test_the_generator_learns_from_latents_that_the_critic_has_not_seen_under_the_same_conditions():
    game, seen = made("scgan"), []
    playing = player(game)
    step = playing._paint(4, batch())  # the generator's
    game.networks["critic"].register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    game.phases[0].loss(step)
    game.phases[1].loss(step)
    looked_at, learnt_from = seen
    real, shown = looked_at.chunk(2)
    assert torch.equal(real, step.images)
    assert learnt_from is step.layers.image
    assert not shown.requires_grad
    assert (shown - learnt_from).abs().max() > 1e-3
    again = step.paint()[1].codes
    assert torch.equal(again["s"], step.layers.codes["s"])
    assert torch.equal(again["c"], step.layers.codes["c"])
    assert not torch.equal(again["z"], step.layers.codes["z"])


def test_between_the_generators_steps_the_critic_sees_the_steps_own_layers():
    game, seen = made("scgan"), []
    step = player(game)._paint(3, batch())
    game.networks["critic"].register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    game.phases[0].loss(step)
    (looked_at,) = seen
    assert torch.equal(looked_at, torch.cat([step.images, step.layers.image]))


# Shuffled class maps (section 12, item 11).


def test_shuffling_permutes_the_class_maps_of_a_batch_and_nothing_else():
    given = batch(12)
    other = shuffled(given)
    assert other.images is given.images
    assert other.attributes is given.attributes
    assert not torch.equal(other.segments, given.segments)
    as_numbers = lambda maps: sorted(maps.flatten(1).tolist())  # noqa: E731
    assert as_numbers(other.segments) == as_numbers(given.segments)


def test_the_order_is_drawn_from_the_global_generator():
    given = batch(12)
    torch.manual_seed(3)
    first, second = shuffled(given), shuffled(given)
    torch.manual_seed(3)
    assert torch.equal(shuffled(given).segments, first.segments)
    assert not torch.equal(first.segments, second.segments)


def test_both_moves_are_given_the_shuffled_maps_and_the_images_own_attributes():
    real = batch(12)
    step = player(made("scgan"))._paint(4, real)
    assert not torch.equal(step.layers.codes["s"], real.segments)
    assert torch.equal(step.layers.codes["c"], real.attributes)
    assert torch.equal(step.real.segments, real.segments)
    kept = player(made("scgan", shuffle_seg=False))._paint(4, real)
    assert torch.equal(kept.layers.codes["s"], real.segments)


# The penalty (section 12, item 3).


def linear_critic(slope):
    """A critic whose 2 x 2 patches sum to a linear map with a weight of norm `slope`."""
    critic, x = Critic(32, 4, slope=1.0), torch.zeros(1, 3, 32, 32, requires_grad=True)
    (found,) = torch.autograd.grad(critic(x)[0].sum(), x)
    with torch.no_grad():
        critic.head.weight.mul_(slope / found.norm())
    return critic


@pytest.mark.parametrize(("slope", "penalty"), [(1.0, 0.0), (3.0, 4.0), (0.0, 1.0)])
def test_the_penalty_is_of_the_summed_patches(slope, penalty):
    game = WassersteinGame(WGANGPMethod(lambda_gp=10), rival(0), SPEC)
    game.critic = linear_critic(slope)
    step = player(made("wgan-gp"))._paint(0, batch())
    assert float(game.critic_loss(step)["gradient-penalty"].detach()) == pytest.approx(10 * penalty, abs=1e-4)


def test_the_mean_score_then_has_a_slope_of_a_quarter():
    critic, x = linear_critic(1.0), torch.rand(1, 3, 32, 32, requires_grad=True)
    (slope,) = torch.autograd.grad(critic(x)[0].mean(), x)
    assert slope.norm().item() == pytest.approx(0.25, rel=1e-5)


# Losses and signs (section 12, items 4 and 5).


@pytest.mark.parametrize("name", METHODS)
def test_with_equal_images_the_critics_terms_cancel(name):
    game = made(name)
    step = player(game)._paint(0, batch())
    step.layers = replace(step.layers, image=step.images)
    losses = game.phases[0].loss(step)
    assert losses.pop("critic").item() == pytest.approx(0, abs=1e-6)
    rest = {"gradient-penalty"} if name == "wgan-gp" else {"gradient-penalty", "classify/real"}
    assert losses.keys() == rest
    if "classify/real" in rest:
        _, logits = game.networks["critic"](step.images)
        assert_close(losses["classify/real"], 5 * multi_label(logits, step.real.attributes))


@pytest.mark.parametrize("name", METHODS)
def test_one_look_at_real_and_painted_images_is_as_good_as_two(name):
    game = made(name)
    critic, step = game.networks["critic"], player(game)._paint(0, batch())
    losses = game.phases[0].loss(step)
    del losses["gradient-penalty"]
    scores, logits = critic(step.images)
    apart = critic(step.layers.image.detach())[0].mean() - scores.mean()
    if logits is not None:
        apart = apart + 5 * multi_label(logits, step.real.attributes)
    parameters = [p for n, p in critic.named_parameters() if logits is not None or "classifier" not in n]
    assert_close(sum(losses.values()), apart, rtol=1e-4, atol=1e-6)
    for joint, alone in zip(
        torch.autograd.grad(sum(losses.values()), parameters), torch.autograd.grad(apart, parameters), strict=True
    ):
        assert (joint - alone).norm() <= 1e-4 * alone.norm() + 1e-8


def difference(critic, step):
    """E[D(x)] - E[D(x~)]."""
    with torch.no_grad():
        return (critic(step.images)[0].mean() - critic(step.layers.image)[0].mean()).item()


ALONE = {
    "scgan": {"lambda_gp": 0, "lambda_cls": 0},
    "acwgan": {"lambda_gp": 0, "lambda_cls": 0},
    "wgan-gp": {"lambda_gp": 0},
}
"""The scores alone: where they are flat at first, penalty and classification outweigh them for a few moves."""


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("seed", range(3))
def test_a_critics_move_raises_the_difference_of_scores(name, seed):
    torch.manual_seed(seed)
    playing = player(made(name, **ALONE[name]))
    step = playing._paint(0, batch(8))
    before = difference(playing.networks["critic"], step)
    playing._move(phase(playing, "critic"), [step])
    assert difference(playing.networks["critic"], step) > before


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("seed", range(3))
def test_a_generators_move_raises_the_score_of_what_it_paints(name, seed):
    torch.manual_seed(seed)
    playing = player(made(name, **ALONE[name]))
    critic, generator = playing.networks["critic"], playing.networks["generator"]
    step = playing._paint(4, batch(8))
    before = critic(step.layers.image)[0].mean().item()
    playing._move(phase(playing, "generator"), [step])
    assert critic(generator(step.layers.codes).image)[0].mean().item() > before


@pytest.mark.parametrize("name", METHODS)
def test_with_every_term_the_critics_moves_tell_real_from_painted_as_far_as_a_slope_of_one_goes(name):
    playing = player(made(name, lr=1e-2))
    step = playing._paint(0, batch(8))
    for _ in range(40):
        losses = playing._move(phase(playing, "critic"), [step])
    distance = (step.images - step.layers.image).flatten(1).norm(dim=1).max().item()
    assert 0.5 < difference(playing.networks["critic"], step) < distance
    assert losses["gradient-penalty"] < 10  # that of a flat critic


def test_each_player_classifies_by_what_it_was_told():
    game = made("scgan")
    step = player(game)._paint(4, batch(8))
    step.layers = replace(step.layers, codes={**step.layers.codes, "c": 1 - step.real.attributes})
    _, logits = game.networks["critic"](step.layers.image)
    expected = 5 * multi_label(logits, 1 - step.real.attributes)
    assert_close(game.phases[1].loss(step)["classify/painted"], expected)


def test_attributes_that_exclude_each_other_are_one_softmax():
    logits, attributes = torch.randn(4, 5), torch.eye(5)[:4]
    loss = classification(ACWGANMethod(lambda_cls=2, cls_loss="ce"))
    assert_close(loss(logits, attributes), 2 * multi_label(logits, attributes, "ce"))


@pytest.mark.parametrize("row", [[1, 1, 0, 0, 0], [0, 0, 0, 0, 0]], ids=["two", "none"])
def test_one_softmax_of_attributes_that_do_not_exclude_each_other_is_refused(row: list[int]):
    attributes = torch.cat([torch.eye(5), torch.tensor([row]).float()])
    with pytest.raises(BadRecipe, match=r"method\.cls_loss=ce.*Take method\.cls_loss=bce"):
        classification(ACWGANMethod(cls_loss="ce"))(torch.randn(6, 5), attributes)
    assert classification(ACWGANMethod())(torch.randn(6, 5), attributes).isfinite()


# Switches.


@pytest.mark.parametrize("name", METHODS)
def test_the_penalty_may_be_a_step_by_itself(name):
    game = made(name, gp_step="separate")
    assert [(phase.name, list(phase.networks)) for phase in game.phases[:2]] == [
        ("critic", ["critic"]),
        ("penalty", ["critic"]),
    ]
    step = player(game)._paint(0, batch())
    assert "gradient-penalty" not in game.phases[0].loss(step)
    assert game.phases[1].loss(step).keys() == {"gradient-penalty"}


@pytest.mark.parametrize("changes", [{"spec": PLAIN}, {"aux_classifier": False}], ids=["no attributes", "switched off"])
def test_without_attributes_or_classifier_nothing_is_classified(changes):
    game = made("scgan", **changes)
    assert game.networks["critic"].classifier is None
    playing = player(game)
    given = batch(spec=changes.get("spec", SPEC))
    names = set().union(*(playing.play(number, given, looking=False) for number in range(5)))
    assert names == {"critic", "gradient-penalty", "generator"}
    assert ("attributes" in playing.reads) == ("spec" not in changes)  # the generator still reads them


# SCGAN with its segmentor.


def test_the_segmentor_reads_the_layers_that_the_generator_learns_from():
    game = made("scgan")
    term = segmentor(SegmentorConfig(width=4), game.painter, SPEC)
    playing, seen = player(game, [("segmentor", 1.0, term)]), []
    assert [phase.name for phase in playing.phases] == ["critic", "segmentor", "generator"]
    term.networks["segmentor"].register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    game.networks["critic"].register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    playing._move(phase(playing, "generator"), [playing._paint(4, batch())])
    judged, read = seen
    assert judged is read


@pytest.mark.parametrize("mode", ["joint", "pretrained_frozen"])
def test_each_player_learns_in_its_own_move_only(mode):
    game = made("scgan")
    term = segmentor(SegmentorConfig(width=4, mode=mode), game.painter, SPEC)
    playing = player(game, [("segmentor", 1.0, term)])
    network = term.networks["segmentor"] if mode == "joint" else term.lessons[0].network
    networks = {**game.networks, "segmentor": network}
    for moving in playing.phases:
        before = {name: weights(each) for name, each in networks.items()}
        playing._move(moving, [playing._paint(4, batch())])
        moved = {name for name, each in networks.items() if not same(before[name], weights(each))}
        assert moved == {moving.name}


# Through the recipe.


def recipe(method, preset="smoke", dataset=MOSAICS, without=(), **overrides):
    found = registry()
    record = found.get("methods", method)
    generator = found.get("generators", record.generator)
    settings = {name.replace("__", "."): value for name, value in overrides.items()}
    request = Request(method, dataset.name, preset, settings=settings, without=tuple(without))
    return resolve(record, generator, dataset, found.regularizers, registry().segmenters, request)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("preset", ["smoke", "small", "paper"])
def test_every_preset_resolves_and_mirrors_nothing(method, preset):
    chosen = recipe(method, preset)
    check_conditions(chosen, {})
    assert chosen.training.flip is False
    assert chosen.segmenter is None
    assert {c.record.name: c.weight for c in chosen.regularizers} == (
        {"segmentor": 1.0 if preset == "paper" else 150.0} if method == "scgan" else {}
    )


def test_small_is_smokes_training_at_full_width():
    smoke, small = recipe("scgan"), recipe("scgan", "small")
    for name in ("n_repeat", "lr", "decay_from"):
        assert getattr(small.method_config, name) == getattr(smoke.method_config, name)
    (learns,), (learnt,) = small.regularizers, smoke.regularizers
    assert (learns.weight, learns.config.lr) == (learnt.weight, learnt.config.lr)
    assert (small.generator_config.g, small.method_config.d, learns.config.width) == (64, 64, 64)


@pytest.mark.parametrize("preset", ["smoke", "small"])
def test_rivals_have_as_many_steps_of_as_many_images(preset):
    chosen = [recipe(method, preset) for method in METHODS]
    assert len({(c.training.steps, c.training.batch, c.method_config.n_repeat) for c in chosen}) == 1
    assert {c.training.batch for c in chosen} == {8 if preset == "smoke" else 16}


def test_smoke_names_how_it_computes():
    training = recipe("scgan").training
    assert (training.precision, training.channels_last) == ("fp32", False)


def test_paper_is_what_the_paper_and_the_codes_print():
    chosen = recipe("scgan", "paper")
    assert (chosen.generator_config.g, chosen.method_config.d, chosen.training.ema) == (64, 64, 0)
    assert (chosen.training.batch, chosen.training.steps) == (16, 250_748)
    (term,) = chosen.regularizers
    assert term.config == SegmentorConfig()
    control = recipe("acwgan", "paper")
    assert (control.training.batch, control.training.steps) == (32, 125_374)
    assert (control.method_config.lr, control.method_config.decay_from) == (2e-4, 0.5)


@pytest.mark.parametrize(
    ("method", "provides", "lacking"), [("scgan", {"attributes"}, "segments"), ("acwgan", {"segments"}, "attributes")]
)
def test_a_data_set_without_the_conditions_is_refused_early(method, provides, lacking):
    chosen = recipe(method, dataset=replace(MOSAICS, provides=frozenset(provides)))
    with pytest.raises(BadRecipe, match=f"{method} reads {lacking}, .* mosaics"):
        check_conditions(chosen, {"mosaics": MOSAICS})


TINY = {
    "training__steps": 6,
    "training__batch": 4,
    "training__log_every": 1,
    "training__grid_every": 3,
    "evaluation__samples": 12,
    "evaluation__metrics": "fid-random,iou",
    "generator__g": 2,
    "generator__nz": 4,
    "method__d": 2,
    "method__n_repeat": 5,
}


@pytest.mark.parametrize(
    ("method", "overrides", "without"),
    [
        ("scgan", {"regularizers__segmentor__width": 2}, ()),
        ("scgan", {"method__gp_step": "separate", "generator__order": "reversed"}, ("segmentor",)),
        ("scgan", {"data__attributes": False, "regularizers__segmentor__width": 2}, ()),
        ("acwgan", {}, ()),
        ("wgan-gp", {}, ()),
    ],
    ids=["scgan", "separate and reversed", "no attributes", "acwgan", "wgan-gp"],
)
def test_each_method_runs_to_its_record(tmp_path, method, overrides, without):
    chosen = recipe(method, without=without, **TINY, **overrides)
    metrics = chosen_metrics(chosen.evaluation.metrics, registry().metrics)
    place = Place(tmp_path / "run", DataHome(tmp_path / "home"), torch.device("cpu"))
    path = run(chosen, place, metrics, (), Quiet())
    record = json.loads(path.read_text())
    assert record["status"] == "done"
    assert record["values"]["fid-random"]["value"] > 0
    assert "not_available" in record["values"]["iou"]
    rows = [json.loads(line) for line in (path.parent / "train" / "log.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == [4, 5]  # where every phase plays, and the last
    assert {"critic", "gradient-penalty", "generator"} <= rows[0].keys()
    joint = method == "scgan" and not without
    assert ("segmentor/real" in rows[0]) == joint
    assert ("train/segmentor.safetensors" in record["artefacts"]) == joint
