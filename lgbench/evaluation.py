"""Stage 3: sample once, predict once, then let every metric read the same evidence."""

from __future__ import annotations

import contextlib
import logging
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from .data import Split
from .errors import LgbenchError, NotAvailable
from .evidence import Evidence, Moments, Score
from .files import atomic, sha256_of_json
from .game import Game
from .layers import Batch, Layers, Painter
from .metrics.features import Extractor, load_extractor, moments_of, probabilities_of, stream_features
from .metrics.frechet import MomentStream
from .metrics.intervals import interval
from .metrics.trivial import trivial_masks
from .progress import Reporter
from .records import Metric
from .results import protocol_id
from .runtime import Runtime
from .stage_configs import EvaluationConfig

__all__ = [
    "baselines",
    "gather",
    "paint_samples",
    "painted",
    "predict_clusters",
    "predict_masks",
    "real_batch",
    "real_moments",
    "score",
]

log = logging.getLogger(__name__)


@torch.no_grad()
def paint_samples(
    painter: Painter,
    config: EvaluationConfig,
    reals: Split,
    seed: int,
    runtime: Runtime,
    path: Path,
    reporter: Reporter,
) -> dict[str, np.ndarray]:
    """Draw `config.samples` images with their alphas, unless `path` already holds them.

    Args:
        reals: training images, whose conditions conditional generators are given.
        seed: of the codes, apart from the training's.
        path: an .npz file.

    Returns:
        "images" (M, 3, R, R) uint8; with layers also "backgrounds", the same, "alphas" (M, R, R) uint8 and
        "difference" (M,).
    """
    if path.exists():
        with np.load(path) as stored:
            return dict(stored)
    buffers = {name: buffer.clone() for name, buffer in painter.named_buffers()}
    painter.train(config.sample_bn == "batch")
    before = torch.get_rng_state()
    parts: dict[str, list[np.ndarray]] = {"images": [], "backgrounds": [], "alphas": [], "difference": []}
    reporter.stage("sample", config.samples)
    done = 0
    for layers in painted(painter, config.samples, config.batch, reals, seed + 2, runtime):
        parts["images"].append(_uint8((layers.image.float() + 1) / 2))
        if layers.layered:
            parts["backgrounds"].append(_uint8((layers.background.float() + 1) / 2))
            parts["alphas"].append(_uint8(layers.alpha.float()[:, 0]))
            distance = (layers.foregrounds - layers.background[:, None]).abs().mean(dim=(1, 2, 3, 4))
            parts["difference"].append(distance.float().cpu().numpy())
        done += len(layers.image)
        reporter.advance(min(done, config.samples))
    painter.eval()
    for name, buffer in painter.named_buffers():
        buffer.copy_(buffers[name])
    torch.set_rng_state(before)
    samples = {name: np.concatenate(chunks)[: config.samples] for name, chunks in parts.items() if chunks}
    with atomic(path) as file:
        np.savez(file, **samples)  # pyright: ignore[reportArgumentType]
    return samples


@torch.no_grad()
def painted(painter: Painter, count: int, batch: int, reals: Split, seed: int, runtime: Runtime) -> Iterator[Layers]:
    """Paint at least `count` images, `batch` at a time, the same for the same seed.

    Args:
        reals: real images; conditional generators are given the conditions of randomly drawn ones, each as often as
            any other.
    """
    torch.manual_seed(seed)
    draw, order = np.random.default_rng(seed), np.empty(0, int)
    for start in range(0, count, batch):
        n, given = max(min(batch, count - start), 2), None  # batch statistics of one image are none
        if painter.conditional:
            while len(order) < start + n:
                order = np.concatenate([order, draw.permutation(len(reals))])
            given = real_batch(reals, order[start : start + n], painter.conditional, runtime)
        with runtime.autocast():
            layers = painter(painter.codes(n, given))
        yield layers


def real_batch(reals: Split, index: np.ndarray, parts: Iterable[str], runtime: Runtime) -> Batch:
    """Some images of a split, with `parts` of what is known of them, on the device."""
    return runtime.batch({name: torch.from_numpy(part) for name, part in reals.at(index, parts).items()})


