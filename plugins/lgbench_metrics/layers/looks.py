"""What a method's own networks make of its layers: does the background give the object away, what do views tell?"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np
from torch import Tensor
from torch.nn import functional as F

from lgbench import NotAvailable
from lgbench.evaluation import Evidence
from lgbench.evaluation.parts import sampled
from lgbench.game import CodeReader, Game
from lgbench.layers import Layers
from lgbench.nn import weights_hash
from lgbench.score import Score

__all__ = [
    "code_readers",
    "information",
    "looks",
    "outranked",
    "score_code_leakage",
    "score_information",
    "score_leakage",
]

CRITIC = "the method's critic does not show its scores (Game.critic)"
READERS = "no network reads codes from what this method paints (Game.readers, Term.readers)"


def looks(evidence: Evidence) -> dict[str, np.ndarray]:
    """What the trained critic and the networks that read codes make of every sample; kept. One number each a sample.

    "critic/VIEW": the critic's scores of images, backgrounds and last foregrounds. "log-q/CODE/VIEW": logarithm of the
    probability (or density) of the code that was painted from, in the view that its network reads. "right/CODE/VIEW":
    whether the likeliest class is the code's; and "right/CODE/hidden", the same where a network that reads a
    foreground's code is shown the background in place of its view.

    Raises:
        NotAvailable: the method paints no layers, or has neither.
    """
    evidence["layer_difference"]  # where there are no layers, this says why
    game = evidence.game
    if game.critic is None and not _readers(game):
        raise NotAvailable(f"{CRITIC}; {READERS}")
    networks = [weights_hash(game.every_network[name]) for name in game.stored]
    config, run = evidence.config, evidence.run
    inputs = [networks, config.samples, config.batch, config.sample_bn, run.recipe.seed]
    return evidence.kept("looks", inputs, partial(_look, evidence))


def _look(evidence: Evidence) -> dict[str, np.ndarray]:
    game, found = evidence.game, {}
    for network in game.every_network.values():
        network.eval()
    for where, layers in sampled(evidence, evidence.config.samples):
        with evidence.run.runtime.autocast():
            for name, row in _told(game, layers):
                known = row.float().cpu().numpy()[: where.stop - where.start]
                found.setdefault(name, []).append(known)
    return {name: np.concatenate(rows) for name, rows in found.items()}


def _told(game: Game, layers: Layers) -> Iterator[tuple[str, Tensor]]:
    if game.critic is not None:
        for view in ("image", "background", "foreground"):
            yield f"critic/{view}", game.critic(_shown(layers, view)).flatten()
    for reader in _readers(game):
        code, scores = layers.codes[reader.code], reader.read(_shown(layers, reader.view)).float()
        yield f"log-q/{reader.code}/{reader.view}", _log_likelihood(scores, code)
        if not code.is_floating_point():
            yield f"right/{reader.code}/{reader.view}", scores.argmax(dim=1) == code
            if _hidden(game, reader):
                yield f"right/{reader.code}/hidden", reader.read(layers.background).argmax(dim=1) == code


def code_readers(evidence: Evidence) -> list[dict[str, object]]:
    """The networks that read codes in the samples, in plain words: "code", "view", the code's "entropy" in nats.

    "classes" is how many the code has where the background should not tell it and the network can be shown one, else 0.
    """
    game = evidence.game
    return [
        {
            "code": reader.code,
            "view": reader.view,
            "entropy": reader.entropy,
            "classes": game.painter.recoverable[reader.code][1] if _hidden(game, reader) else 0,
        }
        for reader in _readers(game)
    ]


def _readers(game: Game) -> list[CodeReader]:
    return [*game.readers, *(reader for _, _, term in game.terms for reader in term.readers)]


def _hidden(game: Game, reader: CodeReader) -> bool:
    """Whether the background should not tell the code, and the network can be shown one."""
    layer, _ = game.painter.recoverable.get(reader.code, ("", 0))
    return layer == "foreground" and reader.view in ("image", "foreground")


def _shown(layers: Layers, view: str) -> Tensor:
    if view == "image":
        return layers.image
    if view == "background":
        return layers.background
    return layers.foregrounds[:, -1] if view == "foreground" else layers.alphas[:, -1]


def _log_likelihood(scores: Tensor, code: Tensor) -> Tensor:
    """log q(code | view) of each image, (N,): softmax over classes, or a normal density of variance 1."""
    if not code.is_floating_point():
        return -F.cross_entropy(scores, code, reduction="none")
    constant = 0.5 * scores.shape[1] * float(np.log(2 * np.pi))
    return -0.5 * (code.float() - scores).square().sum(dim=1) - constant


def outranked(background: np.ndarray, image: np.ndarray) -> float:
    """How often a background alone looks more real than a whole image, over all pairs; ties count half.

    Args:
        background, image: scores of a critic, (N,) and (M,), in any unit.

    Returns:
        In [0, 1]: 0 where every image looks more real than any background, 0.5 where the critic misses nothing.

    Raises:
        NotAvailable: scores are not finite.
    """
    from sklearn.metrics import roc_auc_score

    scores = np.concatenate([background, image])
    if not np.isfinite(scores).all():
        raise NotAvailable("the critic's scores are not finite: it has diverged")
    return float(roc_auc_score(np.repeat([1, 0], [len(background), len(image)]), scores))


def score_leakage(evidence: Evidence) -> Score:
    """`outranked`, with the critic's mean scores of images and of single layers."""
    found = evidence["looks"]
    if "critic/image" not in found:
        raise NotAvailable(CRITIC)
    views = {view: found[f"critic/{view}"] for view in ("image", "background", "foreground")}
    details = {f"critic_{view}": float(scores.mean(dtype=np.float64)) for view, scores in views.items()}
    return Score(outranked(views["background"], views["image"]), details=details, n=len(views["image"]))


