"""PerturbGAN (Bielski and Favaro, NeurIPS 2019): lightweight, and full with a StyleGAN-1 backbone."""

from lgbench import Generator, Lazy, Method, Segmenter, hookimpl

from .presets import FULL, LIGHT

LGBENCH_API = 2

CITATION = """@inproceedings{bielski2019emergence,
  title={Emergence of Object Segmentation in Perturbed Generative Models},
  author={Bielski, Adam and Favaro, Paolo},
  booktitle={Advances in Neural Information Processing Systems},
  year={2019}
}"""


@hookimpl
def generators() -> list[Generator]:
    return [
        Generator(
            name="perturbgan",
            summary="background, foreground and mask from one latent, by two light feature generators",
            config=Lazy("lgbench_perturbgan.config:LightConfig"),
            build=Lazy("lgbench_perturbgan.light:LightPainter"),
        ),
        Generator(
            name="perturbgan-style",
            summary="background, foreground and mask by two StyleGAN-1 generators, grown from 8 px",
            config=Lazy("lgbench_perturbgan.config:StyleConfig"),
            build=Lazy("lgbench_perturbgan.style_generator:StylePainter"),
            varies=("z", "noise"),
        ),
    ]


def _method(name: str, summary: str, presets) -> Method:
    return Method(
        name=name,
        summary=summary,
        paper="Bielski and Favaro, Emergence of Object Segmentation in Perturbed Generative Models, NeurIPS 2019",
        citation=CITATION,
        generator="perturbgan" if name == "perturbgan" else "perturbgan-style",
        config=Lazy("lgbench_perturbgan.config:PerturbGANMethod"),
        build=Lazy("lgbench_perturbgan.game:perturbgan"),
        regularizers={
            "perturbation": {"weight": 1.0, "form": "shift", "contrast": 0.3},
            "mask-size": {"weight": 2.0, "eta": 0.25},
            "binarization": {"weight": 2.0, "form": "min", "on": "perturbed"},
        },
        segmenters=(
            Segmenter(
                name="encoder",
                summary="an encoder finds the latent of an image; the generator's mask of it is the segmentation",
                config=Lazy("lgbench_perturbgan.config:EncoderConfig"),
                build=Lazy("lgbench_perturbgan.encoder:encoder"),
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
