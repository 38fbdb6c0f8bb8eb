"""The metrics that the built-in plugin offers, computed from evidence as an evaluation would."""

import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest

import lgbench_metrics
from lgbench import Metric, NotAvailable
from lgbench.evaluation import Evidence, parts_of
from lgbench.features import EXTRACTORS
from lgbench.score import Moments
from lgbench.stage_configs import EvaluationConfig
from lgbench_metrics.masks.confusion import confusion, iou

METRICS: dict[str, Metric] = {metric.name: metric for metric in lgbench_metrics.metrics()}
BROUGHT = {part.name for metric in METRICS.values() if metric.on_request for part in metric.parts}
OF_EVERY_EVALUATION = {name: metric for name, metric in METRICS.items() if metric.needs and not metric.needs & BROUGHT}
MASKS = ["iou", "dice", "acc", "miou"]


def evidence(aggregation: str = "per_image", **changes) -> Evidence:
    """Everything that could be known of ten small images, two objects in each."""
    random = np.random.default_rng(0)
    instances = np.zeros((10, 16, 16), np.uint8)
    instances[:, 2:8, 2:8], instances[:, 9:14, 6:15] = 1, 2
    labels = random.integers(3, size=10)
    moments = Moments(np.zeros(4), np.eye(4), 100), Moments(np.full(4, 0.5), np.eye(4), 80)
    probabilities = random.dirichlet(np.full(5, 0.2), size=20)
    parts = {
        "samples": random.integers(256, size=(20, 3, 16, 16), dtype=np.uint8),
        "probabilities/inception": probabilities,
        "predicted_masks": (instances > 0) ^ (random.random(instances.shape) < 0.1),
        "predicted_parts": NotAvailable("this method predicts foreground or not"),
        "predicted_probabilities": random.integers(256, size=instances.shape, dtype=np.uint8),
        "true_masks": instances > 0,
        "instances": instances,
        "ignored": np.zeros(instances.shape, bool),
        "labels": labels,
        "clusters": (labels + 1) % 3,
        "sample_alphas": random.integers(256, size=(20, 16, 16), dtype=np.uint8),
        "layer_difference": random.random(20),
        "taught": random.random(20),
        **{f"{kind}/{name}": moments for kind in ("moments", "background-moments") for name in EXTRACTORS},
    }
    recipe, known = SimpleNamespace(evaluation=EvaluationConfig(aggregation=aggregation)), parts | changes
    segments = None if isinstance(known["instances"], NotAvailable) else known["instances"]
    known = {"true_segments": segments, "predictions": {}} | known
    return Evidence(SimpleNamespace(recipe=recipe), None, None, {}, parts_of(METRICS), known)


def test_listing_metrics_imports_nothing_heavy():
    heavy = {"numpy", "torch", "scipy", "sklearn", "pandas", "torch_fidelity", "torchvision"}
    code = f"import sys, lgbench_metrics; lgbench_metrics.metrics(); sys.exit(sorted({heavy} & set(sys.modules)) != [])"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_no_metric_is_without_a_reference_and_judges_are_asked_for():
    assert {METRICS[name].direction for name in ("fid", "fid-squeezenet", "kid", "mae")} == {"down"}
    assert {METRICS[name].direction for name in ("coverage", "binarity", "layer-difference")} == {"none"}
    for metric in METRICS.values():
        assert metric.reference
        assert metric.deviation
        assert metric.on_request or not metric.needs & {"judge", "attribute-classifier"}


def test_parts_are_scored_as_parts_where_a_segmenter_tells_several():
    given = evidence(predicted_parts=evidence()["instances"])
    for name in ("ari", "msc", "ari-fg", "instance-iou"):
        assert METRICS[name].compute(given).value == 1
    assert METRICS["ari"].compute(evidence(predicted_masks=evidence()["true_masks"])).value < 1


@pytest.mark.parametrize("metric", OF_EVERY_EVALUATION.values(), ids=OF_EVERY_EVALUATION)
def test_every_metric_is_a_number_within_its_range(metric):
    given = evidence(predicted_parts=evidence()["instances"]) if "predicted_parts" in metric.needs else evidence()
    score = metric.compute(given)
    assert metric.range[0] <= score.value <= metric.range[1]
    assert all(isinstance(value, float) and np.isfinite(value) for value in (score.value, *score.details.values()))
    if score.per_image is not None:
        assert score.value == pytest.approx(score.per_image.mean())


@pytest.mark.parametrize("metric", OF_EVERY_EVALUATION.values(), ids=OF_EVERY_EVALUATION)
def test_a_missing_part_is_reported_with_its_reason(metric):
    for part in metric.needs - {"predictions"}:  # what masks and parts are made from
        parts = {"predicted_parts": evidence()["instances"]} if "predicted_parts" in metric.needs else {}
        without = evidence(**(parts | {part: NotAvailable("the scanner was broken")}))
        with pytest.raises(NotAvailable, match="the scanner was broken"):
            metric.compute(without)


