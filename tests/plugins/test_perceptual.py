"""Distances between pictures as a network sees them; the networks' weights are a user's files."""

import pickle
from pathlib import Path

import pytest
import torch
from torch.testing import assert_close

from lgbench import LgbenchError
from lgbench_regularizers.perceptual import compare_features
from lgbench_regularizers.perceptual import distance as with_weights


@pytest.fixture(autouse=True)
def seeded(monkeypatch):
    torch.manual_seed(0)
    for name in ("LGBENCH_SQUEEZENET", "LGBENCH_VGG16", "LGBENCH_ROTNET_VGG16"):
        monkeypatch.delenv(name, raising=False)


def distance(name, weights="", layers=""):
    return with_weights(name, weights, layers)[0]


def random_weights(name):
    import torchvision

    with torch.device("meta"):  # shapes alone
        whole = torchvision.models.get_model(name)
    state = whole.features.state_dict()
    return {f"features.{key}": drawn(key, value) for key, value in state.items()}


def drawn(key, like):
    if "num_batches" in key:
        return torch.tensor(7)
    return 0.05 * torch.randn(like.shape) + ("running_var" in key)


def published(state):
    """A checkpoint as DeeperCluster's training saves it: a network trained in parallel, with head and classifier."""
    network = {f"module.body.{key}": value for key, value in state.items()}
    rest = {"module.body.classifier.0.weight": torch.zeros(4, 8), "module.pred_layer.weight": torch.zeros(4, 4)}
    return {"epoch": 3, "state_dict": {**network, **rest}}


