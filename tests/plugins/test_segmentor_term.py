"""The segmentor regularizer on a painter of class maps: who learns from what, joint or frozen, and who is refused."""

import math

import pytest
import torch
from torch import nn
from torch.testing import assert_close
from weights import same, weights

import lgbench_regularizers
from lgbench import ImageSpec, LgbenchError
from lgbench.game import Game, Phase, Weighted
from lgbench.layers import Batch, Layers, Painter
from lgbench.losses import segmentation
from lgbench.nn import Segmentor, count_parameters, one_hot
from lgbench.runtime import Runtime
from lgbench.training import Schedule
from lgbench.training.player import Player
from lgbench_regularizers.config import SegmentorConfig
from lgbench_regularizers.segmentor import segmentor

pytestmark = pytest.mark.usefixtures("seeded")

SPEC = ImageSpec(16, segments=3)
TINY = SegmentorConfig(width=4, lr=1e-2)


class Colouring(Painter):
    """A colour for each class, without a latent: as pix2pix, it is told class maps and nothing else."""

    layered = False
    conditional = frozenset({"segments"})

    def __init__(self) -> None:
        super().__init__()
        self.colours = nn.Conv2d(3, 3, 1)

    def codes(self, n, batch=None):
        return {"s": batch.segments}

    def forward(self, codes):
        return Layers.flat(self.colours(one_hot(codes["s"], 3)).float().tanh(), codes=dict(codes))


def real(n=8):
    """Class k has an intensity of its own."""
    segments = torch.randint(3, (n, 4, 4), dtype=torch.uint8).repeat_interleave(4, 1).repeat_interleave(4, 2)
    return Batch(segments[:, None].expand(-1, 3, -1, -1).float() - 1, segments=segments)


def player(config, weight=1.0, every=1):
    painter = Colouring()
    term = segmentor(config, painter, SPEC)
    nothing = Phase("generator", ["generator"], lambda step: {}, every=every, regularized=True, lr=1e-2)
    game = Game(painter, {"generator": painter}, [nothing], terms=[Weighted("segmentor", weight, term)])
    cpu = Runtime(torch.device("cpu"), channels_last=False)
    return Player(game, Schedule(100, 8), cpu), term


def network_of(term):
    return term.networks["segmentor"] if term.networks else term.lessons[0].network


def test_the_record_reads_class_maps_and_nothing_else():
    record = next(r for r in lgbench_regularizers.regularizers() if r.name == "segmentor")
    assert record.needs == {"segments"}
    assert record.config_class is SegmentorConfig
    config = SegmentorConfig()
    assert (config.kind, config.width, config.mode, config.epochs) == ("small", 64, "joint", 20)
    assert (config.reduction, config.lr) == ("mean", 1e-4)
    with torch.device("meta"):
        term = record.build(config, Colouring(), ImageSpec(64, segments=7))
    assert count_parameters(term.networks["segmentor"]) == 1_482_279


def test_a_painter_that_is_told_no_class_map_is_refused():
    class Blind(Colouring):
        conditional = frozenset({"images"})

    with pytest.raises(LgbenchError, match=r"told images\..*--without segmentor"):
        segmentor(TINY, Blind(), SPEC)


def test_a_joint_segmentor_learns_in_a_phase_of_its_own_before_the_painter():
    playing, term = player(TINY)
    assert [phase.name for phase in playing.phases] == ["segmentor", "generator"]
    assert playing.trained == {"segmentor": ["segmentor"], "generator": ["generator"]}
    assert playing.reads == {"segments"}
    (phase,) = term.phases
    assert (phase.lr, phase.betas, phase.every) == (1e-2, (0.5, 0.999), 1)
    assert not term.lessons


def test_the_penalty_reads_the_class_map_that_was_painted_off_what_was_painted():
    playing, term = player(TINY, weight=3.0)
    step = playing._paint(0, real())
    expected = segmentation(network_of(term)(step.layers.image), step.layers.codes["s"])
    assert_close(term.penalty(step), expected)
    (total,) = playing._move(playing.phases[1], [step]).values()
    assert_close(total, 3 * expected.detach())


def test_a_summed_penalty_weighs_as_much_as_there_are_pixels():
    steps = {}
    for reduction in ("mean", "sum"):
        torch.manual_seed(0)
        playing, term = player(SegmentorConfig(width=4, reduction=reduction))
        steps[reduction] = term.penalty(playing._paint(0, real()))
    assert_close(steps["sum"], 256 * steps["mean"])


