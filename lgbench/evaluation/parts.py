"""The parts of evidence that every evaluation has: samples, predictions, the truth, and what extractors see."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from lgbench.data import Split, drawn
from lgbench.errors import NotAvailable
from lgbench.features import EXTRACTORS, MomentStream, load_extractor, real_moments
from lgbench.files import sha256_of_file
from lgbench.game import Game
from lgbench.layers import Layers
from lgbench.nn import weights_hash
from lgbench.offers import Part
from lgbench.painting import as_sampled, conditions, painted, real_batches, uint8
from lgbench.score import Moments
from lgbench.settings import plain

from .evidence import Evidence, hashes
from .taught import TAUGHT

__all__ = ["PARTS", "reference", "sampled", "which_reals"]

LAYERS, NOTHING = "the method paints no layers", "the method paints nothing"
GIVEN = "the method gives back the images that it is given, and has no samples"
PARTITION = "the method divides images into parts and does not know which is the background; see ari, instance-iou"


@torch.no_grad()
def _painted(evidence: Evidence) -> Mapping[str, np.ndarray]:
    """The samples with what lies below them: images, backgrounds, alphas, difference; painted once and kept."""
    config, run, painter = evidence.config, evidence.run, evidence.game.painter
    if run.recipe.method.generator is None:
        raise NotAvailable(NOTHING)
    inputs = [weights_hash(painter), config.samples, config.batch, config.sample_bn, run.recipe.seed]
    if painter.conditional:
        inputs.append(evidence.splits["train"].fingerprint)
    return evidence.kept("samples", inputs, partial(_paint, evidence))


def _paint(evidence: Evidence) -> dict[str, np.ndarray]:
    count, side = evidence.config.samples, evidence.run.recipe.resolution
    samples: dict[str, np.ndarray] = {}
    for where, layers in sampled(evidence, count, "sample"):
        if (shape := tuple(layers.image.shape[1:])) != (3, side, side):
            raise NotAvailable(f"the generator's plugin is at fault: it paints {shape} at {side} px")
        if not layers.image.isfinite().all():
            raise NotAvailable("the generator has diverged: it paints what is no number")
        for name, row in _rows(layers).items():  # one array a kind: lists of batches would take twice as much
            if name not in samples:
                samples[name] = np.empty((count, *row.shape[1:]), row.dtype)
            samples[name][where] = row[: where.stop - where.start]
    return samples


@torch.no_grad()
def sampled(evidence: Evidence, count: int, stage: str = "paint again") -> Iterator[tuple[slice, Layers]]:
    """The first `count` samples as their layers, batch by batch: painted again, they are the same.

    With each batch comes where among the samples it lies; the last may hold one image more than that.
    """
    config, run, painter = evidence.config, evidence.run, evidence.game.painter
    run.reporter.stage(stage, count)
    done, seed = 0, run.recipe.seed + 2  # apart from the training's
    with as_sampled(painter, config.sample_bn == "batch", seed):
        for layers in painted(painter, count, config.batch, evidence.splits["train"], seed, run.runtime):
            where = slice(done, min(done + len(layers.image), count))
            yield where, layers
            done = where.stop
            run.reporter.advance(done)


def _rows(layers: Layers) -> dict[str, np.ndarray]:
    """What is kept of a batch of samples."""
    rows = {"images": uint8((layers.image.float() + 1) / 2)}
    if layers.layered:
        rows["backgrounds"] = uint8((layers.background.float() + 1) / 2)
        rows["alphas"] = uint8(layers.alpha.float()[:, 0])
        distance = (layers.foregrounds - layers.background[:, None]).abs().mean(dim=(1, 2, 3, 4))
        rows["difference"] = distance.float().cpu().numpy()
    return rows


def _sample_part(name: str, evidence: Evidence) -> np.ndarray:
    samples = evidence["painted"]
    if name == "images" and not evidence.game.painter.samples:
        raise NotAvailable(GIVEN)
    if name not in samples:
        raise NotAvailable(LAYERS)
    return samples[name]


def _sampling(evidence: Evidence) -> dict[str, object]:
    config, painter = evidence.config, evidence.game.painter
    given = ", ".join(conditions(painter, evidence.splits["train"]))
    return {
        "samples": config.samples,
        "sampling": f"statistics of batches of {config.batch}" if config.sample_bn == "batch" else None,
        "given": f"{given} of train, drawn at random" if given else None,
    }


def _predictions(evidence: Evidence) -> dict[str, np.ndarray]:
    """Foreground on the test images with masks, packed, and its parts where the segmenter tells several; kept."""

    def make() -> dict[str, np.ndarray]:
        return {name: array for name, array in evidence["segmented"].items() if name != "soft"}

    return evidence.kept("predictions", _inputs(evidence), make)


def _segmenter(evidence: Evidence) -> Game:
    """What predicts, on eval."""
    segmenter = evidence.segmenter
    if segmenter is None:
        paints = evidence.run.recipe.generator.layered and evidence.game.painter.layered
        raise NotAvailable("no segmenter" if paints else "the method paints no masks")
    for network in (*segmenter.networks.values(), segmenter.painter):
        network.eval()
    return segmenter


def _inputs(evidence: Evidence) -> list[Any]:
    """What predictions depend on."""
    segmenter, config, settings = _segmenter(evidence), evidence.config, evidence.run.recipe.as_dict()["segmenter"]
    inputs = [hashes(segmenter), settings, config.threshold, config.batch, evidence.scored.digest(())]
    return [*inputs, "flipped"] if segmenter.flipped else inputs


@torch.no_grad()
def _segmented(evidence: Evidence) -> dict[str, np.ndarray]:
    """What the segmenter says of the test images with masks, whichever of it is asked for: each is shown to it once."""
    run, reals, segmenter = evidence.run, evidence.scored, _segmenter(evidence)
    shape, known, several = (len(reals), *reals.images.shape[2:]), segmenter.background, False
    found, soft = np.empty(shape, np.uint8), np.empty(shape if known else 0, np.uint8)
    run.reporter.stage("predict", len(reals))
    for where, batch in real_batches(reals, evidence.config.batch, (), run.runtime):
        with run.runtime.autocast():
            probability = segmenter.segmented(batch.images)
        several = probability.shape[1] > 1
        parts = probability.argmax(dim=1) if several else probability[:, 0] >= evidence.config.threshold
        found[where] = parts.byte().cpu().numpy() + (not known)  # without a background, parts begin at 1
        if known:
            soft[where] = uint8((1 - probability[:, 0] if several else probability[:, 0]).float())
        run.reporter.advance(where.stop)
    masks = {"bits": np.packbits(found > 0, axis=-1), "soft": soft} if known else {}
    return masks | {"side": np.asarray(shape[-1])} | ({"parts": found} if several else {})


def _predicted_masks(evidence: Evidence) -> np.ndarray:
    """Foreground, (N, R, R) bool: its probability reaches the threshold, or any part but the first leads."""
    kept = evidence["predictions"]
    if "bits" not in kept:
        raise NotAvailable(PARTITION)
    return np.unpackbits(kept["bits"], axis=-1, count=int(kept["side"])).astype(bool)


def _predicted_parts(evidence: Evidence) -> np.ndarray:
    """The likeliest part of each pixel, (N, R, R) uint8, 0 the background; from 1 on where none is known to be it."""
    if "parts" not in evidence["predictions"]:
        raise NotAvailable("needs a part for each object, and this method predicts foreground or not; see ari")
    return evidence["predictions"]["parts"]


def _predicted_probabilities(evidence: Evidence) -> np.ndarray:
    """Probability of foreground, (N, R, R) uint8, 255 for 1; kept."""
    if not _segmenter(evidence).background:
        raise NotAvailable(PARTITION)
    return evidence.kept("probabilities", _inputs(evidence), lambda: {"soft": evidence["segmented"]["soft"]})["soft"]


def _scored_on(evidence: Evidence) -> dict[str, object]:
    """The other data set that masks are predicted on, as it is set and read, and which of its pictures are left out."""
    if (other := evidence.run.recipe.elsewhere) is None:
        return {}
    shown = evidence.shown
    settings = [f"{name} = {value}" for name, value in sorted(plain(other.config).items())]
    version = [f"version {other.dataset.version}"] if other.dataset.version != 1 else []
    words = [*settings, *version, f"{shown.origin} copy", f"crop {shown.crop}"]
    out = None
    if shown.copies.get("left_out"):
        table = sha256_of_file(Path(evidence.config.copies).expanduser())
        out = f"copies of training pictures left out (by {table[:12]})"
    return {"scored_on": ", ".join([other.dataset.name, *words]), "copies": out}


def _committed(evidence: Evidence) -> dict[str, object]:
    return {**_soft(evidence), "threshold": evidence.config.threshold}


def _soft(evidence: Evidence) -> dict[str, object]:
    rule = evidence.run.recipe.segmentation.polarity
    committed = "committed" if rule == "painted" else f"committed ({rule})"
    return {"split": evidence.split, "polarity": committed, **_scored_on(evidence)}


def _true_masks(evidence: Evidence) -> np.ndarray:
    masks = evidence.scored.masks
    assert masks is not None
    return masks[:] > 127


def _drawn_by(evidence: Evidence) -> dict[str, object]:
    return {"pseudo": evidence.shown.pseudo.get("masks")}


def _ignored(evidence: Evidence) -> np.ndarray:
    """Pixels of those masks that no score counts, (N, R, R) bool; none of them where the data set leaves none out."""
    reals = evidence.scored
    return np.broadcast_to(False, reals.images[:, 0].shape) if reals.ignored is None else reals.ignored[:]


def _left_out(evidence: Evidence) -> dict[str, object]:
    return {"ignore": evidence.shown.ignore or None}


def _instances(evidence: Evidence) -> np.ndarray:
    shown = evidence.shown
    if shown.instances is None:
        raise NotAvailable("no instance maps in this data set")
    known = shown.instances if shown.masks is None else evidence.scored.instances
    assert known is not None
    return known[:]


def _seen(extractor: str, part: str, evidence: Evidence) -> tuple[np.ndarray, np.ndarray | None]:
    """Features (M, D) of the samples, or of another part of them, and class probabilities; in one pass."""
    pictures = evidence[part]  # first: where there are none, that is what is told, and no network is loaded
    return evidence[f"extractor/{extractor}"].describe(pictures)


def _moments(extractor: str, seen: str, evidence: Evidence) -> tuple[Moments, Moments]:
    """Moments of the real images, and of the samples."""
    features, _ = evidence[seen]
    stream = MomentStream(evidence[f"extractor/{extractor}"].dim)
    stream.update_all(features)
    return evidence[f"real-moments/{extractor}"], stream.moments()


def _real_moments(extractor: str, evidence: Evidence) -> Moments:
    cache = evidence.run.home.root / "moments"
    return real_moments(reference(evidence), evidence[f"extractor/{extractor}"], cache, evidence.run.reporter)


def reference(evidence: Evidence) -> list[Split]:
    """The real images that samples are compared with."""
    splits, count = _all_reals(evidence), evidence.config.reference_samples
    return drawn(splits, count) if count else splits


def which_reals(evidence: Evidence) -> dict[str, object]:
    """The protocol of what is compared with them: their split and, where they are not all of it, how many."""
    config = evidence.config
    some = 0 < config.reference_samples < sum(map(len, _all_reals(evidence)))
    return {"split": config.reference, "reference_samples": config.reference_samples if some else None}


def _all_reals(evidence: Evidence) -> list[Split]:
    return [evidence.splits["train"]] if evidence.config.reference == "train" else evidence.whole


def _of_extractor(name: str) -> list[Part]:
    """What a feature extractor sees; its name and weights are in the protocol of every number that reads it."""

    def of_samples(evidence: Evidence) -> dict[str, object]:
        network = evidence[f"extractor/{name}"]
        return {**_sampling(evidence), "extractor": name, "weights": network.weights_hash}

    def against_reals(evidence: Evidence) -> dict[str, object]:
        return {**of_samples(evidence), **which_reals(evidence)}

    return [
        Part(f"extractor/{name}", lambda evidence: load_extractor(name, device=evidence.run.runtime.device)),
        Part(f"seen/{name}", partial(_seen, name, "samples"), of_samples),
        Part(f"seen-backgrounds/{name}", partial(_seen, name, "sample_backgrounds"), of_samples),
        Part(f"real-moments/{name}", partial(_real_moments, name), against_reals),
        Part(f"moments/{name}", partial(_moments, name, f"seen/{name}"), against_reals),
        Part(f"background-moments/{name}", partial(_moments, name, f"seen-backgrounds/{name}"), against_reals),
    ]


PARTS: dict[str, Part] = {
    part.name: part
    for part in (
        Part("painted", _painted, _sampling),
        Part("samples", partial(_sample_part, "images"), _sampling),
        Part("sample_backgrounds", partial(_sample_part, "backgrounds"), _sampling),
        Part("sample_alphas", partial(_sample_part, "alphas"), _sampling),
        Part("layer_difference", partial(_sample_part, "difference"), _sampling),
        Part("segmented", _segmented),
        Part("predictions", _predictions),
        Part("predicted_masks", _predicted_masks, _committed),
        Part("predicted_parts", _predicted_parts, _committed),
        Part("predicted_probabilities", _predicted_probabilities, _soft),
        Part("true_masks", _true_masks, _drawn_by),
        Part("ignored", _ignored, _left_out),
        Part("instances", _instances),
        TAUGHT,
        *(part for name in EXTRACTORS for part in _of_extractor(name)),
    )
}
"""Every part that needs no plugin, by name."""