@pytest.fixture(scope="module")
def squeezenet(tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "squeezenet.pth"
    torch.manual_seed(0)
    torch.save(random_weights("squeezenet1_1"), path)
    return path


def pictures():
    return torch.rand(2, 3, 32, 32) * 2 - 1, torch.rand(2, 3, 32, 32) * 2 - 1


def test_pixels_are_squared_differences_summed_over_channels():
    x, y = torch.zeros(2, 3, 4, 4), torch.full((2, 3, 4, 4), 0.5)
    assert distance("pixel")(x, y, None).item() == pytest.approx(0.75)


def test_features_count_by_their_direction_at_each_position():
    """One layer with two channels, at right angles at half of the positions: 2 there, 0 elsewhere."""
    x = torch.tensor([[[[3.0, 3.0]], [[0.0, 0.0]]]])
    y = torch.tensor([[[[9.0, 0.0]], [[0.0, 0.1]]]])
    assert compare_features(lambda h: [h], x, y).item() == pytest.approx(1)
    assert compare_features(lambda h: [h, h], x, y).item() == pytest.approx(2)  # layers add up


def test_features_that_are_all_zero_have_a_finite_gradient():
    x = torch.zeros(1, 2, 2, 2, requires_grad=True)
    compare_features(lambda h: [h.relu()], x, torch.ones(1, 2, 2, 2)).backward()
    assert x.grad.isfinite().all()


def test_disc_is_pixels_and_what_the_critic_sees():
    x, y = pictures()
    see = lambda h: [h.square()]  # noqa: E731
    assert_close(distance("disc")(x, y, see), distance("pixel")(x, y, None) + compare_features(see, x, y))


def test_a_network_from_a_file_compares_pictures_and_is_not_taught(squeezenet):
    compare, (x, y) = distance("squeezenet", str(squeezenet)), pictures()
    x.requires_grad_()
    value = compare(x, y, None)
    value.backward()
    assert value.item() > distance("pixel")(x, y, None).item()
    assert x.grad.abs().max() > 0
    assert compare(x, x, None).item() == 0


def test_the_environment_can_name_the_file(squeezenet, monkeypatch):
    x, y = pictures()
    by_setting = distance("squeezenet", str(squeezenet))(x, y, None)
    monkeypatch.setenv("LGBENCH_SQUEEZENET", str(squeezenet))
    assert torch.equal(distance("squeezenet")(x, y, None), by_setting)


def test_an_image_is_normalised_as_the_networks_were_trained(squeezenet):
    from lgbench_regularizers.perceptual import Eye

    network, seen = Eye("squeezenet", torch.load(squeezenet)), []
    network.convolutions[0].register_forward_hook(lambda part, given, out: seen.append(given[0]))
    grey = torch.tensor([0.485, 0.456, 0.406])[:, None, None].expand(3, 32, 32)
    found = network(2 * grey[None] - 1)
    assert_close(seen[0], torch.zeros(1, 3, 32, 32), atol=1e-6, rtol=0)
    assert len(found) == 7
    assert not any(p.requires_grad for p in network.parameters())


@pytest.fixture(scope="module")
def rotnet(tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "rotnet_imagenet.pth"
    torch.manual_seed(0)
    torch.save(published(random_weights("vgg16_bn")), path)
    return path


def test_a_rotnet_reads_the_last_activation_of_each_stage_of_a_vgg_with_batch_norm(rotnet):
    """Checked against torchvision's own network, whose activations before each pooling are what L_percp reads."""
    import torchvision

    from lgbench_regularizers.perceptual import Eye, _weights

    x, _ = pictures()
    found = Eye("rotnet_vgg16", _weights("rotnet_vgg16", str(rotnet)))(x)
    plain = torchvision.models.vgg16_bn(weights=None).features.eval()
    state = torch.load(rotnet)["state_dict"]
    prefix = "module.body.features."
    plain.load_state_dict({k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)})
    h, expected = ((x + 1) / 2 - torch.tensor([0.485, 0.456, 0.406])[:, None, None]), []
    h = h / torch.tensor([0.229, 0.224, 0.225])[:, None, None]
    for part in plain:
        if isinstance(part, torch.nn.MaxPool2d):
            expected.append(h)
        h = part(h).clone()
    assert [tuple(h.shape[1:]) for h in found] == [(64, 32, 32), (128, 16, 16), (256, 8, 8), (512, 4, 4), (512, 2, 2)]
    for ours, theirs in zip(found, expected, strict=True):
        assert_close(ours, theirs)


def test_a_rotnet_compares_pictures(rotnet):
    compare, (x, y) = distance("rotnet_vgg16", str(rotnet)), pictures()
    assert compare(x, y, None).item() > distance("pixel")(x, y, None).item()
    assert compare(x, x, None).item() == 0


def test_running_statistics_are_among_the_weights_that_a_record_tells(rotnet, tmp_path):
    _, told = with_weights("rotnet_vgg16", str(rotnet))
    checkpoint = torch.load(rotnet)
    checkpoint["state_dict"]["module.body.features.1.num_batches_tracked"] += 1
    torch.save(checkpoint, tmp_path / "counted.pth")
    assert with_weights("rotnet_vgg16", str(tmp_path / "counted.pth"))[1] == told  # counts nothing that it computes
    checkpoint["state_dict"]["module.body.features.1.running_mean"] += 0.1
    torch.save(checkpoint, tmp_path / "other.pth")
    assert with_weights("rotnet_vgg16", str(tmp_path / "other.pth"))[1] != told


def test_a_vgg_without_batch_norm_is_no_rotnet_and_the_other_way_round(rotnet, tmp_path):
    torch.save(random_weights("vgg16"), tmp_path / "vgg16.pth")
    assert "VGG16 with batch norm" in refusal("rotnet_vgg16", tmp_path / "vgg16.pth")
    assert "not its convolutions" in refusal("vgg16_imagenet", rotnet)
    assert distance("vgg16_imagenet", str(tmp_path / "vgg16.pth"))(*pictures(), None) > 0


def refusal(name, weights=""):
    with pytest.raises(LgbenchError) as caught:
        distance(name, str(weights))
    return str(caught.value)


@pytest.mark.parametrize("name", ["squeezenet", "rotnet_vgg16"])
def test_missing_weights_are_named_with_where_to_put_them_and_what_needs_none(tmp_path, name):
    missing = tmp_path / "nothing.pth"
    message = refusal(name, missing)
    assert str(missing) in message
    assert "regularizers.equivariance.weights=FILE" in message
    assert "distance=disc" in message
    unnamed = refusal(name)
    assert "LGBENCH_" in unnamed
    assert unnamed.startswith(f"No weights for {name}. Name their file")


def test_weights_of_another_network_are_refused(tmp_path):
    torch.save({"features.0.weight": torch.zeros(4, 3, 3, 3)}, tmp_path / "other.pth")
    assert "not its convolutions" in refusal("squeezenet", tmp_path / "other.pth")
    torch.save([1, 2, 3], tmp_path / "list.pth")
    assert "not its convolutions" in refusal("squeezenet", tmp_path / "list.pth")


def test_a_file_that_is_no_weights_is_refused(tmp_path):
    for content in (b"", b"hello", pickle.dumps({"a": Path("x")}, protocol=2), b"PK" + bytes(60)):
        (tmp_path / "text.pth").write_bytes(content)
        text = refusal("squeezenet", tmp_path / "text.pth")
        assert "not a file of weights" in text
        assert "weights_only" not in text


def test_a_record_can_tell_which_weights_were_read(squeezenet, tmp_path):
    _, told = with_weights("squeezenet", str(squeezenet))
    again, other = tmp_path / "again.pth", tmp_path / "other.pth"
    torch.save({"state_dict": torch.load(squeezenet)}, again)
    torch.manual_seed(1)
    torch.save(random_weights("squeezenet1_1"), other)
    assert [*told] == ["squeezenet"]
    assert with_weights("squeezenet", str(again))[1] == told
    assert with_weights("squeezenet", str(other))[1] != told
    assert with_weights("pixel")[1] == {}


def test_other_layers_of_a_network_are_read_by_their_numbers(squeezenet):
    x, y = pictures()
    usual = distance("squeezenet", str(squeezenet))(x, y, None)
    assert torch.equal(distance("squeezenet", str(squeezenet), "12, 11,10,9,7,4,1")(x, y, None), usual)
    assert distance("squeezenet", str(squeezenet), "1")(x, y, None) < usual


@pytest.mark.parametrize(
    ("name", "layers", "advice"),
    [
        ("squeezenet", "1,two", "numbers with commas, say 3,8,15"),
        ("squeezenet", "1,13", "has the layers 0 to 12, and no 13"),
        ("disc", "1", "distance to one of squeezenet, vgg16_imagenet, rotnet_vgg16"),
    ],
)
def test_layers_that_are_none_are_refused(squeezenet, name, layers, advice):
    with pytest.raises(LgbenchError, match=advice):
        distance(name, str(squeezenet), layers)
