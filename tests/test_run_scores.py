"""What a finished training is scored with: metrics, their parts of evidence, splits, and what breaks one of them."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from run_worlds import Told, carry_out, on_folder, recipe, scenes

from lgbench import ImageSpec, Lazy, Metric, Part, Segmenter
from lgbench.contradictions import contradictions
from lgbench.errors import BadRecipe, NotAvailable, UnknownName
from lgbench.evaluation.taught import FRESH
from lgbench.game import Game
from lgbench.layers import Painter
from lgbench.plugins import registry
from lgbench.record import Record, read_record
from lgbench.run import chosen_metrics
from lgbench.score import Score


@pytest.mark.parametrize("aggregation", ["pooled", "per_image"])
def test_every_interval_is_that_of_its_number_and_stays_in_the_metrics_range(tmp_path: Path, aggregation: str):
    metrics = "iou,dice,acc,miou,ari,msc,coverage,binarity,layer-difference"
    record = carry_out(recipe(evaluation__aggregation=aggregation, evaluation__metrics=metrics), tmp_path / "run")
    for name, value in record["values"].items():
        low, high = registry().metrics[name].range
        for key, ends in {name: value["interval"], **value.get("intervals", {})}.items():
            assert low <= ends[0] <= value["details"].get(key, value["value"]) <= ends[1] <= high
        if "pooled" in value["details"]:
            assert value["interval"] == value["intervals"][aggregation]
            assert value["intervals"].keys() == {"pooled", "per_image"}
    assert contradictions(read_record(next((tmp_path / "run").glob("*/record.json")))) == []


def test_no_metric_on_offer_contradicts_its_record(tmp_path: Path):
    record = carry_out(recipe(evaluation__metrics="all"), tmp_path / "run")
    assert record["values"]["mask-gradient"]["n"] == 0  # of a log, and of no images
    assert contradictions(read_record(next((tmp_path / "run").glob("*/record.json")))) == []


@pytest.mark.parametrize("change", [{"metrics": "iou"}, {"evaluation.samples": 6}, {"evaluation.threshold": 0.4}])
def test_another_way_to_score_trains_nothing_and_names_the_first_record(tmp_path: Path, change: dict):
    root, told = scenes(tmp_path / "photos", (255, 0, 0)), Told()
    before = on_folder(root, tmp_path / "runs")
    after = on_folder(root, tmp_path / "runs", told, **change)
    assert after["adds_to"] == before["id"]
    assert not {"train", "segment"} & set(told.stages)
    assert any("trained before" in note for note in told.notes)
    assert on_folder(root, tmp_path / "runs") == before  # the first one is still there, and found


def test_a_method_without_masks_has_no_mask_scores_and_says_why(tmp_path: Path):
    record = carry_out(recipe(segmentation__name="none"), tmp_path / "run")
    assert record["values"]["iou"] == {"not_available": "no segmenter"}
    assert record["segmentation"] is None


@pytest.mark.parametrize(("threshold", "flag"), [(1.0, "finds_nothing"), (1e-12, "finds_all")])
def test_a_segmenter_that_finds_nothing_or_everything_is_flagged(tmp_path: Path, threshold: float, flag: str):
    record = carry_out(recipe(evaluation__threshold=threshold), tmp_path / "run")
    assert set(record["training"]["flags"]) - {"untaught"} == {flag}


def refuses(evidence):
    raise BadRecipe("set something else")


BROKEN = [
    (lambda evidence: 1 / 0, "the metric failed: ZeroDivisionError: division by zero"),
    (lambda evidence: exit("good-bye"), "the metric failed: SystemExit: good-bye"),
    (refuses, "the metric failed: BadRecipe: set something else"),
    (lambda evidence: 0.5, "returned float, not lgbench.evaluation.Score"),
    (lambda evidence: Score(np.zeros(3)), "value is array"),
    (lambda evidence: Score(0.5, details={"spread": None}), "spread is None"),
    (lambda evidence: Score(float("nan")), "not a finite number"),
    (lambda evidence: Score(0.5, details={"spread": float("inf")}), "not a finite number"),
    (lambda evidence: Score(evidence["no such part"]), "KeyError: 'no such part'"),
    (lambda evidence: Score(0.5, n="many"), "n: Input should be a valid integer"),
    (lambda evidence: Score(0.5, n=np.int64(4)), "int64 is not JSON"),
    (lambda evidence: Score(0.5, per_image=np.array([np.nan, 0.5])), "not JSON compliant"),
    (lambda evidence: Score(0.5, per_image=np.array(["a", "b"])), "could not convert string"),
    (lambda evidence: Score(0.5, protocol={"agregation": "pooled"}), "protocol.agregation: Extra inputs"),
    (lambda evidence: Score(0.5, protocol={"split": {"test"}}), "set is not JSON"),
    (lambda evidence: Score(0.5, protocol={"threshold": float("nan")}), "not JSON compliant"),
    (lambda evidence: Score(0.5, intervals={"pooled": (0.7, 0.3)}), "the interval's ends are swapped"),
    (lambda evidence: Score(0.5, intervals={"pooled": 3}), "not iterable"),
]
"""What a metric computes, and what is said of it."""


@pytest.fixture(scope="module")
def beside_broken(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The values of a run that asks for `fid-random`, and for all of `BROKEN` as `odd-0`, `odd-1` and so on."""
    iou = registry().metrics["iou"]
    odd = {f"odd-{at}": replace(iou, name=f"odd-{at}", compute=compute) for at, (compute, _) in enumerate(BROKEN)}
    with pytest.MonkeyPatch.context() as patch:
        for name, metric in odd.items():
            patch.setitem(registry().metrics, name, metric)
        asked = ",".join([*odd, "fid-random"])
        return carry_out(recipe(evaluation__metrics=asked), tmp_path_factory.mktemp("broken") / "run")["values"]


