import math

import pytest
import torch
from milgan_worlds import CODES, check_layers, composed, painted, phase_of, silent, step_of, term_of
from torch import nn
from torch.nn import functional as F
from torch.testing import assert_close

from lgbench import ImageSpec
from lgbench.layers import Layers
from lgbench.nn import UNetS, count_parameters
from lgbench_milgan.config import MilganConfig, MilganMethod
from lgbench_milgan.game import milgan
from lgbench_milgan.model import Milgan

pytestmark = pytest.mark.usefixtures("seeded")

CUB = {side: ImageSpec(side, classes=200) for side in (64, 128)}


def tiny(side=16, **settings):
    return Milgan(MilganConfig(**{"g": 4, "n_codes": CODES, **settings}), ImageSpec(side))


def balanced(painter, n=CODES):
    """Codes of a batch that holds each class equally often."""
    return {**painter.codes(n), "c": torch.arange(n) % CODES}


# Parameter counts.


@pytest.mark.parametrize(
    ("act", "side", "parameters"),
    [("relu", 64, 19_478_272), ("relu", 128, 19_552_256), ("glu", 64, 38_879_680), ("glu", 128, 39_027_648)],
)
def test_the_generator_has_the_parameters_of_its_table(act, side, parameters):
    with torch.device("meta"):
        assert count_parameters(Milgan(MilganConfig(act=act), CUB[side])) == parameters


@pytest.mark.parametrize(
    ("side", "background", "foreground"), [(64, 7_941_696, 11_536_576), (128, 7_978_688, 11_573_568)]
)
def test_both_branches_have_the_parameters_of_their_tables(side, background, foreground):
    with torch.device("meta"):
        painter = Milgan(MilganConfig(), CUB[side])
    b = [count_parameters(part) for part in (painter.b, painter.b_head)]
    assert sum(b) == background
    assert count_parameters(painter) - sum(b) == foreground


@pytest.mark.parametrize(("side", "both", "mask"), [(64, 9_122_953, 9_112_712), (128, 19_871_881, 19_861_640)])
def test_critic_and_code_recovery_have_the_parameters_of_their_tables(side, both, mask):
    with torch.device("meta"):
        networks = milgan(MilganMethod(), Milgan(MilganConfig(), CUB[side]), CUB[side]).networks
    head = count_parameters(networks["recovery-image"])
    assert head == 3_998_408
    assert count_parameters(networks["critic"]) + head == both
    assert count_parameters(networks["recovery-mask"]) == mask


def test_the_segmenter_is_the_small_u_net():
    with torch.device("meta"):
        assert count_parameters(UNetS()) == 13_395_394


# What is painted from what.


@pytest.mark.parametrize("act", ["relu", "glu"])
@pytest.mark.parametrize("side", [16, 64])
def test_layers_have_their_shapes_and_ranges_and_compose_the_image(side, act):
    check_layers(tiny(side, act=act), side)


@pytest.mark.parametrize("prior", ["categorical", "normal"])
def test_the_private_code_never_reaches_the_background(prior):
    painter = tiny(prior=prior)
    codes = painter.codes(4)
    before = painted(painter, codes)
    other = (codes["c"] + 1) % CODES if prior == "categorical" else codes["c"] + 1
    private, public = (painted(painter, {**codes, **change}) for change in ({"c": other}, {"z": codes["z"] + 1}))
    assert torch.equal(before.background, private.background)
    assert not torch.equal(before.background, public.background)
    for layers in (private, public):
        assert not torch.equal(before.foregrounds, layers.foregrounds)
        assert not torch.equal(before.alphas, layers.alphas)


def test_a_class_stands_for_its_one_hot_vector_at_the_stem_and_at_the_stage():
    painter = tiny().eval()
    codes = painter.codes(4)
    vectors = F.one_hot(codes["c"], CODES).float()
    with torch.no_grad():
        h = painter.next(painter.f(torch.cat([vectors, codes["z"]], dim=1)), vectors)
        assert_close(painter(codes).alphas[:, 0], painter.m_head(h))


def test_codes_are_uniform_classes_or_standard_normal():
    codes = tiny().codes(4000)
    assert codes["z"].shape == (4000, 100)
    assert codes["z"].std().item() == pytest.approx(1, rel=0.02)
    assert (codes["c"].bincount(minlength=CODES) / 4000 - 1 / CODES).abs().max() < 0.02
    normal = tiny(prior="normal", d_c=6).codes(4000)["c"]
    assert normal.shape == (4000, 6)
    assert_close(normal.T.cov(), torch.eye(6), atol=0.1, rtol=0)