@pytest.mark.parametrize("name", MASKS)
@pytest.mark.parametrize("aggregation", ["pooled", "per_image"])
def test_the_protocols_aggregation_is_the_value_and_both_are_kept(name, aggregation):
    score = METRICS[name].compute(evidence(aggregation=aggregation))
    assert score.value == score.details[score.protocol["aggregation"]] == score.details[aggregation]
    assert set(score.details) == {"pooled", "per_image", "oracle_dataset", "oracle_image", "gap"}
    assert len(score.per_image) == 10


def test_iou_is_that_of_the_masks_function():
    given = evidence()
    expected = iou(confusion(given["predicted_masks"], given["true_masks"]))
    np.testing.assert_array_equal(METRICS["iou"].compute(given).per_image, expected)


def test_partition_scores_use_instances_where_there_are_any():
    perfect = evidence(predicted_masks=evidence()["true_masks"])
    alone = evidence(predicted_masks=evidence()["true_masks"], instances=NotAvailable("none"))
    for name in ("ari", "msc"):
        assert METRICS[name].compute(perfect).value < 1  # two objects, one label
        assert METRICS[name].compute(alone).value == 1


@pytest.mark.parametrize("name", [*MASKS, "ari", "ari-fg", "msc"])
@pytest.mark.parametrize("instances", [True, False])
def test_pixels_that_are_left_out_change_no_score(name: str, instances: bool):
    random = np.random.default_rng(1)
    ignored = random.random((10, 16, 16)) < 0.2
    others = {} if instances or name == "ari-fg" else {"instances": NotAvailable("none")}
    given = evidence(ignored=ignored, **others)
    kind = given["instances"] if name == "ari-fg" else given["predicted_masks"]
    part = "predicted_parts" if name == "ari-fg" else "predicted_masks"
    noise = kind ^ True
    scores = [
        METRICS[name].compute(evidence(ignored=ignored, **{part: np.where(ignored, there, kind)}, **others))
        for there in (kind, noise, 0)
    ]
    assert [score.details for score in scores] == [scores[0].details] * 3
    for score in scores[1:]:
        np.testing.assert_array_equal(score.per_image, scores[0].per_image)
    counted = METRICS[name].compute(evidence(**{part: np.where(ignored, noise, kind)}, **others))
    assert counted.value != scores[0].value


def test_partition_scores_are_per_image_whatever_the_recipe_says():
    for name in ("ari", "msc"):
        assert METRICS[name].compute(evidence(aggregation="pooled")).protocol == {"aggregation": "per_image"}


def test_ari_fg_is_refused_where_masks_or_images_have_no_two_objects():
    parts = evidence()["instances"]
    with pytest.raises(NotAvailable, match="foreground or not"):
        METRICS["ari-fg"].compute(evidence())
    single = (parts == 1).astype(np.uint8) * 3
    with pytest.raises(NotAvailable, match="degenerate"):
        METRICS["ari-fg"].compute(evidence(predicted_parts=parts, instances=single))
    single[0, 0, 0] = 1
    score = METRICS["ari-fg"].compute(evidence(predicted_parts=parts, instances=single))
    assert score.details == {"share_of_several_objects": 0.1}
    assert METRICS["ari-fg"].compute(evidence(predicted_parts=parts)).value == 1


@pytest.mark.parametrize("extractor", ["inception", "squeezenet", "random"])
def test_each_frechet_distance_reads_its_own_extractor(extractor):
    name = "" if extractor == "inception" else f"-{extractor}"
    moments = Moments(np.zeros(2), np.eye(2), 3), Moments(np.ones(2), np.eye(2), 2)
    for prefix, part in (("", "moments"), ("bg-", "background-moments")):
        score = METRICS[f"{prefix}fid{name}"].compute(evidence(**{f"{part}/{extractor}": moments}))
        assert score.value == pytest.approx(2)
        assert score.details == {"real": 3, "generated": 2, "full_rank": 0}
        assert score.n == 2


def test_the_inception_score_keeps_its_spread_over_splits():
    score = METRICS["is"].compute(evidence())
    assert 1 < score.value < 5
    assert score.details["std"] > 0
    assert score.details["splits"] == 10


def test_companions_stand_beside_their_metrics():
    given = evidence()
    assert set(METRICS["msc"].compute(given).details) == {"msc_fg", "sc_weighted"}
    assert set(METRICS["nmi"].compute(given).details) == {"by_max"}
    assert set(METRICS["coverage"].compute(given).details) == {"share_below_1_percent", "share_above_99_percent"}
    assert set(METRICS["binarity"].compute(given).details) == {"mean_min"}
    assert METRICS["cluster-acc"].compute(given).value == 1
