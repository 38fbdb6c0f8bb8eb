"""What a plugin may offer: six hooks, each called once, when a command first needs what it returns.

Return records, not models: listing what is installed must stay instant, so a hook does not import torch. A plugin is a
module named in the entry-point group `lgbench`; it may say which API it was written for with `LGBENCH_API = 2`.
"""

from collections.abc import Iterable

import pluggy

from .offers import Dataset, Generator, Method, Metric, Regularizer, Segmenter

__all__ = ["API_VERSION", "RENAMED", "hookimpl", "hookspec"]

API_VERSION = 2

RENAMED = {
    "World": "ImageSpec",
    "Painter.codes(n, images)": "Painter.codes(n, batch), and batch.images",
    "a painter as any nn.Module": "a subclass of lgbench.layers.Painter",
    "conditional = True": 'conditional = frozenset({"images"})',
    "Step(number, images, ...)": "Step(number, real, ...), a Batch; step.images is still there",
    "lgbench.evidence": "lgbench.evaluation (Evidence, Score)",
    "evidence.samples, evidence.moments(extractor), ...": 'evidence["samples"], evidence["moments/inception"], ...',
    "Metric(extractor=...)": "Metric(needs={'moments/inception'}): parts say which extractor they read",
    "lgbench.records": "lgbench.offers, and `from lgbench import ...`",
    "lgbench.results": "lgbench.record",
    "lgbench.segmenters, lgbench.segmentation": "the plugin lgbench_segmenters, and a hook of that name",
    "lgbench.nn.AffineRange, jitter_contrast": "lgbench_regularizers.ranges",
    "Phase.every: played at steps that it divides": "played at the last of every so many steps",
}
"""What plugins of API version 1 called or did otherwise."""

hookspec = pluggy.HookspecMarker("lgbench")
hookimpl = pluggy.HookimplMarker("lgbench")


@hookspec
def generators() -> Iterable[Generator]:  # pyright: ignore[reportReturnType]
    """Offer networks that paint layered images, for methods to train."""


@hookspec
def regularizers() -> Iterable[Regularizer]:  # pyright: ignore[reportReturnType]
    """Offer loss terms that any method can switch on with `--with NAME`."""


@hookspec
def segmenters() -> Iterable[Segmenter]:  # pyright: ignore[reportReturnType]
    """Offer ways to segment with a trained generator, for `--set segmentation.name=NAME` of any method."""


@hookspec
def metrics() -> Iterable[Metric]:  # pyright: ignore[reportReturnType]
    """Offer numbers that every evaluation computes where its evidence allows."""


@hookspec
def datasets() -> Iterable[Dataset]:  # pyright: ignore[reportReturnType]
    """Offer data sets that `--dataset NAME` opens."""


@hookspec
def methods() -> Iterable[Method]:  # pyright: ignore[reportReturnType]
    """Offer methods that `--method NAME` runs."""
