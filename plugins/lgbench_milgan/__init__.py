"""milgan: improved layered GAN by mutual-information maximisation and alternate training (Yang et al., WACV 2022)."""

from lgbench import Generator, Lazy, Method, hookimpl

from .presets import PRESETS

LGBENCH_API = 2

CITATION = """@inproceedings{yang2022learning,
  title={Learning Foreground-Background Segmentation from Improved Layered {GANs}},
  author={Yang, Yu and Bilen, Hakan and Zou, Qiran and Cheung, Wing Yin and Ji, Xiangyang},
  booktitle={IEEE/CVF Winter Conference on Applications of Computer Vision},
  year={2022}
}"""


@hookimpl
def generators() -> list[Generator]:
    return [
        Generator(
            name="milgan",
            summary="a background from z; a foreground and its mask from z and a private code c",
            config=Lazy("lgbench_milgan.config:MilganConfig"),
            build=Lazy("lgbench_milgan.model:Milgan"),
            codes={"c": "foreground"},
            varies=("z", "c"),
        )
    ]


@hookimpl
def methods() -> list[Method]:
    return [
        Method(
            name="milgan",
            summary="a private code that image and mask must show keeps moving foregrounds from vanishing",
            paper="Yang et al., Learning Foreground-Background Segmentation from Improved Layered GANs, WACV 2022",
            citation=CITATION,
            generator="milgan",
            config=Lazy("lgbench_milgan.config:MilganMethod"),
            build=Lazy("lgbench_milgan.game:milgan"),
            regularizers={
                "perturbation": {"weight": 1.0},
                "binarization": {"weight": 2.0, "form": "min"},
            },
            presets=PRESETS,
        )
    ]
