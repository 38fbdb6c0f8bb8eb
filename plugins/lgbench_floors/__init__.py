"""Floor and ceiling of every segmentation board: methods that paint nothing and only segment."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from lgbench import Lazy, Method, Segmenter, hookimpl

__all__ = ["methods"]

LGBENCH_API = 2

GAMES = "lgbench_floors.games"

Presets = Mapping[str, Mapping[str, object]]

IEM = (
    "@inproceedings{savarese2021iem, title={Information-Theoretic Segmentation by Inpainting Error Maximization}, "
    "author={Savarese, Pedro and Kim, Sunnie S. Y. and Maire, Michael and Shakhnarovich, Greg and McAllester, David}, "
    "booktitle={CVPR}, year={2021}}"
)
GRABCUT = (
    "@article{rother2004grabcut, title={GrabCut: Interactive Foreground Extraction using Iterated Graph Cuts}, "
    "author={Rother, Carsten and Kolmogorov, Vladimir and Blake, Andrew}, journal={ACM TOG}, year={2004}}"
)
OTSU = (
    "@article{otsu1979threshold, title={A Threshold Selection Method from Gray-Level Histograms}, "
    "author={Otsu, Nobuyuki}, journal={IEEE Trans. SMC}, year={1979}}"
)
UNET = (
    "@inproceedings{ronneberger2015unet, title={U-Net: Convolutional Networks for Biomedical Image Segmentation}, "
    "author={Ronneberger, Olaf and Fischer, Philipp and Brox, Thomas}, booktitle={MICCAI}, year={2015}}"
)

STEPS = {"segmentation.steps": 12_000, "segmentation.batch": 95}
SMOKE = {
    "segmentation.steps": 800,
    "segmentation.batch": 32,
    "segmenter.width": 32,
    "training.precision": "fp32",
    "training.channels_last": True,
}
IEM_UNET = {"smoke": SMOKE, "small": STEPS, "paper": STEPS}

CROPS = {"segmentation.crop": 0.6}
SUPERVISED = {
    "smoke": {**SMOKE, **CROPS, "segmentation.steps": 1500},
    "small": {**STEPS, **CROPS},
    "paper": {**STEPS, **CROPS},
}

MASKS = frozenset({"masks"})


def _method(segmenter: Segmenter, paper: str = "", citation: str = "", presets: Presets | None = None) -> Method:
    """A method that is a segmenter and nothing else."""
    return Method(
        name=segmenter.name,
        summary=segmenter.summary,
        paper=paper,
        citation=citation,
        generator=None,
        build=Lazy(f"{GAMES}:nothing"),
        supervision="full" if segmenter.needs else "none",
        segmenter=segmenter.name,
        segmenters=(segmenter,),
        presets=presets or {},
    )


def _trivial_methods() -> list[Method]:
    def trivial(name: str, summary: str) -> Segmenter:
        return Segmenter(name=name, summary=summary, build=partial(Lazy(f"{GAMES}:trivial_game"), name))

    return [
        _method(trivial("empty", "nothing is foreground")),
        _method(trivial("full", "everything is foreground")),
        _method(trivial("centre-ellipse", "an ellipse in the middle, 35 % of the picture")),
        _method(trivial("otsu", "the side of the best grey threshold that has less of the border"), "Otsu, 1979", OTSU),
        _method(trivial("two-means", "the one of two clusters of colour that has less of the border")),
    ]


@hookimpl
def methods() -> list[Method]:
    grabcut = Segmenter(
        name="grabcut",
        summary="GrabCut from a box around the middle (extra: baselines)",
        build=Lazy(f"{GAMES}:grabcut_game"),
        config=Lazy("lgbench_floors.config:GrabCutConfig"),
    )
    iem = Segmenter(
        name="iem",
        summary="the mask whose sides tell least of each other, picture by picture",
        build=Lazy(f"{GAMES}:iem_game"),
        config=Lazy("lgbench_floors.config:IEMConfig"),
    )
    iem_unet = Segmenter(
        name="iem-unet",
        summary="U-Net-S on IEM's masks of the training pictures",
        build=Lazy(f"{GAMES}:iem_unet_game"),
        config=Lazy("lgbench_floors.config:IEMUNetConfig"),
    )
    nearest = Segmenter(
        name="nearest-mask",
        summary="the true mask of the training picture that looks most alike at 16 x 16",
        build=Lazy(f"{GAMES}:nearest_game"),
        needs=MASKS,
    )
    supervised = Segmenter(
        name="supervised-unet",
        summary="U-Net-S on the true masks of the training pictures: the ceiling",
        build=Lazy(f"{GAMES}:supervised_game"),
        config=Lazy("lgbench_floors.config:SupervisedConfig"),
        needs=MASKS,
    )
    return [
        *_trivial_methods(),
        _method(grabcut, "Rother et al., SIGGRAPH 2004", GRABCUT),
        _method(iem, "Savarese et al., CVPR 2021", IEM),
        _method(iem_unet, "Savarese et al., CVPR 2021", IEM, IEM_UNET),
        _method(nearest),
        _method(supervised, "Ronneberger et al., MICCAI 2015", UNET, SUPERVISED),
    ]
