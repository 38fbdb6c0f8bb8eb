import torch

from lgbench.evaluation.collapse import flags, prediction_flags
from lgbench.layers import Layers
from lgbench.training.watch import layer_statistics, training_flags


def layers(alpha: float, f: float, b: float) -> Layers:
    background, foreground = torch.full((2, 3, 4, 4), b), torch.full((2, 1, 3, 4, 4), f)
    return Layers.compose(background, foreground, torch.full((2, 1, 1, 4, 4), alpha))


def test_statistics_say_how_much_is_covered_how_sharply_and_how_far_layers_differ():
    found = layer_statistics(layers(0.25, f=1.0, b=-0.5))
    assert found == {"coverage": 0.25, "greyness": 0.25, "layer_difference": 1.5}


def test_a_whole_image_has_no_layer_statistics():
    assert layer_statistics(Layers.flat(torch.zeros(1, 3, 4, 4))) == {}


def test_collapses_have_names():
    assert flags(coverage=0.97, empty=0, full=0.4, difference=0.5) == ["all_fg"]
    assert flags(coverage=0.5, empty=0.4, full=0.6, difference=0.5) == ["all_fg"]
    assert flags(coverage=0.005, empty=0.3, full=0, difference=0.5) == ["all_bg"]
    assert flags(coverage=0.2, empty=0, full=0, difference=0.01) == ["identical"]
    assert flags(coverage=0.04, empty=0.02, full=0, difference=0.5) == []


def test_a_segmenter_that_finds_nothing_or_everything_is_flagged():
    assert prediction_flags(empty=0.6, full=0.1) == ["finds_nothing"]
    assert prediction_flags(empty=0.1, full=0.6) == ["finds_all"]
    assert prediction_flags(empty=0.5, full=0.5) == []


def test_a_critic_that_has_won_for_good_is_flagged():
    won = [{"step": i, "critic": 0.001, "generator": 9.0} for i in range(20)]
    even = [{"step": i, "critic/real": 0.5, "critic/fake": 0.6} for i in range(20)]
    assert training_flags(won) == ["critic_saturated"]
    assert training_flags(even) == []