def test_the_number_of_classes_follows_the_data_set_and_is_else_twenty():
    with torch.device("meta"):
        assert Milgan(MilganConfig(), ImageSpec(64, classes=120)).size == 120
        assert Milgan(MilganConfig(), ImageSpec(64)).size == 20
        assert Milgan(MilganConfig(n_codes=50), ImageSpec(64, classes=120)).size == 50
        assert Milgan(MilganConfig(prior="normal", d_c=4), ImageSpec(64, classes=120)).size == 4


def test_a_mask_learns_from_the_difference_of_the_layers():
    painter = tiny()
    layers = painter(painter.codes(4))
    for part in (layers.alphas, layers.image):
        part.retain_grad()
    (layers.image.sin() * torch.randn_like(layers.image)).sum().backward()
    difference = layers.foregrounds[:, 0] - layers.background
    expected = (layers.image.grad * difference).sum(dim=1, keepdim=True).detach()
    assert expected.abs().max() > 0.01
    assert_close(layers.alphas.grad[:, 0], expected, atol=1e-6, rtol=0)


# What keeps masks from vanishing.


def blinded(painter, logit=-30.0):
    """Paint with all mask logits held at one value."""
    return painter.m_head[0].register_forward_hook(lambda part, given, out: torch.full_like(out, logit) + 0 * out)


def test_an_empty_mask_shows_the_background_whatever_code_and_perturbation():
    game, terms = composed("milgan", {"regularizers.perturbation.brightness": 0.0})  # the paper moves foregrounds only
    blinded(game.painter)
    codes = balanced(game.painter)
    layers = painted(game.painter, codes)
    assert torch.equal(layers.image, layers.background)
    for _ in range(3):
        assert_close(term_of(terms, "perturbation").compose(layers).image, layers.background, atol=1e-6, rtol=0)
    assert torch.equal(layers.image, painted(game.painter, {**codes, "c": codes["c"].flip(0)}).image)


def mi_of(game, layers):
    return {
        name: loss for name, loss in phase_of(game, "generator").loss(step_with(game, layers)).items() if "mi" in name
    }


def step_with(game, layers):
    step = step_of(game)
    step.painted = step.layers = layers
    return step


def test_with_empty_masks_no_critic_of_codes_beats_chance():
    """All classes share one z, hence one image and one mask; so a balanced batch costs ln n or more, however sure."""
    game, _ = composed("milgan")
    blinded(game.painter)
    codes = balanced(game.painter)
    layers = painted(game.painter, {**codes, "z": codes["z"][:1].expand(CODES, -1)})
    for network in game.networks.values():
        network.eval()
    for spread in (0.0, 1.0, 5.0):
        for head in (game.networks["recovery-image"][-1], game.networks["recovery-mask"].head[-1]):
            nn.init.normal_(head.bias, 0, spread)
        with torch.no_grad():
            losses = mi_of(game, layers)
        assert set(losses) == {"mi/image", "mi/mask"}
        for loss in losses.values():
            assert loss.item() >= math.log(CODES) - 1e-5


def test_a_constant_mask_tells_nothing_of_the_code():
    game, _ = composed("milgan")
    blinded(game.painter, logit=0.7)
    layers = painted(game.painter, balanced(game.painter, 4 * CODES))
    game.networks["recovery-mask"].eval()
    with torch.no_grad():
        nn.init.normal_(game.networks["recovery-mask"].head[-1].bias)
        assert mi_of(game, layers)["mi/mask"].item() >= math.log(CODES) - 1e-5


def test_through_an_empty_mask_the_image_teaches_the_foreground_nothing():
    game, _ = composed("milgan", {"method.mi_mask": False})
    painter = game.painter

    def largest():
        painter.zero_grad()
        (loss,) = mi_of(game, painter(balanced(painter))).values()
        loss.backward()
        grads = [p.grad.abs().max() for part in (painter.f, painter.next, painter.f_head) for p in part.parameters()]
        return max(grads).item()

    seen = largest()
    blinded(painter)
    assert seen > 1e-4
    assert largest() < 1e-8 * seen


# Signs and destinations of the losses.


def follow(network, logits):
    """Make a network answer with these logits."""
    network.forward = lambda x: logits


def test_codes_that_are_recovered_better_cost_less():
    game, _ = composed("milgan")
    painter, losses = game.painter, []
    layers = painted(painter, balanced(painter))
    right = F.one_hot(layers.codes["c"], CODES).float()
    for sure in (0.0, 1.0, 5.0):
        follow(game.networks["recovery-image"], sure * right[..., None, None])
        follow(game.networks["recovery-mask"], sure * right)
        losses.append(mi_of(game, layers))
    for name in ("mi/image", "mi/mask"):
        first, second, third = (loss[name].item() for loss in losses)
        assert first == pytest.approx(math.log(CODES))
        assert first > second > third > 0


