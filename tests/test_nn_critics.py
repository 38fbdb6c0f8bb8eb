"""Spectrally normalised critics and the feature generators: the published sizes, and what the norm promises."""

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from lgbench.nn import (
    BNTrunk,
    ComGANFeatures,
    Critic,
    FineGANFeatures,
    Next,
    SNCodeCritic,
    SNCritic,
    SNTrunk,
    count_parameters,
    sn_code_head,
)

pytestmark = pytest.mark.usefixtures("seeded")


def unnormalised(build, monkeypatch):
    """The network's parameters; without weights, hence without their norms, instant at full width."""
    monkeypatch.setattr("lgbench.nn.critics.spectral_norm", lambda conv: conv)
    monkeypatch.setattr(nn.init, "orthogonal_", lambda weight: weight)
    with torch.device("meta"):
        return count_parameters(build())


@pytest.mark.parametrize(
    ("build", "parameters"),
    [
        (lambda: nn.ModuleList([SNCritic(64), sn_code_head(64, 200)]), 9_122_953),
        (lambda: nn.ModuleList([SNCritic(128), sn_code_head(64, 200)]), 19_871_881),
        (lambda: SNCodeCritic(64, 200), 9_112_712),
        (lambda: SNCodeCritic(128, 200), 19_861_640),
        (lambda: SNCodeCritic(64, 20), 7_637_972),
        (lambda: SNCodeCritic(128, 20), 18_386_900),
        (lambda: sn_code_head(64, 200), 3_998_408),
        (lambda: ComGANFeatures(100, 64, 64), 4_788_032),
        (lambda: ComGANFeatures(100, 64, 128), 4_815_808),
        (lambda: FineGANFeatures(100, 64, 64), 7_939_968),
        (lambda: FineGANFeatures(100, 64, 128), 7_976_960),
        (lambda: FineGANFeatures(120, 64, 64), 8_267_648),
        (lambda: FineGANFeatures(120, 64, 128), 8_304_640),
        (lambda: Next(64, 20), 214_976),
        (lambda: Next(32, 200), 108_640),
    ],
    ids=[
        "D and E_x, 64",
        "D and E_x, 128",
        "E_pi 200, 64",
        "E_pi 200, 128",
        "E_pi 20, 64",
        "E_pi 20, 128",
        "E_x",
        "Phi, 64",
        "Phi, 128",
        "G_b, 64",
        "G_b, 128",
        "G_f, 64",
        "G_f, 128",
        "stage 1",
        "stage 2",
    ],
)
def test_networks_have_the_specified_parameter_counts(build, parameters, monkeypatch):
    assert unnormalised(build, monkeypatch) == parameters


def test_spectral_norm_adds_buffers_and_no_parameters(monkeypatch):
    with_norm = count_parameters(SNCodeCritic(32, 7, d=4))
    assert with_norm == unnormalised(lambda: SNCodeCritic(32, 7, d=4), monkeypatch)


@pytest.mark.parametrize("resolution", [16, 32, 64])
def test_spectral_critics_end_in_one_score_or_one_number_a_class(resolution):
    x = torch.randn(2, 3, resolution, resolution)
    assert SNTrunk(resolution, 2)(x).shape == (2, 16, 4, 4)
    assert SNCritic(resolution, 2)(x).shape == (2,)
    assert SNCodeCritic(resolution, 5, 2)(x[:, :1]).shape == (2, 5)


def test_widths_of_a_spectral_trunk_double_without_a_bound():
    convolutions = [block[0] for block in SNTrunk(128, 2)]
    assert [conv.out_channels for conv in convolutions] == [2, 4, 8, 16, 32, 16]
    assert all(conv.bias is not None for conv in convolutions)


def largest_singular_values(network):
    return torch.stack(
        [
            torch.linalg.matrix_norm(part.weight.detach().flatten(1), 2)
            for part in network.modules()
            if isinstance(part, nn.Conv2d)
        ]
    )


def test_spectral_norm_bounds_the_largest_singular_value_of_every_convolution():
    network, x = SNCodeCritic(16, 5, d=2), torch.randn(2, 1, 16, 16)
    for part in network.modules():
        if isinstance(part, nn.Conv2d):
            nn.init.normal_(part.parametrizations.weight.original, std=2.0)
    assert len(largest_singular_values(network)) == 5
    assert largest_singular_values(network).max() > 1.05  # the power iteration still points at the old weights
    for _ in range(60):
        network(x)
    assert_close(largest_singular_values(network), torch.ones(5), atol=0.02, rtol=0)


def test_a_spectral_critic_in_eval_mode_does_not_move_its_estimate():
    network, x = SNCritic(16, 2), torch.randn(2, 3, 16, 16)
    nn.init.normal_(network.head.parametrizations.weight.original)
    network.eval()
    assert torch.equal(network(x), network(x))
    network.train()
    assert not torch.equal(network(x), network(x))


def test_a_spectral_critics_state_dict_is_all_that_another_one_needs():
    first, second, x = SNCritic(16, 2), SNCritic(16, 2), torch.randn(2, 3, 16, 16)
    nn.init.normal_(first.head.parametrizations.weight.original)
    first(x)
    assert not torch.equal(first.eval()(x), second.eval()(x))
    second.load_state_dict(first.state_dict())
    assert torch.equal(first(x), second(x))
    assert torch.equal(first.train()(x), second.train()(x))  # the power iteration goes on from the same vectors


def test_without_batch_norm_a_trunk_has_biases_and_scores_each_image_on_its_own():
    trunk = BNTrunk(32, 2, norm=False)
    assert not any(isinstance(part, nn.BatchNorm2d) for part in trunk)
    assert all(part.bias is not None for part in trunk if isinstance(part, nn.Conv2d))
    critic, x = Critic(32, 2, norm=False), torch.randn(4, 3, 32, 32)
    assert_close(critic(x)[:1], critic(x[:1]))


def test_features_of_comgan_come_at_every_side_and_end_at_a_quarter_of_the_width():
    found = ComGANFeatures(10, 8, 32)(torch.randn(2, 10))
    assert [tuple(h.shape[1:]) for h in found] == [(64, 4, 4), (32, 8, 8), (16, 16, 16), (2, 32, 32)]


@pytest.mark.parametrize(("resolution", "widths"), [(32, [32, 16, 8, 2]), (64, [32, 16, 8, 4, 2])])
def test_features_of_finegan_halve_down_to_the_base_width(resolution, widths):
    network, h = FineGANFeatures(10, 2, resolution), torch.randn(2, 10)
    for part, width in zip(network, widths, strict=True):
        h = part(h)
        assert h.shape[1] == width
    assert h.shape == (2, 2, resolution, resolution)


def test_a_critics_features_are_the_outputs_of_its_first_four_blocks():
    critic = SNCritic(32, 2).eval()
    x = torch.randn(2, 3, 32, 32)
    seen = critic.features(x)
    assert [h.shape[-1] for h in seen] == [16, 8, 4, 4]
    assert torch.equal(seen[-1], critic.trunk(x))