def score_code_leakage(evidence: Evidence) -> Score:
    """How often the code network reads a foreground's code from the background alone, a mean over such codes.

    Details: for each code its share from the `background`, from what `shows` it, and by `chance`.
    """
    found = evidence["looks"]
    values, details = [], {}
    for reader in evidence["code-readers"]:
        code, view, classes = reader["code"], reader["view"], reader["classes"]
        hidden = found.get(f"right/{code}/hidden")
        if hidden is None or not classes:
            continue
        values.append(hidden)
        told = {"background": hidden.mean(), "shows": found[f"right/{code}/{view}"].mean(), "chance": 1 / classes}
        details |= {f"{code}_{name}": float(value) for name, value in told.items()}
    if not values:
        raise NotAvailable("no network reads a foreground's class from images or foregrounds of this method")
    per_image = np.mean(values, axis=0)
    return Score(float(per_image.mean()), per_image, details)


def information(log_likelihoods: np.ndarray, entropy: float) -> float:
    """I(c; view) >= H(c) + E log q(c | view), nats, at most H(c) of a class (Barber and Agakov; milgan, Eq. 4).

    Args:
        log_likelihoods: log q of the code that each view was painted from, (N,).
        entropy: H(c), nats.
    """
    return entropy + float(np.mean(log_likelihoods, dtype=np.float64))


def score_information(evidence: Evidence) -> Score:
    """The mean of the bounds on what each view tells of each code (ComGAN, Eq. 8); details: each, and H of each code.

    Views are unperturbed samples, so a network that learnt on perturbed ones bounds from further below.
    """
    found, readers = evidence["looks"], evidence["code-readers"]
    if not readers:
        raise NotAvailable(READERS)
    read = {f"{reader['code']}_{reader['view']}": reader for reader in readers}
    bounds = {
        name: information(found[f"log-q/{reader['code']}/{reader['view']}"], reader["entropy"])
        for name, reader in read.items()
    }
    entropies = {f"{reader['code']}_entropy": reader["entropy"] for reader in readers}
    # not `per_image`: the mean over images of one bound is an average too, but boards compare the mean of several
    return Score(float(np.mean([*bounds.values()])), details=bounds | entropies, n=len(next(iter(found.values()))))
