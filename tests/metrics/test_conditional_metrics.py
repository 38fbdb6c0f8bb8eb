"""Consistency, attribute accuracy and diversity, on mosaics that a painter may copy, mix up or vary."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch
from mosaics import COLOURS, MOSAICS, mosaics
from sklearn.metrics import accuracy_score, confusion_matrix, jaccard_score
from torch import Tensor, nn

from lgbench import Dataset, Generator, ImageSpec, Method, NoConfig, Regularizer
from lgbench.contradictions import contradictions
from lgbench.data import DataHome, Split
from lgbench.data.samples import RawDataset, Sample
from lgbench.game import Game, Phase, Term
from lgbench.layers import Batch, Layers, Painter
from lgbench.plugins import registry
from lgbench.progress import Quiet
from lgbench.recipe import Request, resolve
from lgbench.record import read_record
from lgbench.rescore import rescore
from lgbench.run import Place, chosen_metrics, run
from lgbench_metrics.conditional.judges import (
    AttributeReader,
    agreement,
    attribute_accuracy,
    between,
    confusion,
    region_ious,
)


def maps(n: int, ignored: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(n)
    predicted, true = random.integers(0, 5, (2, n, 9, 7), dtype=np.uint8)
    true[random.random(true.shape) < ignored] = 255
    return predicted, true


@pytest.mark.parametrize("ignored", [0.0, 0.3])
def test_agreement_and_ious_are_scikit_learns(ignored: float):
    predicted, true = maps(40, ignored)
    joint = confusion(predicted, true, 5)
    for found, counts, one, other in zip(agreement(joint), joint, predicted, true, strict=True):
        assert found == accuracy_score(other[other < 255], one[other < 255])
        assert np.array_equal(counts, confusion_matrix(other[other < 255], one[other < 255], labels=range(5)))
    known = true < 255
    expected = jaccard_score(true[known], predicted[known], average=None, labels=range(5))
    np.testing.assert_allclose(region_ious(joint), expected, atol=1e-15)


def test_a_class_that_nobody_has_has_no_iou():
    predicted, true = maps(3)
    ious = region_ious(confusion(predicted, true, 7))
    assert np.isnan(ious[5:]).all()
    assert np.isfinite(ious[:5]).all()


def test_an_image_without_a_known_pixel_agrees_in_nothing():
    predicted, true = maps(2)
    true[0] = 255
    assert agreement(confusion(predicted, true, 5))[0] == 0


def test_a_score_is_placed_between_floor_and_ceiling_only_where_they_are_apart():
    _, true = maps(6)
    own, others = confusion(true, true, 5), confusion(true, np.roll(true, 1, axis=0), 5)
    learnt = between(0.5, own, others)
    assert learnt["ceiling"] == 1
    assert learnt["normalised"] == pytest.approx((0.5 - learnt["floor"]) / (1 - learnt["floor"]))
    nothing = confusion(np.full_like(true, 9), true, 10)
    assert between(0.5, nothing, nothing) == {"floor": 0, "ceiling": 0}  # the judge has learnt nothing
    assert between(0.5, others, own) == {"ceiling": learnt["floor"], "floor": 1}  # or the wrong way round
    assert between(0.5, own[:1], None) == {"ceiling": 1}  # an image is not another than itself


@pytest.mark.parametrize(("side", "critic", "top"), [(64, 11_155_392, 1024), (32, 2_761_152, 512)])
def test_the_classifier_is_scgans_critic_with_its_attribute_head_alone(side: int, critic: int, top: int):
    """The critic's count without classifier (section 3.6), without its patch head, with the 2 x 2 head."""
    with torch.device("meta"):
        found = sum(p.numel() for p in AttributeReader(5, side).parameters())
    assert found == critic - 9 * top + 5 * 4 * top


@dataclass(frozen=True)
class Habits:
    """How a painter errs: in "maps", in "attributes", by being "noisy", or not at all."""

    wrong: str = ""


class Copyist(Painter):
    """Paints mosaics from class maps and attributes as their world does, unless told to err."""

    layered = False
    conditional = frozenset({"segments", "attributes"})

    def __init__(self, config: Habits, spec: ImageSpec) -> None:
        super().__init__()
        self.wrong = config.wrong
        self.colours = nn.Parameter(torch.from_numpy(COLOURS).float() / 127.5 - 1)

    def codes(self, n: int, batch: Batch | None = None) -> dict[str, Tensor]:
        assert batch is not None
        assert batch.segments is not None
        assert batch.attributes is not None
        s, c = batch.segments, batch.attributes
        z = torch.randn(n, 1) if self.wrong == "noisy" else torch.zeros(n, 1)
        s, c = (s.roll(1, 0) if self.wrong == "maps" else s), (1 - c if self.wrong == "attributes" else c)
        return {"z": z, "s": s, "c": c}

    def forward(self, codes: Mapping[str, Tensor]) -> Layers:
        image = self.colours[codes["s"].long()].permute(0, 3, 1, 2)
        image = image - 0.6 * codes["c"][:, 0, None, None, None] + 0.05 * codes["z"][..., None, None]
        return Layers.flat(image.clamp(-1, 1), codes=dict(codes))


