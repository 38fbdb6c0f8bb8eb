"""A U-Net that learns painted objects: their order never matters."""

from __future__ import annotations

from itertools import permutations

import pytest
import torch
from lrgan_worlds import SPEC, small
from torch.nn import functional as F
from torch.testing import assert_close

from lgbench import ImageSpec
from lgbench.data import DataHome
from lgbench.errors import BadRecipe
from lgbench.layers import Batch, Layers, Painter
from lgbench.lookup import look_up
from lgbench.nn import count_parameters
from lgbench.recipe import Request
from lgbench.runtime import Runtime
from lgbench.training import Schedule
from lgbench.training.player import Player
from lgbench_segmenters.config import ObjectsConfig
from lgbench_segmenters.objects import ObjectsGame, matched_cross_entropy, unet_objects, visible

pytestmark = pytest.mark.usefixtures("seeded")


def scored(n: int, objects: int, side: int = 6) -> tuple[torch.Tensor, torch.Tensor]:
    scores = torch.randn(n, objects + 1, side, side).log_softmax(dim=1)
    return scores, torch.randint(0, objects + 1, (n, side, side))


def test_what_one_sees_of_each_layer_is_its_opacity_and_what_lies_on_it_lets_through():
    alphas = torch.rand(2, 3, 1, 4, 4)
    a, b, c = alphas[:, :, 0].unbind(1)
    expected = [(1 - a) * (1 - b) * (1 - c), a * (1 - b) * (1 - c), b * (1 - c), c]
    assert_close(visible(alphas), torch.stack(expected, dim=1))
    layers = Layers.compose(torch.rand(2, 3, 4, 4), torch.rand(2, 3, 3, 4, 4), alphas)
    assert_close(visible(alphas)[:, :1], 1 - layers.alpha)


@pytest.mark.parametrize("objects", [2, 3, 4])
def test_the_loss_is_the_best_of_all_orders_of_the_objects_of_each_picture(objects: int):
    scores, labels = scored(5, objects)
    best = []
    for score, label in zip(scores, labels, strict=True):
        orders = (torch.tensor([0, *order]) for order in permutations(range(1, objects + 1)))
        best.append(min(F.nll_loss(score[None], order[label][None]) for order in orders))
    assert_close(matched_cross_entropy(scores, labels), torch.stack(best).mean())


def test_renaming_the_objects_of_a_picture_changes_neither_loss_nor_gradient():
    scores, labels = scored(3, 2)
    renamed = labels.clone()
    renamed[1] = torch.tensor([0, 2, 1])[labels[1]]
    gradients = []
    for names in (labels, renamed):
        leaf = scores.clone().requires_grad_()
        matched_cross_entropy(leaf, names).backward()
        gradients.append(leaf.grad)
    assert_close(*gradients)
    assert_close(matched_cross_entropy(scores, labels), matched_cross_entropy(scores, renamed))


def test_the_background_is_never_taken_for_an_object():
    labels = torch.zeros(1, 4, 4, dtype=torch.long)
    scores = torch.full((1, 3, 4, 4), -1e-4)
    scores[:, 0] = -9.0
    assert matched_cross_entropy(scores, labels).item() == pytest.approx(9)


class Two(Painter):
    """Two squares, one in either half, in an order that chance decides."""

    foregrounds = 2

    def __init__(self) -> None:
        super().__init__()
        self.nothing = torch.nn.Linear(1, 1)

    def codes(self, n: int, batch: Batch | None = None) -> dict[str, torch.Tensor]:
        return {"y": torch.randint(0, 12, (n, 2)), "swap": torch.randint(0, 2, (n,))}

    def forward(self, codes) -> Layers:
        n = len(codes["y"])
        alphas = torch.zeros(n, 2, 1, 32, 32)
        for i in range(n):
            for side, top in enumerate(codes["y"][i].tolist()):
                alphas[i, (side + int(codes["swap"][i])) % 2, 0, top : top + 16, 2 + 16 * side : 14 + 16 * side] = 1
        return Layers.compose(torch.full((n, 3, 32, 32), -0.5), torch.ones(n, 2, 3, 32, 32), alphas, codes=codes)


def test_objects_of_either_order_are_learnt_apart():
    game = unet_objects(ObjectsConfig(width=4, lr=1e-2), Two(), ImageSpec(32))
    player = Player(game, Schedule(60, 8, ema=0.0), Runtime(torch.device("cpu")))
    for number in range(60):
        loss = player.play(number, Batch(torch.zeros(8, 3, 32, 32)), looking=False)["segmenter"]
    assert loss < 0.2
    game.networks["segmenter"].eval()
    layers = game.painter(game.painter.codes(8))
    with torch.no_grad():
        parts = game.predict(layers.image).argmax(dim=1)
    truth = visible(layers.alphas).argmax(dim=1)
    assert ((parts > 0) == (truth > 0)).float().mean() > 0.95
    right = [
        part[label == k].bincount(minlength=3).argmax()
        for part, label in zip(parts, truth, strict=True)
        for k in (1, 2)
    ]
    pairs = torch.stack(right).view(-1, 2)
    assert (pairs[:, 0] != pairs[:, 1]).float().mean() > 0.7


def test_lr_gan_of_three_layers_teaches_a_u_net_of_three_classes():
    painter = small(n_layers=3)
    assert painter.foregrounds == 2
    game = unet_objects(ObjectsConfig(width=4), painter, SPEC)
    step = Player(game, Schedule(2, 4, ema=0.0), Runtime(torch.device("cpu")))
    assert step.play(0, Batch(torch.zeros(4, 3, 32, 32)), looking=False)["segmenter"].isfinite()
    p = game.predict(torch.rand(2, 3, 32, 32))
    assert p.shape == (2, 3, 32, 32)
    assert_close(p.sum(dim=1), torch.ones(2, 32, 32).double())
    assert game.background


def test_a_u_net_of_three_classes_has_the_specified_parameters():
    with torch.device("meta"):
        assert count_parameters(ObjectsGame(ObjectsConfig(), small(n_layers=3)).network) == 13_395_459


def test_one_foreground_is_refused_with_a_way_out():
    with pytest.raises(BadRecipe, match=r"generator\.n_layers=3"):
        unet_objects(ObjectsConfig(), small(), SPEC)


@pytest.mark.parametrize(("dataset", "segmenter"), [("mnist-two", "unet-objects"), ("mnist-one", "unet-s")])
@pytest.mark.parametrize("preset", ["smoke", "small", "paper"])
def test_lr_gan_learns_objects_where_it_paints_several(dataset: str, segmenter: str, preset: str):
    recipe = look_up(Request("lrgan", dataset, preset), DataHome())
    assert recipe.segmenter.name == segmenter
    assert look_up(Request("dcgan", dataset, preset), DataHome()).segmenter is None
