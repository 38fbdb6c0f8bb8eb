"""ELGAN: Equivariant Layered GAN (Yang et al.), the earlier version of the milgan paper."""

from lgbench import Generator, Lazy, Method, hookimpl

from .presets import PRESETS

LGBENCH_API = 2

CITATION = """@misc{yang2021elgan,
  title={Learning Foreground-Background Segmentation with Equivariant Layered {GANs}},
  author={Yang, Yu and Bilen, Hakan and Zou, Qiran and Cheung, Wing Yin and Ji, Xiangyang},
  year={2021}
}"""


@hookimpl
def generators() -> list[Generator]:
    return [
        Generator(
            name="elgan",
            summary="masks from z and a super class, colours from the class below it, a background from z alone",
            config=Lazy("lgbench_elgan.config:ELGANConfig"),
            build=Lazy("lgbench_elgan.model:ELGAN"),
            codes={"c": "foreground"},
            varies=("z", "c", "c_sup"),
        )
    ]


@hookimpl
def methods() -> list[Method]:
    return [
        Method(
            name="elgan",
            summary="moving the latent by a learned offset must do what moving the foreground does",
            paper="Yang et al., ELGAN, 2021",
            citation=CITATION,
            generator="elgan",
            config=Lazy("lgbench_elgan.config:ELGANMethod"),
            build=Lazy("lgbench_elgan.game:elgan"),
            regularizers={
                "perturbation": {"weight": 1.0},
                "binarization": {"weight": 2.0, "form": "min"},
                "equivariance": {"weight": 0.5},
            },
            presets=PRESETS,
        )
    ]
