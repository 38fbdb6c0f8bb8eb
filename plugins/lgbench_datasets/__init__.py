"""Data sets that come with lgbench: painted worlds, digits on grey canvases, photographs, scenes, class maps."""

from lgbench import Dataset, hookimpl

from .apc import APC
from .camvid import CAMVID
from .cars import CARS
from .celeba import CELEBA
from .cifar10 import CIFAR10
from .clevr6 import CLEVR6
from .clothing import CLOTHING
from .cub import CUB
from .deepfashion import DEEPFASHION
from .digits import DIGITS_ONE
from .dogs import DOGS
from .faces import FACES
from .faces68 import FACES68
from .flora import FLORA, FLORA_WILD
from .flowers import FLOWERS
from .fs100 import FS100
from .lfw import LFW
from .lsun_car import LSUN_CAR
from .mnist import MNIST_ONE, MNIST_TWO

__all__ = ["datasets"]


@hookimpl
def datasets() -> list[Dataset]:
    """Records of the data sets; their builders import what they need when they are called."""
    painted = [FLORA, FLORA_WILD, FACES, DIGITS_ONE]
    official = [MNIST_ONE, MNIST_TWO, FLOWERS, CUB, DOGS, LFW, CIFAR10]
    by_hand = [CARS, FS100, CLEVR6, APC, LSUN_CAR]
    mapped = [CELEBA, FACES68, DEEPFASHION, CLOTHING, CAMVID]
    return [*painted, *official, *by_hand, *mapped]