class Blind(Copyist):
    conditional = frozenset()

    def codes(self, n: int, batch: Batch | None = None) -> dict[str, Tensor]:
        return {"z": torch.zeros(n, 1), "s": torch.zeros(n, 16, 16, dtype=torch.uint8), "c": torch.zeros(n, 2)}


class Mapped(Copyist):
    """Told class maps alone."""

    conditional = frozenset({"segments"})

    def codes(self, n: int, batch: Batch | None = None) -> dict[str, Tensor]:
        assert batch is not None
        assert batch.segments is not None
        assert batch.attributes is None
        return {"z": torch.zeros(n, 1), "s": batch.segments, "c": torch.zeros(n, 2)}


def reader(config: object, painter: Painter, spec: ImageSpec) -> Term:
    zeros = torch.eye(spec.segments)[0].view(1, -1, 1, 1)
    return Term(regions=lambda images: zeros.expand(len(images), -1, *images.shape[2:]))


class Dyer(Copyist):
    """Paints the one colour that it is told, or always the first."""

    conditional = frozenset({"attributes"})

    def codes(self, n: int, batch: Batch | None = None) -> dict[str, Tensor]:
        assert batch is not None
        assert batch.attributes is not None
        return {"z": torch.zeros(n, 1), "c": batch.attributes}

    def forward(self, codes: Mapping[str, Tensor]) -> Layers:
        chosen = codes["c"].argmax(dim=1)
        chosen = chosen if not self.wrong else torch.zeros_like(chosen)
        return Layers.flat(self.colours[chosen][..., None, None].expand(-1, -1, 16, 16), codes=dict(codes))


def cloths(config: NoConfig, resolution: int, home: object) -> RawDataset:
    def samples():
        for index in range(80):
            image = np.broadcast_to(COLOURS[index % 4], (resolution, resolution, 3))
            yield Sample(np.array(image), name=f"{index}", attributes=np.eye(4, dtype=np.uint8)[index % 4])

    return RawDataset(
        splits={"train": samples, "test": samples},
        counts={"train": 80, "test": 80},
        origin="procedural",
        provides=frozenset({"attributes"}),
        attribute_names=("red", "green", "blue", "yellow"),
    )


CLOTHS = Dataset(
    name="cloths",
    summary="one colour of four",
    build=cloths,
    provides=frozenset({"attributes"}),
    resolution=16,
    offline=True,
)