@pytest.mark.parametrize("at", range(len(BROKEN)))
def test_a_metric_that_breaks_costs_its_own_number_only(beside_broken: dict[str, Any], at: int):
    (compute, said), value = BROKEN[at], beside_broken[f"odd-{at}"]
    assert said in value["not_available"]
    assert "not a finite number" in said or compute.__module__ in value["not_available"]
    assert beside_broken["fid-random"]["value"] > 0


NAMED = Lazy("test_run_scores:refuses")


@pytest.mark.parametrize("compute", [partial(refuses), NAMED, partial(NAMED)])
def test_the_reason_names_the_module_to_mend_however_a_metric_names_its_function(tmp_path: Path, monkeypatch, compute):
    metric = replace(registry().metrics["iou"], name="odd", compute=compute)
    monkeypatch.setitem(registry().metrics, "odd", metric)
    value = carry_out(recipe(evaluation__metrics="odd"), tmp_path / "run")["values"]["odd"]
    assert "(test_run_scores" in value["not_available"]


@pytest.mark.parametrize(
    ("part", "said"),
    [
        (Part("odd", lambda evidence: exit("good-bye")), "the part odd failed: SystemExit: good-bye"),
        (Part("odd", lambda evidence: 1, lambda evidence: 1 / 0), "the metric failed: ZeroDivisionError"),
        (Part("odd", lambda evidence: 1, lambda evidence: {"odd": 1}), "protocol.odd: Extra inputs are not permitted"),
        (Part("samples", lambda evidence: 1), "brings parts named ['samples'], which are taken: mend test_run_scores"),
        (Part("other", lambda evidence: 1), "the metric needs ['odd'], which nobody brings: mend test_run_scores"),
    ],
)
def test_a_part_that_breaks_is_missing_or_taken_costs_its_metrics_number_only(
    tmp_path: Path, monkeypatch, part: Part, said: str
):
    odd = Metric(
        name="odd",
        summary="",
        compute=lambda evidence: Score(0.5),
        needs=frozenset({"odd"} if part.name != "samples" else ()),
        parts=(part,),
        direction="none",
    )
    monkeypatch.setitem(registry().metrics, "odd", odd)
    values = carry_out(recipe(evaluation__metrics="iou,odd"), tmp_path / "run")["values"]
    assert said in values["odd"]["not_available"]
    assert values["iou"]["value"] >= 0