@pytest.mark.parametrize("mode", ["joint", "pretrained_frozen"])
def test_the_segmentor_gets_no_gradient_from_the_painters_move(mode):
    playing, term = player(SegmentorConfig(width=4, mode=mode))
    network = network_of(term)
    before, painted = weights(network), weights(playing.game.painter)
    playing._move(playing.phases[-1], [playing._paint(0, real())])
    assert same(before, weights(network))
    assert all(parameter.grad is None for parameter in network.parameters())
    assert not same(painted, weights(playing.game.painter))


def test_the_painter_gets_no_gradient_from_the_segmentors_move():
    playing, term = player(TINY)
    painter, network = playing.game.painter, network_of(term)
    before, read = weights(painter), weights(network)
    playing._move(playing.phases[0], [playing._paint(0, real())])
    assert same(before, weights(painter))
    assert all(parameter.grad is None for parameter in painter.parameters())
    assert not same(read, weights(network))


@pytest.mark.parametrize("mode", ["joint", "pretrained_frozen"])
def test_gradients_go_through_the_segmentor_to_every_part_of_the_image(mode):
    playing, term = player(SegmentorConfig(width=4, mode=mode))
    step = playing._paint(0, real())
    (slope,) = torch.autograd.grad(term.penalty(step), step.layers.image)
    assert slope.abs().amax(dim=1).min() > 0


def test_a_frozen_segmentor_stays_bit_identical_while_the_painter_learns():
    playing, term = player(SegmentorConfig(width=4, mode="pretrained_frozen"))
    assert not term.networks
    assert not term.phases
    assert not term.reads  # at a step; the lesson before it reads class maps
    before, painted = weights(network_of(term)), weights(playing.game.painter)
    for number in range(5):
        playing.play(number, real(), looking=True)
    assert same(before, weights(network_of(term)))
    assert not same(painted, weights(playing.game.painter))


def test_what_is_learnt_before_the_training_is_a_lesson_of_real_images_alone():
    _, term = player(SegmentorConfig("wide", 4, "pretrained_frozen", epochs=3, reduction="sum", lr=1e-3))
    (lesson,) = term.lessons
    assert lesson.name == "segmentor wide 4"
    assert (lesson.reads, lesson.epochs, lesson.batch, lesson.lr) == ({"segments"}, 3, 16, 1e-3)
    assert lesson.betas == (0.5, 0.999)
    images = real()
    expected = segmentation(lesson.network(images.images), images.segments)
    assert_close(lesson.loss(images), expected)  # the mean: `reduction` is the term's


def test_a_lesson_may_still_be_learnt_after_the_term_was_built_and_is_held_from_then_on():
    playing, term = player(SegmentorConfig(width=4, mode="pretrained_frozen"))
    (lesson,) = term.lessons
    before = weights(lesson.network)
    adam = torch.optim.Adam(lesson.network.parameters(), lr=1e-2)
    lesson.loss(real()).backward()
    adam.step()
    assert not same(before, weights(lesson.network))
    adam.zero_grad()
    playing.play(0, real(), looking=False)
    assert all(parameter.grad is None for parameter in lesson.network.parameters())


def test_painter_and_segmentor_learn_together_that_classes_look_as_in_real_images():
    playing, _ = player(TINY)
    losses = [float(playing.play(number, real(), False)["segmentor"]) for number in range(120)]
    assert losses[0] > 0.7 * math.log(3)
    assert sum(losses[-10:]) / 10 < 0.3
    shades = playing.game.painter(playing.game.painter.codes(3, real_of_each_class())).image.mean(dim=(1, 2, 3))
    assert shades.argsort().tolist() == [0, 1, 2]


def real_of_each_class():
    segments = torch.arange(3, dtype=torch.uint8)[:, None, None].expand(3, 16, 16)
    return Batch(torch.zeros(3, 3, 16, 16), segments=segments)


def test_the_segmentor_moves_at_every_step_and_the_painter_at_its_own():
    playing, term = player(TINY, every=3)
    moved = []
    for number in range(6):
        before = weights(network_of(term)), weights(playing.game.painter)
        playing.play(number, real(), looking=False)
        moved.append(
            (not same(before[0], weights(network_of(term))), not same(before[1], weights(playing.game.painter)))
        )
    assert moved == [(True, False), (True, False), (True, True)] * 2


def test_ignored_pixels_are_punished_nowhere():
    playing, term = player(TINY)
    given = real()
    given.segments[:, :8] = 255
    step = playing._paint(0, given)
    network = Segmentor(3, width=4)
    network.load_state_dict(network_of(term).state_dict())
    logits = network(step.layers.image)
    assert_close(term.penalty(step), segmentation(logits[:, :, 8:], given.segments[:, 8:]))
