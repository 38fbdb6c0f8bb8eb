"""ComGAN and DS-ComGAN (Ding et al., NeurIPS 2022), with their controls SimpleGAN, Pi1 and Pi2."""

from lgbench import Generator, Lazy, Method, Segmenter, hookimpl

from .presets import DS_PRESETS, PRESETS

LGBENCH_API = 2

PAPER = "Ding et al., ComGAN, NeurIPS 2022"

CITATION = """@inproceedings{ding2022comgan,
  title={{ComGAN}: Unsupervised Disentanglement and Segmentation via Image Composition},
  author={Ding, Rui and Guo, Kehua and Zhu, Xiangyuan and Wu, Zheng and Wang, Liwei},
  booktitle={Advances in Neural Information Processing Systems},
  year={2022}
}"""

GENERATORS = {
    "simplegan": ("SimpleGAN", "ComGANConfig", "one feature generator, no layers"),
    "pi1": ("Pi1", "ComGANConfig", "two feature generators: foreground with mask, background"),
    "pi2": ("Pi2", "Pi2Config", "three feature generators: foreground, background, mask"),
    "comgan": ("ComGAN", "ComGANCodesConfig", "one feature generator shared by three light sub-networks"),
    "dscomgan": ("DSComGAN", "DSComGANConfig", "ComGAN with codes for foreground and background, multi-scale features"),
}
VARIES = {"pi2": ("z", "z_f", "z_b", "z_m"), "comgan": ("z", "c"), "dscomgan": ("z", "f", "b")}


ALIGNMENT = Segmenter(
    name="two-alignment",
    summary="U-Net-L from painted pairs, its masks aligned by a critic",
    config=Lazy("lgbench_comgan.config:AlignmentConfig"),
    build=Lazy("lgbench_comgan.game:alignment"),
)


@hookimpl
def generators() -> list[Generator]:
    return [
        Generator(
            name=name,
            summary=summary,
            config=Lazy(f"lgbench_comgan.config:{config}"),
            build=Lazy(f"lgbench_comgan.model:{network}"),
            layered=name != "simplegan",
            codes={"f": "foreground", "b": "background"} if name == "dscomgan" else {},
            with_codes={"generator.n_codes": 20} if name == "comgan" else {},
            varies=VARIES.get(name, ("z",)),
        )
        for name, (network, config, summary) in GENERATORS.items()
    ]


@hookimpl
def methods() -> list[Method]:
    plain = [
        Method(
            name=name,
            summary=GENERATORS[name][2],
            paper=PAPER,
            citation=CITATION,
            generator=name,
            config=Lazy("lgbench_comgan.config:ComGANMethod"),
            build=Lazy("lgbench_comgan.game:comgan"),
            regularizers={} if name == "simplegan" else {"binarization": {"weight": 1.0}},
            segmenter="unet-l",
            segmenters=(ALIGNMENT,),
            presets=PRESETS,
        )
        for name in ("simplegan", "pi1", "pi2", "comgan")
    ]
    return [
        *plain,
        Method(
            name="dscomgan",
            summary="separate codes, recovered from their own layers, keep foreground and background apart",
            paper=PAPER,
            citation=CITATION,
            generator="dscomgan",
            config=Lazy("lgbench_comgan.config:DSComGANMethod"),
            build=Lazy("lgbench_comgan.game:dscomgan"),
            regularizers={"mi-recovery": {"weight": 1.0}},
            segmenter="two-alignment",
            segmenters=(ALIGNMENT,),
            presets=DS_PRESETS,
        ),
    ]