@torch.no_grad()
def predict_masks(
    game: Game, config: EvaluationConfig, split: Split, runtime: Runtime, path: Path, reporter: Reporter
) -> np.ndarray:
    """Segment a split's images, unless `path` already holds the masks.

    Returns:
        (N, R, R) bool: where the foreground's probability is at least `config.threshold`.
    """
    if path.exists():
        with np.load(path) as stored:
            return np.unpackbits(stored["bits"], axis=-1, count=int(stored["side"])).astype(bool)
    assert game.predict is not None
    for network in (*game.networks.values(), game.painter):
        network.eval()
    masks = []
    reporter.stage("predict", len(split))
    for start in range(0, len(split), config.batch):
        index = np.arange(start, min(start + config.batch, len(split)))
        with runtime.autocast():
            probability = game.predict(runtime.images(torch.from_numpy(split.rgb(index))))
        masks.append((probability[:, 0] >= config.threshold).cpu().numpy())
        reporter.advance(index[-1] + 1)
    predicted = np.concatenate(masks)
    with atomic(path) as file:
        np.savez_compressed(file, bits=np.packbits(predicted, axis=-1), side=predicted.shape[-1])
    return predicted


@torch.no_grad()
def predict_clusters(game: Game, config: EvaluationConfig, splits: Iterable[Split], runtime: Runtime) -> np.ndarray:
    """The cluster, (N,) int, that a game's code network gives each image of the splits, one after the other."""
    assert game.cluster is not None
    for network in game.networks.values():
        network.eval()
    found = []
    for split in splits:
        for start in range(0, len(split), config.batch):
            index = np.arange(start, min(start + config.batch, len(split)))
            images = runtime.images(torch.from_numpy(split.rgb(index)))
            with runtime.autocast():
                found.append(game.cluster(images).argmax(dim=1).cpu().numpy())
    return np.concatenate(found)


def gather(
    samples: Mapping[str, np.ndarray],
    predicted: np.ndarray | None,
    clusters: np.ndarray | None,
    splits: Mapping[str, Split],
    config: EvaluationConfig,
    runtime: Runtime,
    cache: Path,
    why: Mapping[str, str],
) -> Evidence:
    """Put samples, predictions and truth side by side.

    Args:
        cache: folder for moments of real images, keyed by their fingerprint and the extractor's weights.
        why: reasons for missing parts that the caller knows.
    """
    test = splits[config.split]
    missing = {
        "true_masks": "no masks in this data set",
        "instances": "no instance maps in this data set",
        "labels": "no labels in this data set",
        "clusters": "no code network that clusters images",
        "sample_alphas": "the method paints no layers",
        "background_moments": "the method paints no layers",
        "layer_difference": "the method paints no layers",
        **why,
    }

    weights: dict[str, str] = {}

    def load(extractor: str) -> Extractor:
        network = load_extractor(extractor, device=runtime.device)
        weights[extractor] = network.weights_hash
        return network

    reals = [splits["train"]] if config.reference == "train" else list(splits.values())

    def moments(part: str) -> Callable[[str], tuple[Moments, Moments]]:
        def of(extractor: str) -> tuple[Moments, Moments]:
            network = load(extractor)
            return real_moments(reals, network, cache), moments_of(samples[part], network)

        return of

    return Evidence(
        predicted_masks=predicted,
        true_masks=test.masks[:] > 127 if test.masks is not None else None,
        instances=test.instances[:] if test.instances is not None else None,
        labels=_labels(splits.values()),
        clusters=clusters,
        samples=samples["images"],
        sample_alphas=samples.get("alphas"),
        layer_difference=samples.get("difference"),
        moments=moments("images"),
        background_moments=moments("backgrounds") if "backgrounds" in samples else None,
        probabilities=lambda extractor: probabilities_of(samples["images"], load(extractor)),
        weights=weights,
        aggregation=config.aggregation,
        why=missing,
    )


def real_moments(reals: Sequence[Split], extractor: Extractor, cache: Path) -> Moments:
    """Moments of the images of splits together, kept in the folder `cache` under what they depend on."""
    prints = [split.fingerprint for split in reals]
    key = sha256_of_json([prints, extractor.name, extractor.weights_hash, "float64"])[:16]
    path = cache / f"{key}.npz"
    if not path.exists():
        stream = MomentStream(extractor.dim)
        for split in reals:
            stream_features(stream, split.rgb(slice(None)), extractor)
        _save_moments(path, stream.moments())
    return _load_moments(path)