def test_a_background_without_objects_costs_less_and_only_the_background_branch_hears_of_it():
    game, terms = composed("milgan", {"training.rounds": 2, "regularizers.background.weight": 1.0})
    penalty = term_of(terms, "background").penalty
    critics = [network for name, network in game.networks.items() if name != "generator"]
    costs = []
    for found in (0.9, 0.5, 0.1):
        segmenter = nn.Conv2d(3, 1, 1)
        nn.init.constant_(segmenter.bias, math.log(found / (1 - found)))
        nn.init.normal_(segmenter.weight, 0, 0.01)
        segmenter.requires_grad_(False)
        game.painter.zero_grad()
        loss = penalty(step_of(game, terms, segment=lambda x, f=segmenter: f(x).sigmoid()))
        loss.backward()
        costs.append(loss.item())
        assert costs[-1] == pytest.approx(-math.log(1 - found), abs=0.1)
        assert silent(segmenter)
    assert costs == sorted(costs, reverse=True)
    assert not silent(game.painter.b)
    assert not silent(game.painter.b_head)
    for part in (game.painter.f, game.painter.next, game.painter.f_head, game.painter.m_head, *critics):
        assert silent(part)


def test_in_the_first_round_there_is_no_segmenter_to_ask():
    game, terms = composed("milgan", {"training.rounds": 2, "regularizers.background.weight": 1.0})
    loss = term_of(terms, "background").penalty(step_of(game, terms))
    assert loss.item() == 0
    assert not loss.requires_grad


def test_an_indifferent_critic_costs_two_and_the_generator_nothing():
    game, terms = composed("milgan")
    game.networks["critic"].forward = lambda x: torch.zeros(len(x))
    game.networks["critic"].head.forward = lambda h: torch.zeros(len(h), 1, 1, 1)
    step = step_of(game, terms)
    assert phase_of(game, "critic").loss(step)["critic"].item() == 2
    assert phase_of(game, "generator").loss(step)["generator"].item() == 0


@pytest.mark.parametrize("on_perturbed", [True, False])
def test_the_image_critic_of_codes_reads_what_the_switch_says_and_the_other_the_unmoved_mask(on_perturbed):
    game, _ = composed("milgan", {"method.mi_on_perturbed": on_perturbed})
    painter = game.painter.train()
    step = step_of(game)
    step.layers = painter(painter.codes(4))  # anything but what was painted
    critic, head, mask = (game.networks[name] for name in ("critic", "recovery-image", "recovery-mask"))
    for network in (critic, head, mask):
        network.eval()
    losses = phase_of(game, "generator").loss(step)
    seen, c = (step.layers if on_perturbed else step.painted).image, step.painted.codes["c"]
    assert_close(losses["mi/image"], F.cross_entropy(head(critic.trunk(seen)).flatten(1), c))
    assert_close(losses["mi/mask"], F.cross_entropy(mask(step.painted.alphas[:, -1]), c))
    assert_close(losses["generator"], -critic(step.layers.image).mean())


def test_a_normal_code_is_recovered_as_the_mean_of_a_gaussian():
    game, _ = composed("milgan", {"generator.prior": "normal", "generator.d_c": 3})
    layers = painted(game.painter, game.painter.codes(4))
    follow(game.networks["recovery-mask"], layers.codes["c"] + torch.tensor([1.0, 0.0, 2.0]))
    assert mi_of(game, layers)["mi/mask"].item() == pytest.approx(2.5)  # half the squared distance
    assert game.cluster is None


def test_the_whole_loss_is_weighed_by_gamma():
    (game, _), (heavy, _) = composed("milgan"), composed("milgan", {"method.gamma_mi": 5.0})
    layers = painted(game.painter, balanced(game.painter))
    for made in (game, heavy):
        for network in made.networks.values():
            network.eval()
    plain, weighed = mi_of(game, layers), mi_of(heavy, layers)
    assert_close({name: 5 * loss for name, loss in plain.items()}, weighed)


def test_layers_without_a_graph_are_what_the_critic_judges_when_it_gets_no_fresh_ones():
    game, terms = composed("milgan", {"method.fresh": False})
    step = step_of(game, terms)
    assert isinstance(step.layers, Layers)
    sum(phase_of(game, "critic").loss(step).values()).backward()
    assert silent(game.painter)
    assert not silent(game.networks["critic"])


def test_the_backgrounds_branch_can_be_narrower():
    narrow, even = (Milgan(MilganConfig(g=8, g_b=g_b, n_codes=10), ImageSpec(32)) for g_b in (4, 0))
    assert count_parameters(narrow.b) < count_parameters(even.b)
    assert count_parameters(narrow.f) == count_parameters(even.f)
    assert narrow(narrow.codes(2)).background.shape == (2, 3, 32, 32)
