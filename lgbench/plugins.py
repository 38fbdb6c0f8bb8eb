"""Who offers what: finds the installed plugins, and sets the broken ones aside instead of falling over them."""

from __future__ import annotations

import functools
import importlib.metadata
import logging
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, fields, is_dataclass
from types import ModuleType
from typing import Any

import pluggy

from . import hookspecs
from .errors import BadPlugin, UnknownName, did_you_mean
from .offers import NOTHING, Dataset, Generator, Lazy, Method, Metric, Regularizer, Segmenter

__all__ = ["KINDS", "PluginInfo", "Registry", "load", "registry"]

KINDS: dict[str, type] = {
    "generators": Generator,
    "regularizers": Regularizer,
    "segmenters": Segmenter,
    "metrics": Metric,
    "datasets": Dataset,
    "methods": Method,
}
GROUP = "lgbench"

NAME = re.compile(r"[A-Za-z0-9][\w+-]*", re.ASCII)
RESERVED = {Metric: {"all", "default"}, Segmenter: {"auto", "none"}}
TAKES = "choose letters, digits, _, + and -, and no word that asks for several or for none"
"""What a record may be called: names are parts of settings, of files, of values ("iou@val") and of lists."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class PluginInfo:
    """A plugin that was found. `reason` says why it was set aside; empty where it is in use.

    `sources` are the modules that its records come from: its own, and those that they name by `Lazy`.
    """

    name: str
    module: str
    distribution: str
    version: str
    offers: tuple[str, ...] = ()
    reason: str = ""
    sources: tuple[str, ...] = ()


@dataclass(slots=True)
class Registry:
    """Records by name, one mapping for each hook, and every plugin that was found."""

    generators: dict[str, Generator] = field(default_factory=dict)
    regularizers: dict[str, Regularizer] = field(default_factory=dict)
    segmenters: dict[str, Segmenter] = field(default_factory=dict)
    metrics: dict[str, Metric] = field(default_factory=dict)
    datasets: dict[str, Dataset] = field(default_factory=dict)
    methods: dict[str, Method] = field(default_factory=dict)
    plugins: list[PluginInfo] = field(default_factory=list)
    owners: dict[tuple[str, str], str] = field(default_factory=dict)

    def get(self, kind: str, name: str) -> Any:
        """The record of a kind ("methods", ...) by its name.

        Raises:
            UnknownName: nobody offers it; the message suggests the nearest name.
        """
        records = getattr(self, kind)
        if name in records:
            return records[name]
        hint = did_you_mean(name, records, f"`lgbench list {kind}` shows what is installed.")
        raise UnknownName(f"No installed plugin offers a {kind[:-1]} named {name!r}. {hint}")

    def generator_of(self, method: Method) -> Generator:
        """What a method trains; `NOTHING` where it paints nothing."""
        return NOTHING if method.generator is None else self.get("generators", method.generator)

    @property
    def hint(self) -> str:
        """What to tell behind an unknown name: plugins that were set aside, any of which may offer it."""
        names = ", ".join(plugin.name for plugin in self.set_aside)
        return f" Plugins that may offer it were set aside ({names}): `lgbench doctor` says why." if names else ""

    @property
    def set_aside(self) -> list[PluginInfo]:
        """Plugins that could not be used."""
        return [plugin for plugin in self.plugins if plugin.reason]

    def used(self, names: Iterable[tuple[str, str]]) -> list[PluginInfo]:
        """The plugins that offer what a run uses.

        Args:
            names: (kind, name) of its records, say ("methods", "lrgan"); what no plugin offers is left out.
        """
        owners = {self.owners.get(name) for name in names}
        return [plugin for plugin in self.plugins if plugin.name in owners]

    def unreadable(self) -> dict[str, str]:
        """Plugins in use of whose records one names what cannot be imported, and why; all is imported to see."""
        faults: dict[str, str] = {}
        for (kind, name), owner in self.owners.items():
            for each in _with_own(getattr(self, kind)[name]):
                try:
                    getattr(each, "config_class", None)
                    _ = [Lazy(where).found for where in _named_in(each)]
                except BadPlugin as error:
                    faults.setdefault(owner, f"{kind[:-1]} {each.name}: {error}")
        return faults

    def require_all(self) -> None:
        """Raise `BadPlugin` if any plugin was set aside, or has settings that cannot be read (`--strict`)."""
        unreadable = self.unreadable()
        bad = [(plugin, plugin.reason or unreadable.get(plugin.name)) for plugin in self.plugins]
        if story := "; ".join(
            f"{plugin.name} ({plugin.distribution}): {why.rstrip('.')}" for plugin, why in bad if why
        ):
            raise BadPlugin(f"Plugins that cannot be used: {story}. Mend or uninstall them, or leave out --strict.")


def load(entry_points: Iterable[importlib.metadata.EntryPoint] | None = None) -> Registry:
    """Import every plugin of the entry-point group `lgbench` and collect its records, lgbench's own first."""
    if entry_points is None:
        entry_points = importlib.metadata.entry_points(group=GROUP)
    manager = pluggy.PluginManager(GROUP)
    manager.add_hookspecs(hookspecs)
    found = Registry()
    for entry in sorted(entry_points, key=lambda e: (not _own(e), e.name, e.value)):
        found.plugins.append(_admit(entry, manager, found))
    return found


