"""Stage 1, and the engine of stage 2: plays a game for a number of steps."""

from .loop import Fitted, Stage, fit
from .schedule import Schedule

__all__ = ["Fitted", "Schedule", "Stage", "fit"]
