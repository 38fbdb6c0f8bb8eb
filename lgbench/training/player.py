"""One step of a game: its networks, optimizers and averaged result."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn, update_bn

from lgbench.errors import BadPlugin
from lgbench.game import Game, Phase, Step
from lgbench.layers import Batch, Layers
from lgbench.runtime import Runtime

from . import checkpoint, watch
from .parts import Codes, Parts
from .schedule import Schedule

__all__ = ["Player"]

RESERVED = ("step", "seconds", "coverage", "greyness", "layer_difference")
"""What stands beside the losses in a log."""


class Adam(torch.optim.Adam):
    """Fused. torch's kernel goes over memory in its order, and first copies gradients that lie channels last, in vain:
    it is handed the same memory with its axes in that order. The bits are the same, and so are the averages' shapes.
    """

    def _init_group(self, group: dict, params: list, grads: list, *states: list) -> bool:  # pyright: ignore
        found = super()._init_group(group, params, grads, *states)
        for i, parameter in enumerate(params):
            if parameter.dim() == 4 and not parameter.is_contiguous():
                for tensors in (params, grads, *states[:2]):
                    tensors[i] = tensors[i].permute(0, 2, 3, 1)
        return found


class Player:
    """Networks, optimizers and the averaged result of a game: all that a checkpoint keeps besides random states."""

    def __init__(self, game: Game, schedule: Schedule, runtime: Runtime) -> None:
        self.game, self.schedule, self.runtime = game, schedule, runtime
        _check(game)
        self.networks = game.every_network
        for network in self.networks.values():
            runtime.place(network).train()
        if game.frozen:
            game.painter.eval()  # it paints by its running statistics, and they stay as they are
        self.phases = _moves(game)
        owned = {network for _, _, term in game.terms for phase in term.phases for network in phase.networks}
        joining = [name for name in self.networks if name not in owned and name not in game.networks]
        self.trained = {phase.name: [*phase.networks, *(joining if phase.regularized else [])] for phase in self.phases}
        self.optimizers = {phase.name: self._adam(phase) for phase in self.phases}
        self.rates = {name: [group["lr"] for group in adam.param_groups] for name, adam in self.optimizers.items()}
        mean = get_ema_multi_avg_fn(schedule.ema)  # of the weights; buffers follow the live network
        self.average = AveragedModel(self.networks[game.result], multi_avg_fn=mean) if schedule.ema else None

    def _adam(self, phase: Phase) -> torch.optim.Adam:
        groups: dict[float, list[nn.Parameter]] = {}
        for network in self.trained[phase.name]:
            for name, parameter in self.networks[network].named_parameters():
                factor = next((factor for part, factor in phase.slow.items() if part in name), 1.0)
                groups.setdefault(factor, []).append(parameter)
        rates = [{"params": parameters, "lr": factor * phase.lr} for factor, parameters in groups.items()]
        return Adam(rates, betas=phase.betas, fused=True)

    @property
    def result(self) -> nn.Module:
        """The network the game is played for, averaged where the schedule says so."""
        return self.average.module if self.average is not None else self.networks[self.game.result]

    @property
    def reads(self) -> frozenset[str]:
        """What a step reads of real images besides themselves."""
        parts = self.game.painter.conditional | self.game.reads
        return parts.union(*(term.reads for _, _, term in self.game.terms)) - {"images"}

    @property
    def period(self) -> int:
        """At the last of every so many steps all phases are played."""
        return math.lcm(*(phase.every for phase in self.phases))

    def logged(self, number: int) -> bool:
        """Whether a step is one to look at: every so many, or the next at which all phases are played."""
        period = self.period
        if (number + 1) % period:
            return False
        return any(earlier % self.schedule.log_every == 0 for earlier in range(number - period + 1, number + 1))

    def play(self, number: int, real: Batch, looking: bool) -> dict[str, Tensor | float]:
        """One step; with `looking`, also the layers' statistics and gradient norms."""
        if self.game.begin:
            self.game.begin(number)
        parts = self._parts(number, real, looking)
        values: dict[str, Tensor | float] = {}
        for phase in self.phases:
            if not _played(phase, number):
                continue
            self._set_rates(phase, number)
            alphas: list[Tensor] | None = [] if looking and phase.regularized else None
            moved = self._move(phase, parts, alphas)
            _apart(moved, {*values, *RESERVED}, phase.name)
            values |= moved
            if alphas is not None:
                values |= watch.gradient_norms(self.game.painter, alphas)  # pyright: ignore
        if self.average is not None:
            self.average.update_parameters(self.networks[self.game.result])
        if looking and parts.shown is not None:
            values |= watch.layer_statistics(parts.shown)
        return values

    def _parts(self, number: int, real: Batch, looking: bool) -> Parts:
        """What the phases go over: the step's batch, whole or in parts."""

        def paint(real: Batch, given: Batch, codes: Codes) -> Step:
            step = self._paint(number, real, given, codes)
            # a compiled painter composes inside its graph: its alphas are an output beside the image, not on the way
            if looking and step.painted.alphas.requires_grad and not self.runtime.compile:
                step.painted.alphas.retain_grad()
            return step

        given = self._given(real)
        return Parts(self.schedule.accumulate, paint, real, given, self.game.painter.codes(len(real), given))

    def _given(self, real: Batch) -> Batch:
        return self.game.given(real) if self.game.given else real

    def _paint(self, number: int, real: Batch, given: Batch | None = None, first: Codes | None = None) -> Step:
        painter, given = self.game.painter, self._given(real) if given is None else given
        learns = not self.game.frozen and self._learns(painter, number)
        augments = [term.augment for _, _, term in self.game.terms if term.augment]

        def paint(codes: Codes | None = None) -> tuple[Layers, Layers]:
            with torch.set_grad_enabled(learns and torch.is_grad_enabled()), self.runtime.autocast():
                painted = layers = painter(painter.codes(len(real), given) if codes is None else codes)
                for _, _, term in self.game.terms:
                    layers = term.compose(layers) if term.compose else layers
                for augment in augments:
                    layers = _augmented(layers, augment)
            return painted, layers

        self._hold(set(self.networks))
        painted, layers = paint(first)
        for augment in augments:
            real = replace(real, images=augment(real.images))
        share = number / self.schedule.steps
        return Step(number, real, painted, layers, paint, self.game.features, self.game.segment, share)

    def _learns(self, painter: nn.Module, number: int) -> bool:
        """Whether a step trains the painter: the graph that leads to what it paints costs as much as painting."""
        name = next((name for name, network in self.networks.items() if network is painter), None)
        return name is None or any(name in self.trained[p.name] for p in self.phases if _played(p, number))

    def _move(self, phase: Phase, parts: Sequence[Step], alphas: list[Tensor] | None = None) -> Mapping[str, Tensor]:
        """One move, by the mean losses of the parts; `alphas` gets theirs, with the gradients that they received."""
        optimizer = self.optimizers[phase.name]
        optimizer.zero_grad(set_to_none=True)
        told = [self._learn(phase, parts[part], len(parts), alphas) for part in range(len(parts))]
        optimizer.step()
        if len(told) == 1:
            return told[0]
        return {name: torch.stack([losses[name] for losses in told]).mean() for name in told[0]}

    def _learn(self, phase: Phase, step: Step, count: int, alphas: list[Tensor] | None) -> dict[str, Tensor]:
        """Add the gradients of one of `count` parts."""
        self._hold(set(self.trained[phase.name]))
        with self.runtime.autocast():
            losses = phase.loss(step)
            terms = self.game.terms if phase.regularized else ()
            added = {name: weight * term.penalty(step) for name, weight, term in terms if term.penalty}
            if not (isinstance(losses, dict) and (losses or added) and all(map(_is_scalar, losses.values()))):
                raise BadPlugin(f"The phase {phase.name} returns no {{name: scalar}} as its loss: mend its plugin.")
            _apart(losses, added, phase.name)
            losses |= added
        (torch.stack(list(losses.values())).sum() / count).backward()
        if alphas is not None:
            alphas.append(step.painted.alphas)
        return {name: loss.detach() for name, loss in losses.items()}

    def _set_rates(self, phase: Phase, number: int) -> None:
        factor = _rate(phase, number, self.schedule.steps)
        for group, rate in zip(self.optimizers[phase.name].param_groups, self.rates[phase.name], strict=True):
            group["lr"] = rate * factor

    def _hold(self, learning: set[str]) -> None:
        """Gradients only for the networks that learn."""
        for name, network in self.networks.items():
            network.requires_grad_(name in learning)

    def estimate_statistics(self, reals: Iterable[Batch]) -> None:
        """Estimate the averaged painter's batch norm from what it paints, a batch for each of these."""
        codes = (self.game.painter.codes(len(real), self._given(real)) for real in reals)
        with self.runtime.autocast():
            update_bn(codes, self.result)

    def state(self) -> dict:
        """All that the next step reads besides its number."""
        return {
            "networks": {name: network.state_dict() for name, network in self.networks.items()},
            "optimizers": {name: optimizer.state_dict() for name, optimizer in self.optimizers.items()},
            "average": self.average.state_dict() if self.average is not None else {},
            "random": checkpoint.random_state(),
        }

    def restore(self, state: Mapping) -> None:
        """Put back what `state` took."""
        for name, network in self.networks.items():
            network.load_state_dict(state["networks"][name])
        for name, optimizer in self.optimizers.items():
            optimizer.load_state_dict(state["optimizers"][name])
        if self.average is not None:
            self.average.load_state_dict(state["average"])
        checkpoint.set_random_state(state["random"])


