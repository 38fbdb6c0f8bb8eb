"""SCGAN (Jiang, Liu, Wu, Fu), and its rivals WGAN-GP and ACWGAN."""

import math

from lgbench import Generator, Lazy, Method, Metric, Part, hookimpl

from .presets import ACWGAN, SCGAN, WGAN_GP

LGBENCH_API = 2

PAPER = "Jiang et al., Spatially Constrained Generative Adversarial Networks for Conditional Image Generation, 2019"

CITATION = """@article{jiang2019spatially,
  title={Spatially Constrained Generative Adversarial Networks for Conditional Image Generation},
  author={Jiang, Songyao and Liu, Hongfu and Wu, Yue and Fu, Yun},
  journal={arXiv preprint arXiv:1905.02320},
  year={2019}
}"""

WGAN_GP_CITATION = """@inproceedings{gulrajani2017improved,
  title={Improved Training of {Wasserstein} {GANs}},
  author={Gulrajani, Ishaan and Ahmed, Faruk and Arjovsky, Martin and Dumoulin, Vincent and Courville, Aaron},
  booktitle={Advances in Neural Information Processing Systems},
  year={2017}
}"""


@hookimpl
def generators() -> list[Generator]:
    return [
        Generator(
            name="scgan",
            summary="a whole image from a class map, then a latent, then attributes",
            config=Lazy("lgbench_scgan.config:SCGANConfig"),
            build=Lazy("lgbench_scgan.model:SCGAN"),
            layered=False,
            needs=frozenset({"segments"}),
            varies=("z", "s", "c"),
        ),
        Generator(
            name="wgan",
            summary="a whole image from a latent, by residual blocks",
            config=Lazy("lgbench_scgan.config:WGANConfig"),
            build=Lazy("lgbench_scgan.model:WGAN"),
            layered=False,
        ),
        Generator(
            name="acwgan",
            summary="a whole image from a latent and attributes, by residual blocks",
            config=Lazy("lgbench_scgan.config:WGANConfig"),
            build=Lazy("lgbench_scgan.game:ac_generator"),
            layered=False,
            needs=frozenset({"attributes"}),
            varies=("z", "c"),
        ),
    ]


@hookimpl
def methods() -> list[Method]:
    return [
        Method(
            name="scgan",
            summary="a segmentor reads the given class map off what is painted from it, its latent and its attributes",
            paper=PAPER,
            citation=CITATION,
            generator="scgan",
            config=Lazy("lgbench_scgan.config:SCGANMethod"),
            build=Lazy("lgbench_scgan.game:scgan"),
            supervision="full",
            regularizers={"segmentor": {"weight": 1.0}},
            presets=SCGAN,
        ),
        Method(
            name="acwgan",
            summary="SCGAN's control without class maps: the critic classifies attributes that the generator was told",
            paper=f"the authors' baseline in {PAPER}",
            citation=CITATION,
            generator="acwgan",
            config=Lazy("lgbench_scgan.config:ACWGANMethod"),
            build=Lazy("lgbench_scgan.game:acwgan"),
            supervision="weak",
            presets=ACWGAN,
        ),
        Method(
            name="wgan-gp",
            summary="SCGAN's unconditional control: a Wasserstein critic with gradient penalty",
            paper=f"Gulrajani et al., NeurIPS 2017, as in {PAPER}",
            citation=WGAN_GP_CITATION,
            generator="wgan",
            config=Lazy("lgbench_scgan.config:WGANGPMethod"),
            build=Lazy("lgbench_scgan.game:wgan_gp"),
            presets=WGAN_GP,
        ),
    ]


@hookimpl
def metrics() -> list[Metric]:
    """What stands for the paper's Figures 8 to 10, which print no numbers."""
    critic_log = Part("critic-log", Lazy("lgbench_scgan.stability:scores"))
    return [
        Metric(
            name="critic-variance",
            summary="Variance of a Wasserstein critic's score difference over the last half of the log",
            compute=Lazy("lgbench_scgan.stability:score_critic_variance"),
            needs=frozenset({critic_log.name}),
            parts=(critic_log,),
            direction="down",
            range=(0.0, math.inf),
            on_request=True,
            reference="statistics.pvariance",
            deviation="relative 1e-12 on 40 logs",
        ),
        Metric(
            name="critic-plateau",
            summary="First logged step from which that difference, averaged over a tenth of the log, stays within 5 %",
            compute=Lazy("lgbench_scgan.stability:score_critic_plateau"),
            needs=frozenset({critic_log.name}),
            parts=(critic_log,),
            direction="down",
            range=(0.0, math.inf),
            on_request=True,
            reference="its definition, window by window",
            deviation="0 on 40 logs",
        ),
    ]
