"""`lgbench list`, `info`, `doctor` and `completion`: what is installed. None of them imports torch, but doctor."""

from __future__ import annotations

import dataclasses
import textwrap
from collections.abc import Mapping
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

import click

from lgbench import NoConfig
from lgbench.plugins import KINDS, registry
from lgbench.settings import dotted

__all__ = ["completion", "doctor", "info", "list_"]

NOT_TOLD = ("name", "summary", "build", "compute", "config", "locate", "presets", "regions")  # as facts of a record
NAMES = {"by_hand": "by hand", "varies": "sample --vary"}


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
    """Tell all about NAME: settings with their defaults, presets, what it needs and provides, citation."""
    from lgbench.errors import UnknownName, did_you_mean

    found = [(kind, _records(kind)[name]) for kind in KINDS if name in _records(kind)]
    if not found:
        known = [n for kind in KINDS for n in _records(kind)]
        hint = did_you_mean(name, known, "See `lgbench list`.")
        raise UnknownName(f"Nothing named {name!r} is installed. {hint} (Added archives: `lgbench data list`.)")
    for kind, record in found:
        click.secho(f"{kind.rstrip('s')} {record.name}", bold=True)
        owner = registry().owners.get((kind, name), "lgbench")
        click.echo(f"  {record.summary}\n  from plugin: {owner}")
        for label, value in _facts(record):
            click.echo(f"  {label}: {value}")
        config = getattr(record, "config", NoConfig)
        if dataclasses.fields(config):
            click.echo(f"  settings ({_table(kind, name)}):")
            hints = get_type_hints(config, include_extras=True)
            for field in dataclasses.fields(config):
                allowed = ", ".join(_allowed(hints[field.name]))
                click.echo(f"    {field.name} = {field.default!r}" + (f"  ({allowed})" if allowed else ""))


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
    for plugin in registry().plugins:
        state = click.style("set aside", fg="red") if plugin.reason else click.style("ok", fg="green")
        click.echo(f"plugin {plugin.name} {plugin.version} ({plugin.module}): {state}")
        click.echo(f"  {plugin.reason or ', '.join(plugin.offers) or 'offers nothing'}")
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


def _allowed(hint: Any) -> list[str]:
    """What a setting may be, beyond its type: choices, bounds."""
    if get_origin(hint) is Literal:
        return [" | ".join(map(str, get_args(hint)))]
    if get_origin(hint) is not Annotated:
        return [text for each in get_args(hint) for text in _allowed(each)]
    kind, *bounds = get_args(hint)
    signs = {"ge": "at least", "gt": "above", "le": "at most", "lt": "below"}
    told = [
        f"{word} {getattr(each, sign)}"
        for bound in bounds
        for each in ([bound] if not hasattr(bound, "__iter__") else bound)  # an Interval is several
        for sign, word in signs.items()
        if getattr(each, sign, None) is not None
    ]
    return _allowed(kind) + told


def _facts(record: Any) -> list[tuple[str, str]]:
    facts = []
    if generator := registry().generators.get(getattr(record, "generator", "")):  # a method's
        facts.append(("sample --vary", ", ".join(generator.varies)))
    for field in dataclasses.fields(record):
        value = getattr(record, field.name)
        if field.name == "walks":
            value = ", ".join(value)
        if field.name in NOT_TOLD or value in ("", (), None, {}):
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