def _augmented(layers: Layers, augment: Callable[[Tensor], Tensor]) -> Layers:
    """Layers whose image, and every other whole picture that they hold, is augmented."""
    shape = layers.image.shape
    extras = {name: augment(x) if x.shape == shape else x for name, x in layers.extras.items()}
    return replace(layers, image=augment(layers.image), extras=extras)


def _check(game: Game) -> None:
    """Refuse what would silently replace another part of the game, or never be played."""
    phases, terms = _moves(game), game.terms
    names = [phase.name for phase in phases]
    networks = [*game.networks, *(name for _, _, term in terms for name in term.networks)]
    for kind, each in (("phases", names), ("networks", networks), ("terms", [name for name, _, _ in terms])):
        if twice := sorted({name for name in each if each.count(name) > 1}):
            raise BadPlugin(f"Two {kind} of this run are named {twice[0]!r}: one would replace the other. Rename one.")
    named = {*game.stored, *(network for phase in phases for network in phase.networks)}
    if unknown := sorted(named - {*networks}):
        raise BadPlugin(f"A phase, `result` or `kept` names {unknown[0]!r}: this game has {sorted(networks)}. Mend it.")
    owned = {network for _, _, term in terms for phase in term.phases for network in phase.networks}
    joining = [name for name, _, term in terms if term.penalty or term.networks.keys() - owned]
    if joining and not any(phase.regularized for phase in phases):
        raise BadPlugin(
            f"No phase of this game is regularized, so {', '.join(joining)} would never be played. The method's plugin "
            "has to name one (`Phase(..., regularized=True)`), or leave the terms out."
        )


