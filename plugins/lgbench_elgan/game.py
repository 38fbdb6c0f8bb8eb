"""How ELGAN trains: a hinge critic; E_x learns in the generator's step, on a trunk that it does not move."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from lgbench import ImageSpec
from lgbench.game import Game, Phase, Step
from lgbench.losses import hinge_fake, hinge_real
from lgbench.nn import SNCodeCritic, SNCritic, add_noise, jitter_colours, sn_code_head

from .config import ELGANMethod
from .model import ELGAN

__all__ = ["elgan"]


def elgan(config: ELGANMethod, painter: ELGAN, spec: ImageSpec) -> Game:
    """Critic, then generator with E_x, E_pi and Phi (Eq. 9; the sign of Eq. 6 mended)."""
    critic = SNCritic(spec.resolution, config.d)
    recovery: dict[str, nn.Module] = {}
    if config.gamma_r:
        recovery["recovery-image"] = sn_code_head(config.d, painter.classes)
        if config.recover_sup:
            recovery["recovery-mask"] = SNCodeCritic(spec.resolution, painter.groups, config.d)

    def view(x: Tensor) -> Tensor:
        return add_noise(jitter_colours(x) if config.colour_aug else x, config.instance_noise)

    def critic_loss(step: Step) -> dict[str, Tensor]:
        _, layers = step.paint() if config.fresh else (step.painted, step.layers)
        real, fake = critic(view(step.images)), critic(view(layers.image.detach()))
        return {"critic": hinge_real(real) + hinge_fake(fake)}

    def generator_loss(step: Step) -> dict[str, Tensor]:  # Eq. 9, with L_r as in Eq. 11
        codes = step.painted.codes
        h = critic.trunk(view(step.layers.image))
        losses = {"generator": -critic.head(h).mean()}
        if "recovery-image" in recovery:
            e = h if config.mi_on_perturbed else critic.trunk(view(step.painted.image))
            c = recovery["recovery-image"](e).flatten(1).float()
            losses["recovery/image"] = config.gamma_r * F.cross_entropy(c, codes["c"])
        if "recovery-mask" in recovery:
            pi = add_noise(step.painted.alphas[:, -1], config.mask_noise)
            c_sup = recovery["recovery-mask"](pi).float()
            losses["recovery/mask"] = config.gamma_r * F.cross_entropy(c_sup, codes["c_sup"])
        return losses

    def cluster(images: Tensor) -> Tensor:
        return recovery["recovery-image"](critic.trunk(images)).flatten(1)

    recovers = "recovery-image" in recovery
    return Game(
        painter=painter,
        networks={"generator": painter, "critic": critic, **recovery},
        phases=[
            Phase("critic", ["critic"], critic_loss, lr=config.lr),
            Phase("generator", ["generator", *recovery], generator_loss, lr=config.lr, regularized=True),
        ],
        cluster=cluster if recovers else None,
        features=critic.features,
        kept=["critic", *(["recovery-image"] if recovers else [])],
    )