def scored(
    tmp_path: Path, painter: type = Copyist, wrong: str = "", dataset: Dataset = MOSAICS, **more: object
) -> dict:
    """The values of a run whose painter is as it is: its only step has a rate of nothing."""
    game = lambda config, made, spec: Game(  # noqa: E731
        painter=made,
        networks={"generator": made},
        phases=[Phase("generator", ["generator"], lambda step: {"none": 0 * made.colours.sum()}, lr=0.0)],
    )
    generator = Generator(name="copyist", summary="", build=painter, config=Habits, layered=False)
    method = Method(name="copyist", summary="", paper="", citation="", generator="copyist", build=game)
    settings = {
        "generator.wrong": wrong,
        "training.steps": 1,
        "training.batch": 4,
        "training.flip": False,
        "training.ema": 0,
        "evaluation.samples": 4,
        "evaluation.metrics": "spatial-consistency,attribute-accuracy,diversity",
        "evaluation.judge": "small",
        "evaluation.judge_epochs": 30,
        "evaluation.conditions": 20,
    } | more
    known = {"reader": Regularizer(name="reader", summary="reads zeros", build=reader, needs=frozenset())}
    recipe = resolve(method, generator, dataset, known, {}, Request("copyist", dataset.name, settings=settings))
    metrics = chosen_metrics(recipe.evaluation.metrics, registry().metrics)
    path = run(recipe, Place(tmp_path / "runs", DataHome(tmp_path / "home"), torch.device("cpu")), metrics, (), Quiet())
    assert not [fault for fault in contradictions(read_record(path)) if fault.startswith("values")]  # boards take it
    return json.loads(path.read_text())["values"]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One data home, so that its judges are taught once for all tests."""
    return tmp_path_factory.mktemp("mosaics")


def test_a_faithful_painter_scores_as_real_images_do(home: Path):
    values = scored(home)
    consistency, accuracy = values["spatial-consistency"], values["attribute-accuracy"]
    assert consistency["details"]["ceiling"] > 0.9
    assert consistency["value"] == pytest.approx(consistency["details"]["ceiling"], abs=0.02)
    assert consistency["details"]["normalised"] == pytest.approx(1, abs=0.05)
    assert consistency["details"]["floor"] < 0.4
    assert accuracy["details"]["real"] > 0.9
    assert accuracy["value"] == pytest.approx(accuracy["details"]["real"], abs=0.05)
    assert values["diversity"]["value"] == 0
    assert consistency["n"] == 60
    assert consistency["protocol"]["samples"] == 60
    assert consistency["protocol"]["extractor"] == "segmentor-small, 30 epochs"
    assert len(consistency["protocol"]["weights"]) == 64
    assert consistency["protocol"]["given"] == "attributes and segments of test, 3 latents"


def test_what_the_generators_own_segmentor_reads_stands_beside_the_judges_word(home: Path):
    alone = scored(home)["spatial-consistency"]["details"]
    details = scored(home, **{"regularizers.reader.weight": 1.0})["spatial-consistency"]["details"]
    shown = islice(mosaics(NoConfig(), 16, None).splits["test"](), 20)  # `evaluation.conditions`
    zeros = np.mean([sample.segments == 0 for sample in shown])
    assert details == {**alone, "own": pytest.approx(zeros)}


def test_other_peoples_class_maps_score_at_the_floor_and_their_attributes_as_before(home: Path):
    values = scored(home, wrong="maps")
    details = values["spatial-consistency"]["details"]
    assert abs(details["normalised"]) < 0.15
    assert values["attribute-accuracy"]["value"] > 0.8


def test_wrong_attributes_cost_their_accuracy_alone(home: Path):
    values = scored(home, wrong="attributes")
    assert values["attribute-accuracy"]["details"]["dark"] < 0.2
    assert values["spatial-consistency"]["details"]["normalised"] > 0.9


ONE_OF_FOUR = {"evaluation.metrics": "attribute-accuracy", "evaluation.judge_epochs": 60}


def test_of_attributes_that_exclude_each_other_the_one_that_is_on_is_read(home: Path, monkeypatch: pytest.MonkeyPatch):
    accuracy = scored(home, Dyer, dataset=CLOTHS, **ONE_OF_FOUR)["attribute-accuracy"]
    assert accuracy["value"] == accuracy["details"]["real"] == accuracy["details"]["normalised"] == 1
    assert accuracy["details"]["floor"] < 0.5
    assert accuracy["n"] == 60
    assert accuracy["protocol"]["extractor"] == "softmax classifier-32, 60 epochs"
    always = scored(home, Dyer, "attributes", dataset=CLOTHS, **ONE_OF_FOUR)["attribute-accuracy"]
    assert always["value"] == 1 / 4
    assert {name: always["details"][name] for name in ("red", "green", "blue", "yellow")} == {
        "red": 1,
        "green": 0,
        "blue": 0,
        "yellow": 0,
    }
    found = max((home / "runs").iterdir(), key=lambda folder: folder.stat().st_mtime)
    monkeypatch.setattr("lgbench.lessons.teach", None)
    rescored = rescore(found, registry().metrics, ())
    assert rescored.changed == {}
    assert rescored.values["attribute-accuracy"]["details"] == always["details"]


@pytest.mark.parametrize("classes", [2, 17])
def test_a_reader_that_always_says_the_same_reads_one_of_so_many(classes: int):
    given = np.arange(10 * classes, dtype=np.uint8) % classes
    read = {"painted": np.zeros((3, len(given)), np.uint8), "real": 0 * given, "given": given}
    names = tuple(f"colour {i}" for i in range(classes))
    score = attribute_accuracy({"attributes-read": {**read, "names": names}})
    assert score.value == pytest.approx(1 / classes)
    assert score.details["real"] == score.details["floor"] == pytest.approx(1 / classes)
    assert "normalised" not in score.details
    assert (score.details["colour 0"], score.details["colour 1"], score.n) == (1, 0, 3 * len(given))


def test_attributes_exclude_each_other_where_every_image_has_exactly_one():
    one = np.eye(3, dtype=np.uint8)
    for attributes, are in (
        (one, True),
        (np.concatenate([one, np.zeros((1, 3), np.uint8)]), False),
        (np.concatenate([one, np.ones((1, 3), np.uint8)]), False),
        (np.ones((4, 1), np.uint8), False),  # an attribute that all have
        (None, False),
    ):
        assert Split(np.zeros((4, 3, 8, 8), np.uint8), attributes=attributes).exclusive is are


def of_two_colours(config: NoConfig, resolution: int, home: object) -> RawDataset:
    """`cloths`, of which the last one to be scored has all colours on."""
    raw = cloths(config, resolution, home)

    def test():
        *others, last = raw.splits["test"]()
        yield from (*others, replace(last, attributes=np.ones(4, np.uint8)))

    return replace(raw, splits={**raw.splits, "test": test}, origin="procedural, one of all colours")


def test_where_one_scored_picture_has_two_attributes_each_is_read_by_itself(home: Path):
    several = replace(CLOTHS, build=of_two_colours)
    accuracy = scored(home, Dyer, dataset=several, **ONE_OF_FOUR)["attribute-accuracy"]
    assert accuracy["protocol"]["extractor"] == "classifier-32, 60 epochs"
    assert accuracy["value"] == accuracy["details"]["real"] > 0.95
    assert "normalised" not in accuracy["details"]


def test_diversity_is_the_spread_over_latents(home: Path):
    value = scored(home, wrong="noisy")["diversity"]["value"]
    assert 0.01 < value < 0.03  # half of 0.05, less where colours end
    once = scored(home, wrong="noisy", **{"evaluation.repeats": 1})["diversity"]
    assert "evaluation.repeats=1" in once["not_available"]


class Normed(Copyist):
    """Its latent goes through a batch norm, which has no statistics of one image."""

    def __init__(self, config: Habits, spec: ImageSpec) -> None:
        super().__init__(config, spec)
        self.norm = nn.BatchNorm1d(1)

    def forward(self, codes: Mapping[str, Tensor]) -> Layers:
        return super().forward({**codes, "z": self.norm(codes["z"])})


@pytest.mark.parametrize("batch", [1, 4, 19])
def test_statistics_of_batches_are_another_protocol_and_never_those_of_one_image(home: Path, batch: int):
    asked = {"evaluation.metrics": "spatial-consistency,attribute-accuracy,diversity,fid-random"}
    settings = {**asked, "evaluation.batch": batch, "training.batch": 8}  # of 20 conditions; a run of its own
    running = scored(home, Normed, "noisy", **settings)
    own = scored(home, Normed, "noisy", **settings, **{"evaluation.sample_bn": "batch"})
    for name in ("spatial-consistency", "attribute-accuracy", "diversity"):
        assert own[name]["protocol_id"] != running[name]["protocol_id"]
        assert own[name]["protocol"]["sampling"] == own["fid-random"]["protocol"]["sampling"]
        assert own[name]["protocol"]["sampling"] == f"statistics of batches of {batch}"
        assert running[name]["protocol"]["sampling"] is None
        assert own[name]["n"] == running[name]["n"] == 60


def test_methods_that_are_told_more_and_less_of_the_same_pictures_meet_on_boards(home: Path):
    asked = {"evaluation.metrics": "spatial-consistency,attribute-accuracy,diversity,fid-random"}
    more, less = scored(home, **asked), scored(home, Mapped, **asked)
    for name in ("spatial-consistency", "diversity", "fid-random"):
        assert more[name]["protocol_id"] == less[name]["protocol_id"]
    assert less["attribute-accuracy"] == {"not_available": "the method is not given attributes"}


def test_a_painter_that_is_told_nothing_has_no_such_numbers(home: Path):
    for value in scored(home, Blind).values():
        assert value == {"not_available": "the method is given neither class maps nor attributes"}


def test_all_are_computed_again_bit_for_bit_without_networks_and_data_set(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    values = scored(home, wrong="noisy", **{"regularizers.reader.weight": 1.0})
    found = max((home / "runs").iterdir(), key=lambda folder: folder.stat().st_mtime)
    folder = Path(shutil.copytree(found, tmp_path / "run"))
    monkeypatch.setattr("lgbench.lessons.teach", None)
    rescored = rescore(folder, registry().metrics, ())
    assert rescored.changed == {}
    assert rescored.values.keys() == values.keys()
    assert "own" in rescored.values["spatial-consistency"]["details"]


def test_a_judge_that_tells_maps_apart_by_chance_alone_normalises_nothing():
    predicted, true = maps(40)
    guessed = confusion(predicted, true, 5), confusion(predicted, np.roll(true, 1, axis=0), 5)
    ceiling, floor = sorted(guessed, key=lambda joint: agreement(joint).mean(), reverse=True)
    assert between(0.9, ceiling, floor).keys() == {"ceiling", "floor"}
