"""`lgbench list`, `info`, `doctor` and `completion`: what is installed. None of them imports torch, but doctor."""

from __future__ import annotations

import dataclasses
import textwrap
from collections.abc import Mapping
from typing import Any

import click

from lgbench import NoConfig
from lgbench.plugins import KINDS, registry
from lgbench.settings import dotted

__all__ = ["completion", "doctor", "info", "list_"]

NOT_TOLD = ("name", "summary", "build", "compute", "config", "locate", "presets", "regions")  # as facts of a record
NAMES = {
    "apart": "never in data.use_all_images",
    "by_hand": "by hand",
    "grey": "every picture grey",
    "offline": "needs no network",
    "varies": "sample --vary",
}


@click.command("list")
@click.argument("kind", required=False, type=click.Choice(KINDS))
def list_(kind: str | None) -> None:
    """Show what is installed: all of it, or one KIND."""
    for name in [kind] if kind else KINDS:
        records = _records(name)
        click.secho(name, bold=True)
        width = max(map(len, records), default=0)
        for record in records.values():
            click.echo(f"  {record.name:{width}}  {record.summary}")
    aside = registry().set_aside
    if aside:
        click.secho(f"{len(aside)} plugin(s) set aside; `lgbench doctor` says why.", fg="yellow", err=True)


@click.command()
@click.argument("name")
def info(name: str) -> None:
    """Tell all about NAME: settings with their defaults, presets, what it needs and provides, citation.

    NAME is of `lgbench list`, a data set of `lgbench data list`, folder:PATH, or a table of settings that every method
    has: training, segmentation, evaluation.
    """
    from lgbench import stage_configs

    stages = {"training": "TrainingConfig", "segmentation": "SegmentationConfig", "evaluation": "EvaluationConfig"}
    if name in stages:
        click.secho(f"every method's {name}", bold=True)
        _show_settings(getattr(stage_configs, stages[name]), f"[{name}]")
        return
    for kind, record in _named(name):
        click.secho(f"{kind.rstrip('s')} {record.name}", bold=True)
        owner = registry().owners.get((kind, name), "lgbench")
        click.echo(f"  {record.summary}\n  from plugin: {owner}")
        for label, value in _facts(record):
            click.echo(f"  {label}: {value}")
        _show_settings(getattr(record, "config_class", NoConfig), _table(kind, name))


def _named(name: str) -> list[tuple[str, Any]]:
    """Kinds and records of this name: what is installed, else the archive or folder."""
    from lgbench.errors import UnknownName, did_you_mean

    if found := [(kind, _records(kind)[name]) for kind in KINDS if name in _records(kind)]:
        return found
    from lgbench.data import DataHome, resolve_dataset

    home = DataHome()
    if name.startswith("folder:") or name in home.archives():
        return [("datasets", resolve_dataset(name, registry().datasets, home))]
    known = [n for kind in KINDS for n in _records(kind)]
    hint = did_you_mean(name, known, "See `lgbench list`.")
    raise UnknownName(f"Nothing named {name!r} is installed. {hint} (Added archives: `lgbench data list`.)")


def _show_settings(config: type, table: str) -> None:
    from .meanings import told

    if lines := told(config):
        click.echo(f"  settings ({table}):")
        for line in lines:
            click.echo(f"    {line}")


@click.command()
@click.option("--strict", is_flag=True, help="Fail if any plugin is set aside.")
def doctor(strict: bool) -> None:
    """Report on the environment and on every plugin."""
    import platform

    import torch

    from lgbench import __version__
    from lgbench.data import DataHome
    from lgbench.features import EXTRACTORS, extractor_available

    click.echo(f"lgbench {__version__}, Python {platform.python_version()}, torch {torch.__version__}")
    gpus = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    click.echo(f"devices: CPU with {torch.get_num_threads()} threads; GPUs: {', '.join(gpus) or 'none'}")
    click.echo(f"data home: {DataHome().root}")
    for name in EXTRACTORS:
        click.echo(f"features {name}: {'ready' if extractor_available(name) else 'weights not here'}")
    unreadable = registry().unreadable()
    for plugin in registry().plugins:
        fault = unreadable.get(plugin.name)
        bad = "set aside" if plugin.reason else "broken in part" if fault else ""
        state = click.style(bad, fg="red") if bad else click.style("ok", fg="green")
        click.echo(f"plugin {plugin.name} {plugin.version} ({plugin.module}): {state}")
        click.echo(f"  {plugin.reason or ', '.join(dict.fromkeys(plugin.offers)) or 'offers nothing'}")
        if fault:
            click.echo(f"  {fault}")
    if strict:
        registry().require_all()


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print a completion script, say for `eval "$(lgbench completion bash)"`."""
    from click.shell_completion import get_completion_class

    from . import group

    found = get_completion_class(shell)
    assert found is not None
    click.echo(found(group, {}, "lgbench", "_LGBENCH_COMPLETE").source())


def _records(kind: str) -> dict[str, Any]:
    offered = getattr(registry(), kind)
    if kind != "segmenters":
        return offered
    own = [segmenter for method in registry().methods.values() for segmenter in method.segmenters]
    return {**offered, **{segmenter.name: segmenter for segmenter in own}}


def _facts(record: Any) -> list[tuple[str, str]]:
    facts = []
    if generator := registry().generators.get(getattr(record, "generator", "")):  # a method's
        facts.append(("sample --vary", ", ".join(generator.varies)))
    for field in dataclasses.fields(record):
        value = getattr(record, field.name)
        if field.name == "walks":
            value = ", ".join(value)
        if field.name in NOT_TOLD or value in ("", (), None, {}) or value is False:
            continue
        if field.name == "citation":
            value = textwrap.indent(value.strip(), " " * 4).strip()
        if field.name == "varies":
            value = ", ".join(value)
        if isinstance(value, Mapping):
            value = ", ".join(f"{key}={each}" for key, each in dotted(value))
        if isinstance(value, frozenset):
            value = ", ".join(sorted(value)) or "nothing"
        if field.name == "sources":
            value = ", ".join(source.file for source in record.sources)
        if field.name == "segmenters":
            value = ", ".join(segmenter.name for segmenter in record.segmenters)
        facts.append((NAMES.get(field.name, field.name), str(value)))
    for preset, settings in getattr(record, "presets", {}).items():
        facts.append((f"preset {preset}", ", ".join(f"{k}={v}" for k, v in settings.items()) or "the defaults"))
    return facts


def _table(kind: str, name: str) -> str:
    tables = {"methods": "method", "generators": "generator", "datasets": "data", "segmenters": "segmenter"}
    return f"[{tables.get(kind, f'regularizers.{name}')}]"