def _is_scalar(loss: object) -> bool:
    return isinstance(loss, Tensor) and loss.ndim == 0


def _apart(losses: Mapping[str, Tensor], others: Iterable[str], phase: str) -> None:
    """Refuse a loss that has the name of another number of the same step."""
    if shared := sorted(losses.keys() & {*others}):
        raise BadPlugin(
            f"The phase {phase} returns a loss named {shared[0]!r}, a name that is taken in this run. Rename the loss."
        )


def _moves(game: Game) -> list[Phase]:
    """The game's phases, with those that terms bring before the first regularized one."""
    brought = [phase for _, _, term in game.terms for phase in term.phases]
    first = next((i for i, phase in enumerate(game.phases) if phase.regularized), len(game.phases))
    return [*game.phases[:first], *brought, *game.phases[first:]]


def _played(phase: Phase, number: int) -> bool:
    return (number + 1) % phase.every == 0


def _rate(phase: Phase, number: int, steps: int) -> float:
    """What a phase's rates are multiplied by at a step."""
    dropped = number >= int(phase.drop_at if phase.drop_at > 1 else phase.drop_at * steps)
    start = int(phase.decay_from * steps)
    left = (steps - number) / (steps - start) if number >= start < steps else 1.0
    return left * (phase.drop if dropped else 1.0) * (phase.rate(number) if phase.rate else 1.0)