@functools.cache
def registry() -> Registry:
    """What is installed, found once for the process."""
    return load()


def _own(entry: importlib.metadata.EntryPoint) -> bool:
    return _named(entry.dist)[0] == "lgbench"


@functools.cache  # each look at a name or a version would read the whole README behind them again
def _named(dist: importlib.metadata.Distribution | None) -> tuple[str, str]:
    if dist is None:
        return "unknown", "0"
    told = dist.metadata
    return told["Name"], told["Version"]


def _admit(entry: importlib.metadata.EntryPoint, manager: pluggy.PluginManager, found: Registry) -> PluginInfo:
    dist, version = _named(entry.dist)
    name = entry.name if _own(entry) else f"{dist}:{entry.name}"
    offers, sources, reason = [], (), ""
    try:
        records = _records(entry.load(), name, manager, found)
        sources = tuple(sorted({where for _, record in records for where in _named_in(record)}))
        offers = records
    except BadPlugin as error:
        reason = str(error)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # whatever somebody else's code does on import (exits, too) is its story, not ours
        reason = f"{type(error).__name__}: {error}"
        if isinstance(error, ImportError) and any(repr(old) in str(error) for old in hookspecs.RENAMED):
            reason += f". {_renamed()}"
        log.debug("plugin %s set aside", name, exc_info=True)
    for kind, record in offers:
        getattr(found, kind)[record.name] = record
        found.owners[kind, record.name] = name
    own = [("segmenters", own) for kind, record in offers if kind == "methods" for own in record.segmenters]
    described = tuple(f"{kind[:-1]} {record.name}" for kind, record in (*offers, *own))
    return PluginInfo(name, entry.value, dist, version, described, reason, (entry.value, *sources))


def _named_in(value: Any) -> Iterator[str]:
    """What the `Lazy`s of a record, and of what it holds, name."""
    if isinstance(value, Lazy):
        yield value.where
    if isinstance(value, functools.partial):
        value = (value.func, *value.args, *value.keywords.values())
    told = is_dataclass(value) and not isinstance(value, type)  # a class of settings names nothing
    held = [getattr(value, part.name) for part in fields(value)] if told else value
    for each in held if isinstance(held, list | tuple) else ():
        yield from _named_in(each)


def _with_own(record: Any) -> tuple[Any, ...]:
    """A record, and the segmenters that a method brings: each may have settings."""
    return record, *getattr(record, "segmenters", ())


def _records(module: ModuleType, name: str, manager: pluggy.PluginManager, found: Registry) -> list[tuple[str, Any]]:
    """All records that a plugin offers, or `BadPlugin` if any one of them cannot be taken."""
    spoken = getattr(module, "LGBENCH_API", hookspecs.API_VERSION)
    if spoken != hookspecs.API_VERSION:
        told = f"was written for API {spoken}, this lgbench speaks {hookspecs.API_VERSION}"
        raise BadPlugin(f"{told}. {_renamed()}" if spoken == 1 else told)
    manager.register(module, name)
    unknown = [h.name for h in manager.get_hookcallers(module) or () if not h.spec]
    if unknown:
        manager.unregister(module)
        raise BadPlugin(f"implements unknown hooks {unknown}; the hooks are {sorted(KINDS)}")
    others = [plugin for plugin in manager.get_plugins() if plugin is not module]
    offers: list[tuple[str, Any]] = []
    for kind, expected in KINDS.items():
        hook = manager.subset_hook_caller(kind, remove_plugins=others)
        for record in (record for records in hook() for record in records):
            if not isinstance(record, expected):
                raise BadPlugin(f"its hook {kind} returned {type(record).__name__}, not {expected.__name__}")
            own = {(kind, each.name): "itself" for kind, each in offers}
            if taken := found.owners.get((kind, record.name)) or own.get((kind, record.name)):
                raise BadPlugin(f"offers the {kind[:-1]} {record.name!r}, a name that {taken} has taken")
            for each in _with_own(record):
                if not isinstance(each, expected | Segmenter):
                    raise BadPlugin(f"its {kind[:-1]} {record.name!r} has {each!r} among its segmenters")
                fits = isinstance(each.name, str) and NAME.fullmatch(each.name)
                if not fits or each.name in RESERVED.get(type(each), ()):
                    raise BadPlugin(f"calls a {type(each).__name__.lower()} {each.name!r}: {TAKES}")
                if not isinstance(getattr(each, "config", None), Lazy | None):
                    _ = each.config_class  # what is given and not only named can be looked at now
            offers.append((kind, record))
    return offers


def _renamed() -> str:
    """What an author of a plugin of version 1 has to write otherwise."""
    return "Since API 1: " + "; ".join(f"{old} is now {new}" for old, new in hookspecs.RENAMED.items()) + "."
