"""Translation of class maps into pictures: pix2pix (Isola et al., CVPR 2017), CycleGAN (Zhu et al., ICCV 2017)."""

from lgbench import Generator, Lazy, Method, hookimpl

from .presets import CYCLEGAN, PIX2PIX

LGBENCH_API = 2

PIX2PIX_CITATION = """@inproceedings{isola2017image,
  title={Image-to-Image Translation with Conditional Adversarial Networks},
  author={Isola, Phillip and Zhu, Jun-Yan and Zhou, Tinghui and Efros, Alexei A.},
  booktitle={IEEE Conference on Computer Vision and Pattern Recognition},
  year={2017}
}"""

CYCLEGAN_CITATION = """@inproceedings{zhu2017unpaired,
  title={Unpaired Image-to-Image Translation using Cycle-Consistent Adversarial Networks},
  author={Zhu, Jun-Yan and Park, Taesung and Isola, Phillip and Efros, Alexei A.},
  booktitle={IEEE International Conference on Computer Vision},
  year={2017}
}"""


@hookimpl
def generators() -> list[Generator]:
    return [
        Generator(
            name="pix2pix",
            summary="a U-Net that translates a class map; its noise is dropout",
            config=Lazy("lgbench_translation.config:Pix2PixConfig"),
            build=Lazy("lgbench_translation.model:Pix2Pix"),
            layered=False,
            varies=("s", "kept"),
            needs=frozenset({"segments"}),
        ),
        Generator(
            name="cyclegan",
            summary="a residual network that translates a class map, without noise",
            config=Lazy("lgbench_translation.config:CycleGANConfig"),
            build=Lazy("lgbench_translation.model:CycleGAN"),
            layered=False,
            varies=("s",),
            needs=frozenset({"segments"}),
        ),
    ]


@hookimpl
def methods() -> list[Method]:
    return [
        Method(
            name="pix2pix",
            summary="a critic of pairs, and the mean absolute difference to the class map's own picture",
            paper="Isola et al., Image-to-Image Translation with Conditional Adversarial Networks, CVPR 2017",
            citation=PIX2PIX_CITATION,
            generator="pix2pix",
            config=Lazy("lgbench_translation.config:Pix2PixMethod"),
            build=Lazy("lgbench_translation.game:pix2pix"),
            supervision="full",
            presets=PIX2PIX,
        ),
        Method(
            name="cyclegan",
            summary="two translators that undo each other learn from pictures and class maps that are not paired",
            paper="Zhu et al., Unpaired Image-to-Image Translation, ICCV 2017",
            citation=CYCLEGAN_CITATION,
            generator="cyclegan",
            config=Lazy("lgbench_translation.config:CycleGANMethod"),
            build=Lazy("lgbench_translation.game:cyclegan"),
            supervision="full",
            presets=CYCLEGAN,
        ),
    ]
