"""Data sets whose files nobody offers, or that are too large to fetch unasked: they are put there by hand.

Records alone: what reads the files stands in a module of each data set, imported when it is opened.
"""

from __future__ import annotations

from lgbench import Dataset, Lazy, Source

__all__ = ["APC", "CARS", "CLEVR6", "FS100", "LSUN_CAR"]

# The site, ai.stanford.edu/~jkrause/cars, has answered 404 since 2023 and no official mirror is known, so there are no
# addresses. SHA-256 and sizes as TensorFlow Datasets lists them.
CARS_SOURCES = (
    Source(
        "cars_train.tgz",
        (),
        "sha256:512b227b30e2f0a8aab9e09485786ab4479582073a144998da74d64b801fd288",
        979_269_282,
    ),
    Source(
        "cars_test.tgz",
        (),
        "sha256:bffea656d6f425cba3c91c6d83336e4c5f86c6cffd8975b0f375d3a10da8e243",
        977_350_468,
    ),
    Source(
        "car_devkit.tgz",
        (),
        "sha256:b97deb463af7d58b6bfaa18b2a4de9829f0f79e8ce663dfa9261bf7810e9accd",
        330_960,
    ),
    Source(
        "cars_test_annos_withlabels.mat",
        (),
        "sha256:790f75be8ea34eeded134cc559332baf23e30e91367e9ddca97d26ed9b895f05",
        185_758,
    ),
)

CARS_BY_HAND = (
    "Its site (ai.stanford.edu/~jkrause/cars) is gone: put cars_train.tgz, cars_test.tgz, car_devkit.tgz and "
    "cars_test_annos_withlabels.mat, or the folders cars_train, cars_test and devkit that they unpack into, into "
    "files/cars below the data home."
)

CARS = Dataset(
    name="cars",
    summary="Stanford Cars: 16,185 photographs (crop = bbox: weak supervision)",
    build=Lazy("lgbench_datasets.cars:build"),
    config=Lazy("lgbench_datasets.cars:Config"),
    licence="no explicit licence; the photographs belong to their authors; distributed for non-commercial research",
    citation="Krause et al., 3D object representations for fine-grained categorization, 3DRR workshop at ICCV, 2013",
    provides=frozenset({"masks", "labels"}),
    thing="car",
    splits="8,144 train / 8,041 test",
    resolution=128,
    sources=CARS_SOURCES,
    by_hand=CARS_BY_HAND,
    locate=Lazy("lgbench_datasets.cars:locate"),
)

FS100_BY_HAND = (
    "No archive of it is offered anywhere: from FaceScrub's list (vintage.winklerbros.net/facescrub.html) put 100 "
    "folders, each with a person's cropped faces as JPEG or PNG, say Aaron_Eckhart/0001.jpg, into files/fs-100 below "
    "the data home."
)

FS100 = Dataset(
    name="fs-100",
    summary="FS-100: faces of 100 people from FaceScrub; no masks",
    build=Lazy("lgbench_datasets.fs100:build"),
    config=Lazy("lgbench_datasets.fs100:Config"),
    licence="FaceScrub's list is CC BY-NC-ND, as commonly stated; the photographs belong to their authors",
    citation="Ng and Winkler, A data-driven approach to cleaning large face datasets, ICIP 2014",
    provides=frozenset({"labels"}),
    splits="of each person's pictures every tenth is test, the others train",
    resolution=64,
    by_hand=FS100_BY_HAND,
    locate=Lazy("lgbench_datasets.fs100:locate"),
)

# The provider states no checksum, so the file is put there by hand; gzip's own checksum guards it.
CLEVR6_FILE = "clevr_with_masks_train.tfrecords"

CLEVR6_URL = f"https://storage.googleapis.com/multi-object-datasets/clevr_with_masks/{CLEVR6_FILE}"

CLEVR6_BY_HAND = f"Fetch {CLEVR6_URL} (several gigabytes) and put it, as it is, into files/clevr6 below the data home."

CLEVR6 = Dataset(
    name="clevr6",
    summary="CLEVR6: rendered scenes of one to six objects, with exact masks",
    build=Lazy("lgbench_datasets.clevr6:build"),
    config=Lazy("lgbench_datasets.clevr6:Config"),
    licence="Apache 2.0 (multi-object datasets); CLEVR is CC BY 4.0",
    citation="Johnson et al., CLEVR, CVPR 2017; Kabra et al., Multi-Object Datasets, 2019",
    provides=frozenset({"masks", "instances"}),
    splits="the scenes of at most 6 objects: among the first 70,000 train, of the rest 1,000 val / 1,000 test",
    resolution=128,
    by_hand=CLEVR6_BY_HAND,
    locate=Lazy("lgbench_datasets.clevr6:locate"),
)

# 131 GB without a stated checksum: nobody should start such a download by naming a data set.
APC_URL = "http://3dvision.princeton.edu/projects/2016/apc/downloads/training.zip"

APC_BY_HAND = (
    f"Fetch {APC_URL} (131 GB) and put its folder `training`, or a link to it, into files/apc below the data home."
)

APC = Dataset(
    name="apc",
    summary="Amazon Picking Challenge 2016: one object in a shelf or a tote",
    build=Lazy("lgbench_datasets.apc:build"),
    config=Lazy("lgbench_datasets.apc:Config"),
    licence="no explicit licence; distributed for research",
    citation="Zeng et al., Multi-view self-supervised deep learning for 6D pose estimation in the Amazon Picking "
    "Challenge, ICRA 2017",
    provides=frozenset({"masks", "labels"}),
    splits="80 % train / 10 % val / 10 % test of the scenes",
    resolution=128,
    by_hand=APC_BY_HAND,
    locate=Lazy("lgbench_datasets.apc:locate"),
)

LSUN_CAR_URL = "http://dl.yf.io/lsun/objects/car.zip"

LSUN_CAR_BY_HAND = (
    f"Into files/lsun-car below the data home put `images`, the photographs of {LSUN_CAR_URL} exported by data.py of "
    "github.com/fyu/lsun (flat or not), `test.txt`, the keys of the 1,040 test photographs that IEM's authors publish, "
    "one a line, and optionally `masks`, KEY.png for each of them as published there, in the photograph's size."
)

LSUN_CAR = Dataset(
    name="lsun-car",
    summary="LSUN Car: photographs of about 533 x 400 pixels; test masks by a supervised Mask R-CNN",
    build=Lazy("lgbench_datasets.lsun_car:build"),
    config=Lazy("lgbench_datasets.lsun_car:Config"),
    licence="no explicit licence; the photographs belong to their authors; distributed for research",
    citation="Yu et al., LSUN, arXiv:1506.03365, 2015; test masks: Savarese et al., IEM, CVPR 2021",
    provides=frozenset({"masks"}),
    thing="car",
    splits="about 31,893 train / 1,040 test",
    resolution=128,
    by_hand=LSUN_CAR_BY_HAND,
    locate=Lazy("lgbench_datasets.lsun_car:locate"),
)
