"""Everything that was sampled and predicted for one run, and the truth beside it: parts, each made once."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from lgbench.data import Split
from lgbench.errors import BadData, LgbenchError, NotAvailable, RunFailed
from lgbench.files import atomic, read_arrays, sha256_of_json
from lgbench.game import Game
from lgbench.nn import weights_hash
from lgbench.offers import Part
from lgbench.record import altered
from lgbench.runtime import Run
from lgbench.stage_configs import ELSEWHERE, EvaluationConfig

__all__ = ["Evidence", "hashes"]

Arrays = dict[str, np.ndarray]

log = logging.getLogger(__name__)


@dataclass(slots=True, eq=False)
class Evidence:
    """Parts of evidence by name: `evidence["samples"]` is made when it is first read, and kept.

    Attributes:
        run: recipe, folder, data home, runtime and reporter.
        game: the trained networks; its painter is on eval.
        segmenter: the game that segments, None where the method has none.
        splits: the data set's splits by name.
        parts: what can be made, by name.
        made: what was made, or why it could not be.
        files: the files in the run's folder that parts were kept in, and their arrays.
        split: the split that is predicted on; the first that the recipe names where it is not said.
        of_split: what was made from that split, by name; what else was made is of the whole run.
        reads: what each part that was made read of other parts.
    """

    run: Run
    game: Game
    segmenter: Game | None
    splits: Mapping[str, Split]
    parts: Mapping[str, Part]
    made: dict[str, Any] = field(default_factory=dict)
    files: dict[str, Arrays] = field(default_factory=dict)
    split: str = ""
    of_split: set[str] = field(default_factory=set)
    reads: dict[str, set[str]] = field(default_factory=dict)
    _making: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.split = self.split or self.config.splits[0]

    @property
    def config(self) -> EvaluationConfig:
        """What the recipe says of the evaluation."""
        return self.run.recipe.evaluation

    @property
    def test(self) -> Split:
        """The data set's own images of the split that is scored.

        Raises:
            NotAvailable: another data set has that split, and this one has not.
        """
        self.of_split.update(self._making)
        if self.split not in self.splits:
            raise NotAvailable(f"no split {self.split} in {self.run.recipe.dataset.name}")
        return self.splits[self.split]

    @property
    def shown(self) -> Split:
        """The split that masks are predicted on: the data set's own, or another's where the recipe says so."""
        self.of_split.update(self._making)
        return self.splits.get(ELSEWHERE + self.split) or self.test

    @property
    def whole(self) -> list[Split]:
        """The splits that together are all of the data set's images, each once (see `Dataset.apart`)."""
        recipe = self.run.recipe
        if recipe.use_all_images:
            return [self.splits["train"]]
        own = {name: split for name, split in self.splits.items() if not name.startswith(ELSEWHERE)}
        return [split for name, split in own.items() if name not in recipe.dataset.apart]

    @property
    def scored(self) -> Split:
        """The images of it that masks are known of.

        Raises:
            NotAvailable: there are none.
        """
        try:
            return self.shown.scored()
        except BadData as error:
            raise NotAvailable("no masks in this data set") from error

    def __getitem__(self, name: str) -> Any:
        """A part's value.

        Raises:
            NotAvailable: it cannot be had; the reason is the part's own.
            KeyError: nobody offers such a part.
        """
        if name in self._making:
            raise NotAvailable(f"parts that read each other: {' -> '.join([*self._making, name])}; mend their plugin")
        if self._making:
            self.reads.setdefault(self._making[-1], set()).add(name)
        if name not in self.made:
            with self.noting(name):
                self.made[name] = _made(self.parts[name], self)
        if name in self.of_split:
            self.of_split.update(self._making)
        if isinstance(self.made[name], NotAvailable):
            raise self.made[name]
        return self.made[name]

    @contextlib.contextmanager
    def noting(self, name: str) -> Iterator[None]:
        """Take down in `of_split` whether what is made inside, which is called `name`, reads the split, by any way."""
        self._making.append(name)
        try:
            yield
        finally:
            self._making.pop()

    def on(self, split: str) -> Evidence:
        """The same evidence on another split, with all that was made from none."""
        made = {name: value for name, value in self.made.items() if name not in self.of_split}
        return replace(self, made=made, split=split, of_split=set(), _making=[])

    def get(self, name: str) -> Any | None:
        """A part's value, or None where it cannot be had."""
        try:
            return self[name]
        except NotAvailable:
            return None

    def require(self, names: Iterable[str]) -> None:
        """Raise `NotAvailable`, with the reason, unless every one of the parts can be had."""
        for name in sorted(names):
            self[name]

    def protocol(self, names: Iterable[str]) -> dict[str, Any]:
        """What the parts, and those that they read, add to the protocol of a number that reads them."""
        said = dict[str, Any]()
        for name in sorted(names):
            said |= self.protocol(self.reads.get(name, ())) | dict(self.parts[name].protocol(self))
        return said

    def kept(self, name: str, inputs: Sequence[Any], make: Callable[[], Arrays]) -> Arrays:
        """Arrays from the run's folder if they were made from the same inputs, else made and kept there.

        A file that is damaged, or another than a record says that read it, is told of and made again.

        Args:
            inputs: plain values that tell everything the arrays depend on.

        Raises:
            RunFailed: the disk is full.
        """
        path, arrays = self.run.folder / f"{name}-{sha256_of_json(inputs)[:8]}.npz", None
        try:
            if path.exists() and altered(path, self.run.folder):
                raise RunFailed(f"{path} is not what the run's record was scored from. It is made again.")
            arrays = read_arrays(path, "It is made again.") if path.exists() else None
        except RunFailed as damaged:
            self.run.reporter.note(str(damaged))
        if arrays is None:
            arrays = make()
            with atomic(path) as file:
                np.savez(file, **arrays)  # pyright: ignore[reportArgumentType]
        self.files[path.name] = arrays
        return arrays


def hashes(segmenter: Game) -> list[str]:
    """Of the weights that a segmenter predicts by; those of a critic that taught it are gone once it is taught."""
    names = segmenter.stored if segmenter.phases else segmenter.networks
    networks = [segmenter.every_network[name] for name in names]
    return [weights_hash(network) for network in (*networks, segmenter.painter)]


def _made(part: Part, evidence: Evidence) -> Any:
    """A part's value, or why it cannot be had. A disk that is full is the run's trouble, not the part's."""
    try:
        return part.make(evidence)
    except RunFailed:
        raise
    except LgbenchError as reason:  # NotAvailable, most often
        return NotAvailable(str(reason))
    except (Exception, SystemExit) as error:  # one plugin's bug must not cost the record of a day's training
        log.exception("the part %s failed", part.name)
        return NotAvailable(f"the part {part.name} failed: {type(error).__name__}: {error}")
