"""PerturbGAN (Bielski and Favaro, NeurIPS 2019): lightweight, and full with a StyleGAN-1 backbone."""

from importlib import import_module

from lgbench import Generator, Method, Segmenter, hookimpl

from .config import EncoderConfig, LightConfig, PerturbGANMethod, StyleConfig
from .presets import FULL, LIGHT

LGBENCH_API = 2

CITATION = """@inproceedings{bielski2019emergence,
  title={Emergence of Object Segmentation in Perturbed Generative Models},
  author={Bielski, Adam and Favaro, Paolo},
  booktitle={Advances in Neural Information Processing Systems},
  year={2019}
}"""


def _builder(module: str, name: str):
    """The named builder, imported when it is called: it imports torch."""

    def build(config, *rest):
        return getattr(import_module(f"{__name__}.{module}"), name)(config, *rest)

    return build


@hookimpl
def generators() -> list[Generator]:
    return [
        Generator(
            name="perturbgan",
            summary="background, foreground and mask from one latent, by two light feature generators",
            config=LightConfig,
            build=_builder("light", "LightPainter"),
        ),
        Generator(
            name="perturbgan-style",
            summary="background, foreground and mask by two StyleGAN-1 generators, grown from 8 px",
            config=StyleConfig,
            build=_builder("style_generator", "StylePainter"),
        ),
    ]


def _method(name: str, summary: str, presets) -> Method:
    return Method(
        name=name,
        summary=summary,
        paper="Bielski and Favaro, Emergence of Object Segmentation in Perturbed Generative Models, NeurIPS 2019",
        citation=CITATION,
        generator="perturbgan" if name == "perturbgan" else "perturbgan-style",
        config=PerturbGANMethod,
        build=_builder("game", "perturbgan"),
        regularizers={
            "perturbation": {"weight": 1.0, "form": "shift", "contrast": 0.3},
            "mask-size": {"weight": 2.0, "eta": 0.25},
            "binarization": {"weight": 2.0, "form": "min", "on": "perturbed"},
        },
        segmenters=(
            Segmenter(
                name="encoder",
                summary="an encoder finds the latent of an image; the generator's mask of it is the segmentation",
                config=EncoderConfig,
                build=_builder("encoder", "encoder"),
                paints=True,
            ),
        ),
        presets=presets,
    )


@hookimpl
def methods() -> list[Method]:
    return [
        _method("perturbgan", "shifting foregrounds shows every wrong mask; the lightweight version", LIGHT),
        _method("perturbgan-full", "the same with StyleGAN-1 generators and progressive growing", FULL),
    ]