def test_weights_that_do_not_load_cost_their_own_numbers_only(tmp_path: Path, monkeypatch):
    (tmp_path / "empty.pth").touch()
    monkeypatch.setenv("LGBENCH_SQUEEZENET", str(tmp_path / "empty.pth"))
    record = carry_out(recipe(evaluation__metrics="iou,fid-squeezenet"), tmp_path / "run")
    assert record["status"] == "done"
    assert 0 <= record["values"]["iou"]["value"] <= 1
    said = record["values"]["fid-squeezenet"]["not_available"]
    assert re.search(r"empty\.pth does not hold .* Fetch the file again, or set LGBENCH_SQUEEZENET", said)


def images_of_two_colours(evidence):
    """Evidence that no evaluation has: the painter's answer to codes of one's own choice."""
    return evidence.game.painter({"z": torch.zeros(3, 4)}).alpha.detach().numpy()[:, 0] > 0.5


def test_a_plugin_brings_evidence_of_its_own(tmp_path: Path, monkeypatch):
    part = Part("still", images_of_two_colours, lambda evidence: {"samples": 3, "given": "codes of zeros"})
    metric = Metric(
        name="still",
        summary="",
        compute=lambda evidence: Score(float(evidence["still"].mean()), n=len(evidence["still"])),
        needs=frozenset({"still"}),
        parts=(part,),
        direction="none",
    )
    monkeypatch.setitem(registry().metrics, "still", metric)
    record = carry_out(recipe(evaluation__metrics="iou,still"), tmp_path / "run")
    value = record["values"]["still"]
    assert (value["n"], value["protocol"]["samples"], value["protocol"]["given"]) == (3, 3, "codes of zeros")
    assert 0 <= value["value"] <= 1


def test_a_part_is_made_once_whatever_reads_it_and_not_at_all_where_nothing_does(tmp_path: Path, monkeypatch):
    def make(evidence):
        made.append(1)
        raise NotAvailable("the scanner is broken")

    made: list[int] = []
    parts = (Part("scan", make),)
    for name, needs in (("a", frozenset({"scan"})), ("b", frozenset({"scan"})), ("c", frozenset())):
        metric = Metric(
            name=name, summary="", compute=lambda evidence: Score(1.0), needs=needs, parts=parts, direction="none"
        )
        monkeypatch.setitem(registry().metrics, name, metric)
    values = carry_out(recipe(evaluation__metrics="a,b,c"), tmp_path / "run")["values"]
    assert values["a"] == values["b"] == {"not_available": "the scanner is broken"}
    assert values["c"]["value"] == 1
    assert made == [1]


def test_a_segmenter_is_shown_each_test_image_once_whatever_is_read_of_what_it_says(tmp_path: Path):
    shown = []

    def build(config, painter, spec: ImageSpec) -> Game:
        def predict(images):
            shown.append(len(images))
            return (images.mean(dim=1, keepdim=True) + 1) / 2

        return Game(painter=painter, networks={}, phases=[], result="", frozen=True, predict=predict)

    chosen = recipe(evaluation__metrics="iou,mae,max-f")
    record = carry_out(replace(chosen, segmenter=Segmenter(name="grey", summary="", build=build)), tmp_path / "run")
    assert sum(shown) - FRESH == record["values"]["iou"]["n"]  # and the painted ones that say whether it has learnt
    assert record["values"]["mae"]["value"] == pytest.approx(0, abs=0.2)  # squares are white, the rest dark


def test_batch_statistics_are_another_protocol_and_leave_the_painter_as_it_was(tmp_path: Path):
    plain = carry_out(recipe(), tmp_path / "plain")["values"]
    batch = carry_out(recipe(evaluation__sample_bn="batch"), tmp_path / "batch")["values"]
    assert plain["fid-random"]["protocol_id"] != batch["fid-random"]["protocol_id"]
    assert plain["iou"] == batch["iou"]


