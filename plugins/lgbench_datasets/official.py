"""Photographs and digits whose official files are fetched, with their checksums.

Records alone: what reads the files stands in a module of each data set, imported when it is opened.
"""

from __future__ import annotations

from dataclasses import replace

from lgbench import Dataset, Lazy, Source

__all__ = ["CIFAR10", "CUB", "DOGS", "FLOWERS", "LFW", "MNIST_ONE", "MNIST_TWO"]

MNIST_MIRRORS = (
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
)


def _mirrored(file: str, sha256: str, size: int) -> Source:
    return Source(file, tuple(mirror + file for mirror in MNIST_MIRRORS), f"sha256:{sha256}", size)


MNIST_SOURCES = (
    _mirrored(
        "train-images-idx3-ubyte.gz",
        "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
        9912422,
    ),
    _mirrored("train-labels-idx1-ubyte.gz", "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c", 28881),
    _mirrored("t10k-images-idx3-ubyte.gz", "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6", 1648877),
    _mirrored("t10k-labels-idx1-ubyte.gz", "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6", 4542),
)

MNIST_ONE = Dataset(
    name="mnist-one",
    summary="LR-GAN's MNIST-ONE: one digit on a grey canvas, exact masks.",
    build=Lazy("lgbench_datasets.mnist:build_one"),
    config=Lazy("lgbench_datasets.mnist:Mnist"),
    licence="CC BY-SA 3.0, as commonly stated",
    citation=(
        "LeCun, Cortes and Burges, The MNIST database of handwritten digits; recipe: Yang et al., LR-GAN, ICLR 2017."
    ),
    provides=frozenset({"masks", "instances", "labels"}),
    splits="60,000 train / 10,000 val / 10,000 test",
    apart=frozenset({"val"}),
    resolution=32,
    grey=True,
    sources=MNIST_SOURCES,
    locate=Lazy("lgbench_datasets.mnist:locate"),
)

MNIST_TWO = replace(
    MNIST_ONE,
    name="mnist-two",
    summary="LR-GAN's MNIST-TWO: two digits side by side on a grey canvas, exact masks and instances.",
    build=Lazy("lgbench_datasets.mnist:build_two"),
    resolution=64,
)

FLOWERS_SITE = "https://www.robots.ox.ac.uk/~vgg/data/flowers/102"

# SHA-256 and sizes as TensorFlow Datasets lists them. For the segmentations only the MD5 that programs built on
# torchvision use could be confirmed.
FLOWERS_SOURCES = (
    Source(
        "102flowers.tgz",
        (f"{FLOWERS_SITE}/102flowers.tgz",),
        "sha256:2d01ecc807db462958cfe3d92f57a8c252b4abd240eb955770201e45f783b246",
        344_862_509,
    ),
    Source(
        "imagelabels.mat",
        (f"{FLOWERS_SITE}/imagelabels.mat",),
        "sha256:4903e94206bac23bf772aadf06451916df56b58fc483a62db32a97b82656651d",
        502,
    ),
    Source(
        "setid.mat",
        (f"{FLOWERS_SITE}/setid.mat",),
        "sha256:46b8678f91fd95d3c8f4feab80d271a6c834a1dd896fe29fd3e6ad9ce5c8dccd",
        14_989,
    ),
    Source(
        "102segmentations.tgz",
        (f"{FLOWERS_SITE}/102segmentations.tgz",),
        "md5:51375996b6c4f367a4b9f4492d7ecef5",
        optional=True,
    ),
)

FLOWERS = Dataset(
    name="flowers",
    summary="Oxford 102 Category Flowers: 8,189 photographs",
    build=Lazy("lgbench_datasets.flowers:build"),
    config=Lazy("lgbench_datasets.flowers:Config"),
    licence="no explicit licence; the photographs belong to their authors; distributed for research",
    citation="Nilsback and Zisserman, Automated flower classification over a large number of classes, ICVGIP 2008",
    provides=frozenset({"masks", "labels"}),
    splits="6,149 train / 1,020 val / 1,020 test (split = redo), or the official ones, the other way round",
    resolution=64,
    sources=FLOWERS_SOURCES,
)

CUB_SITE = "https://data.caltech.edu/records"

# SHA-256 and sizes as TensorFlow Datasets lists them; the MD5 that CaltechDATA shows belong to the same files.
CUB_SOURCES = (
    Source(
        "CUB_200_2011.tgz",
        (f"{CUB_SITE}/65de6-vp158/files/CUB_200_2011.tgz?download=1",),
        "sha256:0c685df5597a8b24909f6a7c9db6d11e008733779a671760afef78feb49bf081",
        1_150_585_339,
    ),
    Source(
        "segmentations.tgz",
        (f"{CUB_SITE}/w9d68-gec53/files/segmentations.tgz?download=1",),
        "sha256:dc77f6cffea0cbe2e41d4201115c8f29a6320ecb04fffd2444f51b8066e4b84f",
        39_272_883,
        optional=True,
    ),
)

# ReDO (Chen et al., NeurIPS 2019) published its split as a list that follows no rule, without a checksum.
CUB_REDO_FILE = "train_val_test_split.txt"

CUB_REDO_PAGE = f"https://github.com/mickaelChen/ReDO/tree/master/datasplits/cub/{CUB_REDO_FILE}"

CUB = Dataset(
    name="cub",
    summary="Caltech-UCSD Birds-200-2011: 11,788 photographs (crop = bbox: weak supervision)",
    build=Lazy("lgbench_datasets.cub:build"),
    config=Lazy("lgbench_datasets.cub:Config"),
    licence="no explicit licence; the photographs belong to their authors; distributed for non-commercial research",
    citation="Wah et al., The Caltech-UCSD Birds-200-2011 Dataset, technical report CNS-TR-2011-001, Caltech, 2011",
    provides=frozenset({"masks", "labels"}),
    splits="10,000 train / 788 val / 1,000 test (split = redo), or 5,994 train / 5,794 test (official)",
    resolution=128,
    sources=CUB_SOURCES,
    by_hand=f"ReDO's own split instead of one drawn by hash is optional: put {CUB_REDO_PAGE} into files/cub below the "
    "data home.",
)