def _labels(splits: Iterable[Split]) -> np.ndarray | None:
    """The class of every image, as `predict_clusters` orders them."""
    known = [split.labels for split in splits]
    labels = [each[:] for each in known if each is not None]
    return np.concatenate(labels) if len(labels) == len(known) else None


def score(metrics: Iterable[Metric], evidence: Evidence, protocol: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Every metric's value under its protocol, or why there is none.

    Args:
        protocol: what the metrics of a run share (`dataset`, `split`, `resolution`, ...).
    """
    values = {}
    for metric in metrics:
        try:
            evidence.require(metric.needs)
            values[metric.name] = _value(metric, _compute(metric, evidence), evidence, protocol)
        except NotAvailable as error:
            values[metric.name] = {"not_available": str(error)}
    return values


def baselines(test: Split, metrics: Mapping[str, Metric], config: EvaluationConfig) -> dict[str, dict[str, float]]:
    """Scores of masks that look at nothing, or at colours only: the floor of every segmentation board."""
    if test.masks is None:
        return {}
    scores: dict[str, dict[str, float]] = {}
    for name, masks in trivial_masks(test.rgb(np.arange(len(test)))).items():
        evidence = Evidence(
            predicted_masks=masks,
            true_masks=test.masks[:] > 127,
            instances=test.instances[:] if test.instances is not None else None,
            aggregation=config.aggregation,
        )
        scores[name] = {}
        for metric in metrics.values():
            if "predicted_masks" in metric.needs:
                with contextlib.suppress(NotAvailable):
                    scores[name][metric.name] = _compute(metric, evidence).value
    return scores


def _compute(metric: Metric, evidence: Evidence) -> Score:
    try:
        return metric.compute(evidence)
    except LgbenchError:
        raise
    except Exception as error:  # one plugin's bug must not cost the record of a day's training
        log.exception("the metric %s failed", metric.name)
        raise NotAvailable(f"the metric failed: {type(error).__name__}: {error}") from error


def _value(metric: Metric, result: Score, evidence: Evidence, shared: Mapping[str, Any]) -> dict[str, Any]:
    numbers = [result.value, *result.details.values()]
    if not all(map(math.isfinite, numbers)):
        raise NotAvailable(f"not a finite number ({result.value}): the generator has diverged")
    on_masks, on_clusters = "predicted_masks" in metric.needs, "clusters" in metric.needs
    on_samples = not on_masks and not on_clusters
    read = evidence.predicted_masks if on_masks else evidence.clusters if on_clusters else evidence.samples
    assert read is not None
    protocol = {
        **{name: value for name, value in shared.items() if name != "reference"},
        "split": _split(metric, shared),
        "polarity": "committed" if on_masks else None,
        "aggregation": shared["aggregation"] if on_masks else None,
        "threshold": shared["threshold"] if on_masks else None,
        "samples": len(read) if on_samples else None,
        "sampling": shared.get("sampling") if on_samples else None,
        "extractor": metric.extractor or None,
        "weights": evidence.weights.get(metric.extractor),
        "metric": metric.name,
        "metric_version": metric.version,
    }
    spread = None
    if result.per_image is not None and len(result.per_image) > 1:
        spread = [float(end) for end in interval(result.per_image)]
    return {
        "value": float(result.value),
        "details": {name: float(value) for name, value in result.details.items()},
        "n": len(read),
        "interval": spread,
        "protocol": protocol,
        "protocol_id": protocol_id(protocol),
    }


def _split(metric: Metric, shared: Mapping[str, Any]) -> str | None:
    """Which real images a metric reads: those of the masks, all for clusters, and a distance's reference."""
    if "predicted_masks" in metric.needs:
        return shared["split"]
    if "clusters" in metric.needs:
        return "all"
    return shared["reference"] if metric.needs & {"moments", "background_moments"} else None


def _uint8(x: Tensor) -> np.ndarray:
    return (x.clamp(0, 1) * 255).round().byte().cpu().numpy()


def _save_moments(path: Path, moments: Moments) -> None:
    with atomic(path) as file:
        np.savez(file, mean=moments.mean, covariance=moments.covariance, count=moments.count)


def _load_moments(path: Path) -> Moments:
    with np.load(path) as stored:
        return Moments(stored["mean"], stored["covariance"], int(stored["count"]))
