"""How ELGAN trains: a hinge critic; E_x learns in the generator's step, on a trunk that it does not move."""

from __future__ import annotations

import math
from collections import Counter

from torch import Tensor, nn
from torch.nn import functional as F

from lgbench import ImageSpec
from lgbench.game import CodeReader, Game, Phase, Step
from lgbench.losses import hinge_fake, hinge_real
from lgbench.nn import SNCodeCritic, SNCritic, add_noise, jitter_colours, sn_code_head

from .config import ELGANMethod
from .model import ELGAN

__all__ = ["ELGANGame", "elgan"]


class ELGANGame:
    """Critic, then generator with E_x, E_pi and Phi (Eq. 9; the sign of Eq. 6 mended)."""

    def __init__(self, config: ELGANMethod, painter: ELGAN, spec: ImageSpec) -> None:
        self.config, self.painter = config, painter
        self.critic = SNCritic(spec.resolution, config.d)
        self.recovery: dict[str, nn.Module] = {}
        if config.gamma_r:
            self.recovery["recovery-image"] = sn_code_head(config.d, painter.classes)  # of E_x
        if config.gamma_r and config.recover_sup:
            self.recovery["recovery-mask"] = SNCodeCritic(spec.resolution, painter.groups, config.d)  # E_pi

    def view(self, x: Tensor) -> Tensor:
        """Images as the critic sees them."""
        return add_noise(jitter_colours(x) if self.config.colour_aug else x, self.config.instance_noise)

    def critic_loss(self, step: Step) -> dict[str, Tensor]:
        """E max(0, 1 - D(x)) + E max(0, 1 + D(x^))."""
        _, layers = step.paint() if self.config.fresh else (step.painted, step.layers)
        real, fake = self.critic(self.view(step.images)), self.critic(self.view(layers.image.detach()))
        return {"critic": hinge_real(real) + hinge_fake(fake)}

    def generator_loss(self, step: Step) -> dict[str, Tensor]:
        """-E D(x^) + gamma L_r (Eq. 9, with L_r as in Eq. 11)."""
        config, codes = self.config, step.painted.codes
        h = self.critic.trunk(self.view(step.layers.image))
        losses = {"generator": -self.critic.head(h).mean()}
        if "recovery-image" in self.recovery:
            e = h if config.mi_on_perturbed else self.critic.trunk(self.view(step.painted.image))
            c = self.recovery["recovery-image"](e).flatten(1).float()
            losses["recovery/image"] = config.gamma_r * F.cross_entropy(c, codes["c"])
        if "recovery-mask" in self.recovery:
            pi = add_noise(step.painted.alphas[:, -1], config.mask_noise)
            c_sup = self.recovery["recovery-mask"](pi).float()
            losses["recovery/mask"] = config.gamma_r * F.cross_entropy(c_sup, codes["c_sup"])
        return losses

    def cluster(self, images: Tensor) -> Tensor:
        """E_x on real images: scores, (N, classes), of the class of c that they show."""
        return self.recovery["recovery-image"](self.critic.trunk(images)).flatten(1)

    def readers(self) -> list[CodeReader]:
        """E_x of c and E_pi of its super class, where they learn."""
        found, classes = [], self.painter.classes
        if "recovery-image" in self.recovery:
            found.append(CodeReader("c", "image", self.cluster, math.log(classes)))
        if "recovery-mask" in self.recovery:  # the last super class may hold fewer classes than the others
            shares = [n / classes for n in Counter(c // self.painter.config.group for c in range(classes)).values()]
            entropy = -sum(share * math.log(share) for share in shares)
            found.append(CodeReader("c_sup", "mask", self.recovery["recovery-mask"], entropy))
        return found

    def game(self) -> Game:
        """Critic, then generator; code recovery learns with the generator."""
        lr, recovers = self.config.lr, "recovery-image" in self.recovery
        return Game(
            painter=self.painter,
            networks={"generator": self.painter, "critic": self.critic, **self.recovery},
            phases=[
                Phase("critic", ["critic"], self.critic_loss, lr=lr),
                Phase("generator", ["generator", *self.recovery], self.generator_loss, lr=lr, regularized=True),
            ],
            cluster=self.cluster if recovers else None,
            features=self.critic.features,
            critic=self.critic,
            readers=self.readers(),
            kept=["critic", *self.recovery],
        )


def elgan(config: ELGANMethod, painter: ELGAN, spec: ImageSpec) -> Game:
    """ELGAN's game."""
    return ELGANGame(config, painter, spec).game()
