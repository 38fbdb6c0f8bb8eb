"""Stage 3: parts of evidence, each made once, and metrics that read them."""

from lgbench.score import Score

from .evidence import Evidence
from .parts import PARTS
from .scores import Scores, evaluate, parts_of

__all__ = ["PARTS", "Evidence", "Score", "Scores", "evaluate", "parts_of"]
