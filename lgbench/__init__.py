"""lgbench trains, segments with and ranks layered GANs.

This package's public names need no torch. `lgbench.layers`, `lgbench.game`, `lgbench.nn`, `lgbench.losses`, ... do.
"""

from .errors import LgbenchError, NotAvailable
from .hookspecs import API_VERSION, hookimpl
from .records import Dataset, Generator, ImageSpec, Method, Metric, NoConfig, Part, Regularizer, Segmenter, Source

__version__ = "0.1.0"

__all__ = [
    "API_VERSION",
    "Dataset",
    "Generator",
    "ImageSpec",
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
    "hookimpl",
]
