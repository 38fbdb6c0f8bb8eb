"""How milgan trains: a hinge critic whose trunk also recovers the private code, and a critic of masks that does."""

from __future__ import annotations

import math

from torch import Tensor, nn
from torch.nn import functional as F

from lgbench import ImageSpec
from lgbench.game import CodeReader, Game, Phase, Step
from lgbench.layers import Layers
from lgbench.losses import hinge_fake, hinge_real
from lgbench.nn import SNCodeCritic, SNCritic, add_noise, jitter_colours, sn_code_head

from .config import MilganMethod
from .model import Milgan

__all__ = ["MilganGame", "gaussian_code", "milgan"]


class MilganGame:
    """Generator, then critic with code recovery (Algorithm 1); signs of Eq. 5, 7 and 8 mended."""

    def __init__(self, config: MilganMethod, painter: Milgan, spec: ImageSpec) -> None:
        self.config, self.painter = config, painter
        self.critic = SNCritic(spec.resolution, config.d)
        self.recovery: dict[str, nn.Module] = {}
        if config.gamma_mi and config.mi_x:
            self.recovery["recovery-image"] = sn_code_head(config.d, painter.size)  # of E_x
        if config.gamma_mi and config.mi_mask:
            self.recovery["recovery-mask"] = SNCodeCritic(spec.resolution, painter.size, config.d)  # E_pi

    def view(self, x: Tensor) -> Tensor:
        """Images as the critic sees them."""
        return add_noise(jitter_colours(x) if self.config.colour_aug else x, self.config.instance_noise)

    def judge(self, painted: Layers, layers: Layers) -> tuple[Tensor, dict[str, Tensor]]:
        """Scores of the composites, (N,), and gamma L_mi from them and from the masks (Eq. 5).

        Args:
            painted: as the generator painted them.
            layers: as they were composed.
        """
        config, c, losses = self.config, painted.codes["c"], {}
        h = self.critic.trunk(self.view(layers.image))
        scores = self.critic.head(h).flatten()
        if "recovery-image" in self.recovery:
            e = h if config.mi_on_perturbed else self.critic.trunk(self.view(painted.image))
            losses["mi/image"] = config.gamma_mi * self.code_loss(self.recovery["recovery-image"](e).flatten(1), c)
        if "recovery-mask" in self.recovery:
            pi = add_noise(painted.alphas[:, -1], config.mask_noise)
            losses["mi/mask"] = config.gamma_mi * self.code_loss(self.recovery["recovery-mask"](pi), c)
        return scores, losses

    def code_loss(self, predicted: Tensor, c: Tensor) -> Tensor:
        """-E log q(c | .), of what was predicted, (N, size)."""
        return F.cross_entropy(predicted.float(), c) if self.painter.categorical else gaussian_code(predicted, c)

    def generator_loss(self, step: Step) -> dict[str, Tensor]:
        """-E D(x^) + gamma L_mi (Eq. 6)."""
        scores, mi = self.judge(step.painted, step.layers)
        return {"generator": -scores.mean(), **mi}

    def critic_loss(self, step: Step) -> dict[str, Tensor]:
        """E max(0, 1 - D(x)) + E max(0, 1 + D(x^)) and, where recovery learns here, gamma L_mi."""
        painted, layers = step.paint() if self.config.fresh else (step.painted, step.layers)
        scores, mi = self.judge(painted.detach(), layers.detach())
        losses = {"critic": hinge_real(self.critic(self.view(step.images))) + hinge_fake(scores)}
        if self.config.e_step == "d":
            losses |= {name.replace("mi/", "recovery/"): loss for name, loss in mi.items()}
        return losses

    def cluster(self, images: Tensor) -> Tensor:
        """E_x: scores, (N, size), of the class of c that images show (Sec. 4, NMI); of a normal c, its mean."""
        return self.recovery["recovery-image"](self.critic.trunk(images)).flatten(1)

    def readers(self) -> list[CodeReader]:
        """E_x and E_pi, where they learn: each bounds what its view tells of c (Eq. 4)."""
        size, categorical = self.painter.size, self.painter.categorical
        entropy = math.log(size) if categorical else size / 2 * math.log(2 * math.pi * math.e)
        of_image = [CodeReader("c", "image", self.cluster, entropy)] if "recovery-image" in self.recovery else []
        of_mask = self.recovery.get("recovery-mask")
        return [*of_image, *([CodeReader("c", "mask", of_mask, entropy)] if of_mask else [])]

    def game(self) -> Game:
        """Generator, then critic; code recovery learns with one of them."""
        lr, learners = self.config.lr, {"g": [], "d": [], self.config.e_step: [*self.recovery]}
        reads_images = "recovery-image" in self.recovery
        return Game(
            painter=self.painter,
            networks={"generator": self.painter, "critic": self.critic, **self.recovery},
            phases=[
                Phase("generator", ["generator", *learners["g"]], self.generator_loss, lr=lr, regularized=True),
                Phase("critic", ["critic", *learners["d"]], self.critic_loss, lr=lr),
            ],
            cluster=self.cluster if reads_images and self.painter.categorical else None,
            features=self.critic.features,
            critic=self.critic,
            readers=self.readers(),
            kept=["critic", *self.recovery],
        )


def milgan(config: MilganMethod, painter: Milgan, spec: ImageSpec) -> Game:
    """milgan's game."""
    return MilganGame(config, painter, spec).game()


def gaussian_code(predicted: Tensor, code: Tensor) -> Tensor:
    """Minus log-likelihood of a real-valued code under N(predicted, 1), without its constant; (N, d) each."""
    return 0.5 * (code.float() - predicted.float()).square().sum(dim=1).mean()
