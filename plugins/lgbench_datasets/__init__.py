"""Data sets that come with lgbench: painted worlds, digits on grey canvases, photographs, scenes, class maps."""

from lgbench import Dataset, hookimpl

from .by_hand import APC, CARS, CLEVR6, FS100, LSUN_CAR
from .mapped import CAMVID, CELEBA, CLOTHING, DEEPFASHION, FACES68
from .official import CIFAR10, CUB, DOGS, FLOWERS, LFW, MNIST_ONE, MNIST_TWO
from .painted import DIGITS_ONE, FACES, FLORA, FLORA_WILD

__all__ = ["datasets"]


@hookimpl
def datasets() -> list[Dataset]:
    """Records of the data sets; their builders import what they need when they are called."""
    painted = [FLORA, FLORA_WILD, FACES, DIGITS_ONE]
    official = [MNIST_ONE, MNIST_TWO, FLOWERS, CUB, DOGS, LFW, CIFAR10]
    by_hand = [CARS, FS100, CLEVR6, APC, LSUN_CAR]
    mapped = [CELEBA, FACES68, DEEPFASHION, CLOTHING, CAMVID]
    return [*painted, *official, *by_hand, *mapped]