DOGS_SITE = "http://vision.stanford.edu/aditya86/ImageNetDogs"

# SHA-256 and sizes as TensorFlow Datasets lists them.
DOGS_SOURCES = (
    Source(
        "images.tar",
        (f"{DOGS_SITE}/images.tar",),
        "sha256:a443fc2f9a851aa1a7b8e4fa4af94b8459fce2c9f5a2f4dd4669cf9673a4ec58",
        793_579_520,
    ),
    Source(
        "annotation.tar",
        (f"{DOGS_SITE}/annotation.tar",),
        "sha256:662ed36f707be6b195c2fda392d8e153e83af28cedc8e2134a649f198def30fd",
        21_852_160,
    ),
    Source(
        "lists.tar",
        (f"{DOGS_SITE}/lists.tar",),
        "sha256:34b47cacd9a98b5d150e084f24d29391c084c55272295ec65c85651bc35f4d6c",
        481_280,
    ),
)

DOGS = Dataset(
    name="dogs",
    summary="Stanford Dogs: 20,580 photographs (crop = bbox: weak supervision)",
    build=Lazy("lgbench_datasets.dogs:build"),
    config=Lazy("lgbench_datasets.dogs:Config"),
    licence="no explicit licence; the photographs, from ImageNet, belong to their authors; for non-commercial research",
    citation="Khosla et al., Novel dataset for fine-grained image categorization, FGVC workshop at CVPR, 2011",
    provides=frozenset({"masks", "labels"}),
    thing="dog",
    splits="12,000 train / 8,580 test",
    resolution=128,
    sources=DOGS_SOURCES,
)

LFW_SITE = "http://vis-www.cs.umass.edu/lfw"  # often out of reach; the mirror, scikit-learn's, has only the pictures

LFW_MIRROR = "https://ndownloader.figshare.com/files"

# SHA-256 as scikit-learn lists them, sizes as the mirror's users report them. For the lists of people only the MD5 that
# torchvision states could be confirmed.
LFW_ARCHIVES = {
    "funneled": Source(
        "lfw-funneled.tgz",
        (f"{LFW_MIRROR}/5976015", f"{LFW_SITE}/lfw-funneled.tgz"),
        "sha256:b47c8422c8cded889dc5a13418c4bc2abbda121092b3533a83306f90d900100a",
        243_346_528,
    ),
    "original": Source(
        "lfw.tgz",
        (f"{LFW_MIRROR}/5976018", f"{LFW_SITE}/lfw.tgz"),
        "sha256:055f7d9c632d7370e6fb4afc7468d40f970c34a80d4c6f50ffec63f5a8d536c0",
        180_566_744,
    ),
}

LFW_PEOPLE = {
    "train": Source("peopleDevTrain.txt", (f"{LFW_SITE}/peopleDevTrain.txt",), "md5:54eaac34beb6d042ed3a7d883e247a21"),
    "test": Source("peopleDevTest.txt", (f"{LFW_SITE}/peopleDevTest.txt",), "md5:e4bf5be0a43b5dcd9dc5ccfcb8fb19c5"),
}

LFW = Dataset(
    name="lfw",
    summary="Labeled Faces in the Wild: 13,233 photographs of 5,749 people",
    build=Lazy("lgbench_datasets.lfw:build"),
    config=Lazy("lgbench_datasets.lfw:Config"),
    licence="no explicit licence; the photographs belong to their authors; distributed for research",
    citation="Huang et al., Labeled Faces in the Wild, technical report 07-49, University of Massachusetts, 2007",
    provides=frozenset({"masks", "labels"}),
    splits="9,525 train / 3,708 test (split = view-1), or 11,910 / 1,323",
    resolution=64,
    sources=(LFW_ARCHIVES["funneled"], *LFW_PEOPLE.values()),
    by_hand="Masks are optional: put the part labels that Kae et al. (CVPR 2013) publish into "
    "files/lfw/parts_lfw_funneled_gt_images below the data home, and set data.masks = 'parts_lfw_funneled_gt_images'.",
)

# The binary archive holds the same bytes as the pickled one, and reading it executes nothing. MD5 as the official page
# states it.
CIFAR10_SOURCES = (
    Source(
        "cifar-10-binary.tar.gz",
        ("https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",),
        "md5:c32a1d4ab5d03f1284b67883e8d87530",
        170_052_171,
    ),
)

CIFAR10_JPEG = Source(
    "cifar10_jpeg.tar.xz",
    (),  # put there by hand
    "sha256:f3b2857085406949e481708d22b3da2269769e6343208246c7cf5a722c237a03",
    18_547_964,
)

CIFAR10 = Dataset(
    name="cifar10",
    summary="CIFAR-10: 60,000 photographs of 10 classes, 32 pixels a side",
    build=Lazy("lgbench_datasets.cifar10:build"),
    config=Lazy("lgbench_datasets.cifar10:Config"),
    licence="no explicit licence; free for research, citation asked for",
    citation="Krizhevsky, Learning multiple layers of features from tiny images, technical report, 2009",
    provides=frozenset({"labels"}),
    splits="50,000 train / 10,000 test",
    resolution=32,
    sources=(*CIFAR10_SOURCES, replace(CIFAR10_JPEG, optional=True)),
    locate=Lazy("lgbench_datasets.cifar10:locate"),
)
