"""Data sets that come with lgbench: worlds that are painted, digits on grey canvases."""

from lgbench import Dataset, hookimpl

from .digits import DIGITS_ONE
from .flora import FLORA
from .flowers import FLOWERS
from .mnist import MNIST_ONE, MNIST_TWO

__all__ = ["datasets"]


@hookimpl
def datasets() -> list[Dataset]:
    """Records of the data sets; their builders import what they need when they are called."""
    return [FLORA, DIGITS_ONE, MNIST_ONE, MNIST_TWO, FLOWERS]
