"""lgbench trains, segments with and ranks layered GANs.

This package's public names need no torch. `lgbench.layers`, `lgbench.game`, `lgbench.nn`, `lgbench.losses`, ... do.
"""

import pkgutil
from typing import TYPE_CHECKING

from .errors import LgbenchError, NotAvailable
from .hookspecs import API_VERSION, hookimpl
from .offers import Dataset, Generator, ImageSpec, Lazy, Method, Metric, NoConfig, Part, Regularizer, Segmenter, Source
from .version import __version__

if TYPE_CHECKING:
    from .frames import frame
    from .trained import load_run

__all__ = [
    "API_VERSION",
    "Dataset",
    "Generator",
    "ImageSpec",
    "Lazy",
    "LgbenchError",
    "Method",
    "Metric",
    "NoConfig",
    "NotAvailable",
    "Part",
    "Regularizer",
    "Segmenter",
    "Source",
    "__version__",
    "frame",
    "hookimpl",
    "load_run",
]


LATER = {"frame": "lgbench.frames:frame", "load_run": "lgbench.trained:load_run"}
"""What needs torch or pandas, and is imported when it is first read."""


def __getattr__(name: str) -> object:
    if name not in LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return pkgutil.resolve_name(LATER[name])
