"""Worlds that lgbench draws itself; they need no files.

Records alone: what reads the files stands in a module of each data set, imported when it is opened.
"""

from __future__ import annotations

from dataclasses import replace

from lgbench import Dataset, Lazy

__all__ = ["DIGITS_ONE", "FACES", "FLORA", "FLORA_WILD"]

FLORA = Dataset(
    name="flora",
    summary="Painted flowers over uniform to cluttered backgrounds, exact layers; needs no files.",
    build=Lazy("lgbench_datasets.flora:build"),
    config=Lazy("lgbench_datasets.flora:Flora"),
    licence="MIT, as lgbench itself",
    citation="Painted by lgbench.",
    provides=frozenset({"masks", "instances", "labels"}),
    splits="8,000 train / 1,000 val / 1,000 test, or as many as its settings say",
    resolution=64,
    apart=frozenset({"val"}),
    offline=True,
)

FLORA_WILD = replace(
    FLORA,
    name="flora-wild",
    summary="The same flowers wild: colour alone does not give them away (two-means: IoU 0.63); needs no files.",
    config=Lazy("lgbench_datasets.flora:FloraWild"),
    resolution=32,
    apart=frozenset(),  # had a val split from the beginning
)

FACES = Dataset(
    name="faces",
    summary="Painted faces: class maps, attributes, landmarks, exact layers; needs no files.",
    build=Lazy("lgbench_datasets.faces:build"),
    config=Lazy("lgbench_datasets.faces:Faces"),
    licence="MIT, as lgbench itself",
    citation="Painted by lgbench.",
    provides=frozenset({"masks", "segments", "attributes", "landmarks"}),
    splits="8,000 train / 1,000 val / 1,000 test, or as many as its settings say",
    resolution=64,
    offline=True,
    regions=Lazy("lgbench_datasets.face_regions:rasterise"),
    walks={"pose": Lazy("lgbench_datasets.faces:walk_pose"), "smile": Lazy("lgbench_datasets.faces:walk_smile")},
)

DIGITS_ONE = Dataset(
    name="digits-one",
    summary="Handwritten digits (scikit-learn's) on grey canvases, exact masks; needs no files.",
    build=Lazy("lgbench_datasets.digits:build"),
    config=Lazy("lgbench_datasets.digits:DigitsOne"),
    licence="CC BY 4.0 (the UCI repository's digits, shipped with scikit-learn)",
    citation=(
        "Alpaydin and Kaynak, Optical Recognition of Handwritten Digits, UCI Machine Learning Repository, 1998; "
        "recipe: Yang et al., LR-GAN, ICLR 2017."
    ),
    provides=frozenset({"masks", "instances", "labels"}),
    splits="8,000 train / 1,000 val / 1,000 test, or as many as its settings say",
    resolution=32,
    apart=frozenset({"val"}),
    offline=True,
    grey=True,
)