def test_a_split_that_is_not_there_is_refused_before_training(tmp_path: Path):
    with pytest.raises(BadRecipe, match="has no split 'val'"):
        carry_out(recipe(evaluation__split="val"), tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("split", ["train,test", "test, train"])
def test_several_splits_stand_apart_each_as_if_it_were_scored_alone(tmp_path: Path, split: str):
    wanted = {"evaluation__metrics": "iou,ari,coverage,fid-random"}
    both = carry_out(recipe(evaluation__split=split, **wanted), tmp_path / "run")
    assert both["values"].keys() == {*(f"{m}@{s}" for m in ("iou", "ari") for s in ("train", "test")), *ONCE}
    for name in ("train", "test"):
        alone = carry_out(recipe(evaluation__split=name, **wanted), tmp_path / "run")
        for metric in ("iou", "ari"):
            assert both["values"][f"{metric}@{name}"] == alone["values"][metric]
        assert {metric: both["values"][metric] for metric in ONCE} == {m: alone["values"][m] for m in ONCE}
    assert contradictions(Record.model_validate_json(json.dumps(both))) == []


ONCE = {"coverage", "fid-random"}
"""Metrics that read no split that is scored."""


@pytest.mark.parametrize("split", ["", "trian", "test,test", "train;test", "test,"])
def test_splits_that_are_none_are_refused_by_name(split: str):
    with pytest.raises(BadRecipe, match="a split is one of train, val, test"):
        recipe(evaluation__split=split)


def test_a_plugins_part_of_a_split_is_made_for_each(tmp_path: Path, monkeypatch):
    """Whether a number is of a split follows from what its parts read, by any way; nobody has to say it."""
    size = Part("size", lambda evidence: len(evidence.test))
    twice = Part("twice", lambda evidence: 2 * evidence["size"])
    metric = replace(
        registry().metrics["iou"],
        name="sizes",
        compute=lambda evidence: Score(float(evidence["twice"]), n=1),
        needs=frozenset({"twice"}),
        parts=(size, twice),
    )
    monkeypatch.setitem(registry().metrics, "sizes", metric)
    chosen = recipe(evaluation__split="train,test", evaluation__metrics="sizes")
    values = carry_out(chosen, tmp_path / "run")["values"]
    assert {name: value["value"] for name, value in values.items()} == {"sizes@train": 96, "sizes@test": 40}


def test_a_set_of_metrics_may_stand_among_names():
    known = registry().metrics
    named, default = chosen_metrics("default,spatial-consistency", known), chosen_metrics("", known)
    assert set(named) - set(default) == {"spatial-consistency"}
    assert chosen_metrics("default", known) == default
    assert set(chosen_metrics("all", known)) == set(known)


def test_metrics_on_request_are_scored_and_nearest_training_images_shown(tmp_path: Path):
    names = "two-sample-1nn-random,memorisation,1nn,max-f,mae,boundary-f,kid-random"
    record = carry_out(recipe(evaluation__metrics=names), tmp_path / "run")
    values = record["values"]
    assert values["1nn"]["not_available"].startswith("this method's critic does not show its features")
    assert values["kid-random"]["not_available"].startswith("kid needs at least 1000 samples")
    for name in ("two-sample-1nn-random", "memorisation", "max-f", "mae", "boundary-f"):
        assert 0 <= values[name]["value"] <= 1
    assert values["two-sample-1nn-random"]["protocol"]["extractor"] == "random"
    assert "neighbours.png" in record["artefacts"]


def stripes(config: object, painter: Painter, spec: ImageSpec) -> Game:
    """A segmenter that takes the middle third of every picture for one part, and the right third for another."""
    thirds = torch.eye(3).repeat_interleave(6, dim=1)[:, None, : spec.resolution].expand(-1, spec.resolution, -1)

    def predict(images: torch.Tensor) -> torch.Tensor:
        return thirds.expand(len(images), -1, -1, -1)

    return Game(painter=painter, networks={}, phases=[], predict=predict)


def test_a_segmenter_may_tell_several_parts(tmp_path: Path, monkeypatch):
    monkeypatch.setitem(registry().segmenters, "stripes", Segmenter(name="stripes", summary="", build=stripes))
    chosen = recipe(segmentation__name="stripes", evaluation__metrics="iou,ari,instance-iou,max-f")
    record = carry_out(chosen, tmp_path / "run")
    stored = next(name for name in record["artefacts"] if name.startswith("predictions"))
    kept = np.load(next((tmp_path / "run").rglob(stored)))
    assert (kept["parts"] == np.repeat([0, 1, 2], 6)[:16]).all()
    assert (np.unpackbits(kept["bits"], axis=-1, count=16) == (kept["parts"] > 0)).all()
    assert record["values"]["iou"]["value"] > 0
    assert "instance maps" in record["values"]["instance-iou"]["not_available"]
    assert record["values"]["ari"]["value"] != 0


def thirds_of_no_name(config: object, painter: Painter, spec: ImageSpec) -> Game:
    """The same parts, of which none is known to be the background."""
    return replace(stripes(config, painter, spec), background=False)


def test_parts_of_which_none_is_the_background_are_scored_as_parts_only(tmp_path: Path, monkeypatch):
    known = Segmenter(name="stripes", summary="", build=stripes)
    unknown = replace(known, name="thirds", build=thirds_of_no_name)
    for segmenter in (known, unknown):
        monkeypatch.setitem(registry().segmenters, segmenter.name, segmenter)
    wanted = {"evaluation__metrics": "iou,boundary-f,max-f,ari,msc"}
    told, untold = (
        carry_out(recipe(segmentation__name=name, **wanted), tmp_path / name)["values"]
        for name in ("stripes", "thirds")
    )
    for metric in ("ari", "msc"):  # names of parts do not matter, and both are one protocol
        assert untold[metric] == told[metric]
    for metric in ("iou", "boundary-f", "max-f"):
        assert told[metric]["value"] >= 0
        assert "does not know which is the background" in untold[metric]["not_available"]
    kept = np.load(next((tmp_path / "thirds").rglob("predictions-*.npz")))
    assert (kept["parts"] == np.repeat([1, 2, 3], 6)[:16]).all()
    assert "bits" not in kept


def test_unknown_metrics_are_refused():
    with pytest.raises(UnknownName, match="metrics fidd. Did you mean 'fid'"):
        chosen_metrics("iou,fidd", registry().metrics)


@pytest.mark.parametrize("against", ["train", "all"])
def test_the_distance_to_the_training_images_is_told_whatever_samples_are_compared_with(tmp_path: Path, against: str):
    chosen = recipe(evaluation__metrics="fid-random,fid-random-train", evaluation__reference=against)
    values = carry_out(chosen, tmp_path / "runs")["values"]
    fid, train = values["fid-random"], values["fid-random-train"]
    assert train["details"]["real"] == 48
    assert train["protocol"]["split"] == "train"
    assert (fid["value"] == train["value"]) == (against == "train")
    assert fid["details"]["real"] == (48 if against == "train" else 68)


def test_samples_are_compared_with_as_many_real_images_as_are_asked_for(tmp_path: Path):
    def value(**settings: object) -> dict:
        chosen = recipe(evaluation__metrics="fid-random,two-sample-1nn-random", **settings)
        values = carry_out(chosen, tmp_path / "runs")["values"]
        assert values["two-sample-1nn-random"]["protocol"]["reference_samples"] == found(values).get(
            "reference_samples"
        )
        return values["fid-random"]

    def found(values: dict) -> dict:
        return values["fid-random"]["protocol"]

    whole, some, more = value(), value(evaluation__reference_samples=20), value(evaluation__reference_samples=99)
    assert [each["details"]["real"] for each in (whole, some, more)] == [48, 20, 48]
    assert whole["protocol"]["reference_samples"] is None
    assert some["value"] != whole["value"] == more["value"]
    assert some["protocol_id"] != whole["protocol_id"] == more["protocol_id"]
    both = value(evaluation__reference_samples=20, evaluation__reference="all")
    assert both["details"]["real"] == 20
    assert both["value"] != some["value"]
