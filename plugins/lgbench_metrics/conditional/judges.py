"""What judges read in painted images, and in real ones beside them (Jiang et al., SCGAN, Table 1)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from lgbench import NotAvailable, lessons
from lgbench.data.samples import IGNORED
from lgbench.evaluation import Evidence
from lgbench.game import Lesson
from lgbench.intervals import interval
from lgbench.layers import Batch
from lgbench.losses import multi_label, segmentation
from lgbench.nn import Segmentor, from_seed, weights_hash
from lgbench.painting import as_sampled, conditions, real_batch, uint8
from lgbench.score import Score
from lgbench_metrics.images.contextual import judge_width

__all__ = [
    "AttributeReader",
    "agreement",
    "attribute_accuracy",
    "attributes_protocol",
    "attributes_read",
    "between",
    "classifier",
    "conditioned",
    "conditioned_protocol",
    "confusion",
    "diversity",
    "judge",
    "one_of_many",
    "region_ious",
    "regions_protocol",
    "regions_read",
    "spatial_consistency",
]


def conditioned(evidence: Evidence) -> np.ndarray:
    """Images under the conditions of the first test images, as often as `repeats` says, (repeats, N, 3, R, R) uint8."""
    painter, config, run = evidence.game.painter, evidence.config, evidence.run
    if not painter.conditional & {"segments", "attributes"}:
        raise NotAvailable("the method is given neither class maps nor attributes")
    if lacking := sorted(part for part in painter.conditional if getattr(evidence.test, part) is None):
        raise NotAvailable(f"the split {evidence.split} has no {' and no '.join(lacking)}")
    given = evidence.test.digest(painter.conditional)
    how = [config.conditions, config.repeats, config.batch, config.sample_bn, run.recipe.seed]
    return evidence.kept("conditioned", [weights_hash(painter), given, *how], partial(_paint, evidence))["images"]


@torch.no_grad()
def _paint(evidence: Evidence) -> dict[str, np.ndarray]:
    painter, config, run = evidence.game.painter, evidence.config, evidence.run
    count, side = len(_held_out(evidence)), run.recipe.resolution
    images = np.empty((config.repeats, count, 3, side, side), np.uint8)
    run.reporter.stage("paint conditions", config.repeats * count)
    with as_sampled(painter, config.sample_bn == "batch", run.recipe.seed + 4):
        for repeat in range(config.repeats):
            for where, batch in _batches(evidence, painter.conditional):
                with run.runtime.autocast():
                    painted = painter(painter.codes(len(batch), batch)).image
                images[repeat, where] = uint8((painted.float() + 1) / 2)[: where.stop - where.start]
                run.reporter.advance(repeat * count + where.stop)
    return {"images": images}


def conditioned_protocol(evidence: Evidence) -> dict[str, object]:
    """Whose conditions are painted, how often, and by which statistics."""
    config, given = evidence.config, " and ".join(conditions(evidence.game.painter, evidence.test))
    samples, split = config.repeats * len(_held_out(evidence)), evidence.split
    told = {"split": split, "samples": samples, "given": f"{given} of {split}, {config.repeats} latents"}
    return {**evidence.protocol(["painted"]), **told}


def _held_out(evidence: Evidence) -> np.ndarray:
    return np.arange(min(evidence.config.conditions, len(evidence.test)))


def _batches(evidence: Evidence, parts: frozenset[str]) -> Iterator[tuple[slice, Batch]]:
    """The held-out images, with where among them each batch lies.

    A batch of one has the first of all besides where it is painted by its own statistics.
    """
    index, config = _held_out(evidence), evidence.config
    for start in range(0, len(index), config.batch):
        where = slice(start, min(start + config.batch, len(index)))
        chosen = index[where]
        if len(chosen) == 1 and config.sample_bn == "batch":  # statistics of one image are none
            chosen = np.append(chosen, index[0])
        yield where, real_batch(evidence.test, chosen, parts, evidence.run.runtime)


Judge = tuple[nn.Module, str, str]
"""A network on eval, what it is called, and the SHA-256 of its weights."""


def judge(evidence: Evidence) -> Judge:
    """The Segmentor that all methods share: taught on the real training images, once per data set and side."""
    train, kind, epochs = evidence.splits["train"], evidence.config.judge, evidence.config.judge_epochs
    if train.segments is None or evidence.test.segments is None:
        raise NotAvailable("no class maps in this data set")
    network = from_seed(0, lambda: Segmentor(len(train.segment_names), kind))

    def loss(real: Batch) -> Tensor:
        assert real.segments is not None
        return segmentation(network(real.images), real.segments)

    lesson = Lesson(f"judge of class maps, {kind}", network, loss, frozenset({"segments"}), epochs)
    return network, f"segmentor-{kind}, {epochs} epochs", lessons.teach(lesson, train, evidence.run)


def classifier(evidence: Evidence) -> Judge:
    """A classifier of attributes with SCGAN's critic's convolutions, taught as the judge is.

    Of attributes that exclude each other (`one_of_many`) it learns which one is on, and is called otherwise.
    """
    train, epochs = evidence.splits["train"], evidence.config.judge_epochs
    if train.attributes is None or evidence.test.attributes is None:
        raise NotAvailable("no attributes in this data set")
    side, width = evidence.run.recipe.resolution, judge_width(evidence)
    network = from_seed(0, lambda: AttributeReader(len(train.attribute_names), side, width))
    form, kind = ("ce", "softmax classifier") if one_of_many(evidence) else ("bce", "classifier")

    def loss(real: Batch) -> Tensor:
        assert real.attributes is not None
        return multi_label(network(real.images), real.attributes, form)

    lesson = Lesson(f"{kind} of attributes, {width}", network, loss, frozenset({"attributes"}), epochs)
    return network, f"{kind}-{width}, {epochs} epochs", lessons.teach(lesson, train, evidence.run)


def one_of_many(evidence: Evidence) -> bool:
    """Whether attributes exclude each other in the images that teach and in those that are scored.

    Otherwise each is read by itself: of a picture that has two, no one is right.
    """
    return evidence.splits["train"].exclusive and evidence.test.exclusive


def regions_protocol(evidence: Evidence) -> dict[str, object]:
    """What is painted, which judge reads it, and what made the class maps that it learnt from, where no person did."""
    _, name, weights = evidence["judge"]
    told = {"extractor": name, "weights": weights, "pseudo": evidence.test.pseudo.get("segments")}
    return {**conditioned_protocol(evidence), **told}


def attributes_protocol(evidence: Evidence) -> dict[str, object]:
    """What is painted, and which classifier reads it."""
    _, name, weights = evidence["attribute-classifier"]
    return {**conditioned_protocol(evidence), "extractor": name, "weights": weights}


class AttributeReader(nn.Sequential):
    """Which attributes does an image show? (N, 3, R, R) in [-1, 1] -> (N, attributes) logits.

    SCGAN's critic without its patch head: stride-2 convolutions w, 2w, 4w, ... down to 2 x 2 with LeakyReLU 0.2, then
    one of 2 x 2.
    """

    def __init__(self, attributes: int, side: int, width: int = 64) -> None:
        widths = [3, *(width << k for k in range(side.bit_length() - 2))]
        convs = [layer for i, o in pairwise(widths) for layer in (nn.Conv2d(i, o, 4, 2, 1), nn.LeakyReLU(0.2))]
        super().__init__(*convs, nn.Conv2d(widths[-1], attributes, 2, bias=False), nn.Flatten())


@torch.no_grad()
def _read(network: Callable[[Tensor], Tensor], images: np.ndarray, evidence: Evidence, decide: Any) -> np.ndarray:
    """What a network decides on images, (N, 3, R, R) uint8."""
    runtime, size = evidence.run.runtime, evidence.config.batch
    parts = (torch.from_numpy(images[start : start + size]) for start in range(0, len(images), size))
    return np.concatenate([decide(network(runtime.images(part)).float()).cpu().numpy() for part in parts])


def regions_read(evidence: Evidence) -> dict[str, Any]:
    """What the judge reads where the class maps say what, in pixels: `confusion` of images of N class maps.

    `painted` (repeats, N, C, C); `real`, real images with their own class maps, and `others`, with those of others,
    (N, C, C); `own` (repeats, N, C, C), as the generator's own segmentor reads them, where it had one; `names` of the
    classes. They are kept with the run, a hundredth of the images.
    """
    painted = evidence["conditioned"]
    if "segments" not in evidence.game.painter.conditional:
        raise NotAvailable("the method is not given class maps")
    network, index = evidence["judge"][0], _held_out(evidence)
    given, names = np.asarray(evidence.test.known(index, ["segments"])["segments"]), evidence.test.segment_names

    def read(by: Callable[[Tensor], Tensor], images: np.ndarray) -> np.ndarray:
        return _read(by, images, evidence, _largest)

    real = read(network, evidence.test.rgb(index))
    found = {
        "painted": np.stack([confusion(read(network, images), given, len(names)) for images in painted]),
        "real": confusion(real, given, len(names)),
        "names": names,
    }
    if len(given) > 1:  # one image has no other's map
        found["others"] = confusion(real, given[_derangement(len(given))], len(names))
    if own := next((term.regions for _, _, term in evidence.game.terms if term.regions), None):
        found["own"] = np.stack([confusion(read(own, images), given, len(names)) for images in painted])
    return found


def spatial_consistency(evidence: Evidence) -> Score:
    """ASC: the share of pixels that the judge reads as given, a mean over images and repeats; see the specification.

    Details: `floor` (real images against the class maps of others, where there are others), `ceiling` (against their
    own), `normalised` between the two, where the judge has learnt enough to tell them apart; `miou` and `iou-REGION`
    over all images together; `own`, flattering, is the ASC by the segmentor that the generator learnt from, where it
    had one.
    """
    read = evidence["regions-read"]
    painted, names = read["painted"], read["names"]
    per_image = agreement(painted).mean(axis=0)
    value = float(per_image.mean())
    ious = region_ious(painted)
    known = np.isfinite(ious)
    details = {**between(value, read["real"], read.get("others")), "miou": float(ious[known].mean())}
    details |= {f"iou-{name}": float(iou) for name, iou in zip(names, ious, strict=True) if np.isfinite(iou)}
    if "own" in read:
        details["own"] = float(agreement(read["own"]).mean(axis=1).mean())
    return Score(value, per_image, details, n=per_image.size * len(painted))


def between(value: float, real: np.ndarray, others: np.ndarray | None) -> dict[str, float]:
    """What real images score with their own class maps and with those of others, and where `value` lies between.

    Args:
        real, others: `confusion` of the two, (N, C, C); no others where there is one image.

    Returns:
        `ceiling`; `floor`, where there are others; `normalised`, where the ceiling is surely above the floor: the 95 %
        interval of their mean difference is above 0.
    """
    own = agreement(real)
    details = {"ceiling": float(own.mean())}
    if others is None:
        return details
    strange = agreement(others)
    details["floor"] = floor = float(strange.mean())
    if interval(own - strange)[0] > 0:
        details["normalised"] = (value - floor) / (details["ceiling"] - floor)
    return details


def attributes_read(evidence: Evidence) -> dict[str, Any]:
    """What the classifier reads: `painted` (repeats, N, ...) and `real` (N, ...); `names` of the attributes.

    Whether each attribute is read as given, (..., A) bool; of attributes that exclude each other which one is read,
    (...) uint8, beside the one that was `given`, (N,).
    """
    painted = evidence["conditioned"]
    if "attributes" not in evidence.game.painter.conditional:
        raise NotAvailable("the method is not given attributes")
    network, index, one = evidence["attribute-classifier"][0], _held_out(evidence), one_of_many(evidence)
    given = np.asarray(evidence.test.known(index, ["attributes"])["attributes"]) > 0
    decide = _largest if one else _signs
    read = np.stack([_read(network, images, evidence, decide) for images in painted])
    real, names = _read(network, evidence.test.rgb(index), evidence, decide), evidence.test.attribute_names
    if one:
        return {"painted": read, "real": real, "given": given.argmax(axis=1).astype(np.uint8), "names": names}
    return {"painted": read == given, "real": real == given, "names": names}


def attribute_accuracy(evidence: Evidence) -> Score:
    """The share of attributes that the classifier reads as given, a mean over images and repeats.

    Details: `real` (the same on the real images), and each attribute's own by its name. Of attributes that exclude each
    other it is the share of images whose one is read; a reader that always says the same has the share of that one.
    Details: `real`; `floor` (real images against what others have), `normalised` between the two, as of
    `spatial_consistency`; by its name, each attribute's share of the images that were given it.
    """
    read = evidence["attributes-read"]
    if "given" in read:
        return _accuracy_of_one(read)
    right = read["painted"]
    each = {name: float(right[..., i].mean()) for i, name in enumerate(read["names"])}
    details = {"real": float(read["real"].mean()), **each}
    return Score(float(right.mean()), right.mean(axis=(0, 2)), details, n=right.shape[0] * right.shape[1])


def _accuracy_of_one(read: dict[str, Any]) -> Score:
    given, names = read["given"], read["names"]
    right = read["painted"] == given

    def joint(real: np.ndarray, given: np.ndarray) -> np.ndarray:
        """An image is a class map of one pixel."""
        return confusion(real[:, None, None], given[:, None, None], len(names))

    others = joint(read["real"], given[_derangement(len(given))]) if len(given) > 1 else None
    value = float(right.mean())
    details = between(value, joint(read["real"], given), others)
    details["real"] = details.pop("ceiling")
    details |= {name: float(right[:, given == i].mean()) for i, name in enumerate(names) if (given == i).any()}
    return Score(value, right.mean(axis=0), details, n=right.size)


def _signs(logits: Tensor) -> Tensor:
    return logits > 0


def _largest(logits: Tensor) -> Tensor:
    return logits.argmax(dim=1).byte()


def diversity(evidence: Evidence) -> Score:
    """Standard deviation of each pixel over repeats, images in [0, 1]; a mean over pixels and images."""
    images = evidence["conditioned"]
    if len(images) < 2:
        raise NotAvailable("evaluation.repeats=1 paints each condition once; diversity needs two latents or more")
    spread = [images[:, i].std(axis=0, ddof=1).mean() / 255 for i in range(images.shape[1])]
    return Score(float(np.mean(spread)), np.array(spread), n=images.shape[0] * images.shape[1])


def confusion(predicted: np.ndarray, true: np.ndarray, classes: int) -> np.ndarray:
    """How many of each image's pixels of each class were read as which, (N, classes, classes): true, then predicted.

    Args:
        predicted, true: (N, H, W) uint8 below `classes`; pixels that `true` ignores (255) are left out.
    """
    joint = np.empty((len(true), classes, classes), np.uint32)
    for counts, read, given in zip(joint, predicted, true, strict=True):
        known = given != IGNORED
        pairs = given[known].astype(np.intp) * classes + read[known]
        counts[:] = np.bincount(pairs, minlength=classes**2).reshape(classes, classes)
    return joint


def agreement(joint: np.ndarray) -> np.ndarray:
    """Share of each image's pixels whose class is right, (...) in [0, 1]; 0 where none is known.

    Args:
        joint: `confusion`, (..., C, C).
    """
    return np.trace(joint, axis1=-2, axis2=-1) / np.maximum(joint.sum(axis=(-2, -1)), 1)


def region_ious(joint: np.ndarray) -> np.ndarray:
    """Intersection over union of each class over all images together, (C,) in [0, 1]; NaN where nobody has it.

    Args:
        joint: `confusion`, (..., C, C).
    """
    joint = joint.reshape(-1, *joint.shape[-2:]).sum(axis=0)
    both, union = np.diag(joint), joint.sum(axis=0) + joint.sum(axis=1) - np.diag(joint)
    return np.where(union > 0, both / np.maximum(union, 1), np.nan)


def _derangement(n: int) -> np.ndarray:
    """For each of n images, two or more, another one, the same for the same n: no image meets itself."""
    order = np.random.default_rng(0).permutation(n)
    partner = np.empty(n, int)
    partner[order] = np.roll(order, -1)
    return partner
