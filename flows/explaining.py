"""`temper explain`: which layers of a variant cause what it loses."""

import json
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from flows import view
from flows.workload import load
from tasks.compress import applying, explained, variants
from tasks.core.counting import counted
from tasks.core.errors import ParamsError
from tasks.core.fitting import FitContext
from tasks.core.plugins import Plugin, unknown

if TYPE_CHECKING:
    from rich.table import Table

SHOWN = 15
KEPT = "repair"


def explain(name: str, variant: str) -> None:
    """Print what a variant of the last run lost, how far each technique of its recipe moved the
    outputs, and the layers that this comes from.

    Raises:
        ParamsError: there is no such variant, or nothing of it can be told layer by layer.
    """
    workload = load(name)
    made = view.take(name, ["features", "train", "compress"])
    known = [a.removeprefix("compress/") for a in made if a.startswith("compress/")]
    if variant not in known:
        raise ParamsError(unknown(f"variant {variant!r} of {name}", variant, known))
    stated = json.loads(made[f"compress/{variant}"].file("variant.json").read_text())
    if stated["status"] != "ok":
        raise ParamsError(f"{variant}: {stated['status']}: {stated['reason']}")
    model = next(m for m in workload.models if m.name == stated["model"])
    recipe = [
        Plugin(kind="technique", name=technique, params=params)
        for technique, params in zip(stated["recipe"], stated["recipe_params"], strict=True)
    ]
    if again := [step.name for step in recipe[:-1] if applying.passes(step, model)]:
        print(f"{', '.join(again)}: fitted once more, for what follows in the recipe")
    found = variants.explain(
        *(made[f"compress/{variant}"].path, made[f"compress/{model.name}/fp32"].path),
        *(made[f"train/{model.name}"].path, model, recipe, made["features/prepared"].path),
        *(workload.metrics, workload.compress.tolerance, workload.compress.calibration_rows),
        FitContext(workload.seed, workload.train.threads),
    )
    _show(variant, stated, found)


def _show(variant: str, stated: dict[str, Any], found: list[explained.Told]) -> None:
    from rich.console import Console

    console = Console()

    def say(text: str) -> None:
        console.print(text, highlight=False, soft_wrap=True, markup=False)

    for metric, drop in (stated["drops"] or {}).items():
        value = drop["value"]
        side = f"{abs(value):.2g} {'worse' if value > 0 else 'better'} than" if value else "that of"
        say(
            f"{variant}: {metric} {stated['metrics'][metric]:.4g}, {side} fp32, at most "
            f"{drop['bound']:.2g} worse ({drop['method']}, 95 %)"
        )
    kept = (stated["facts"] or {}).get(KEPT, {}).get("kept_in_float", [])
    for one in found:
        say(f"\n{_headline(one)}")
        if one.layers:
            console.print(_layers(one.layers, kept))
            say(f"{counted(len(one.layers), 'layer')}. {one.way}")
        elif one.milder:
            console.print(_milder(one.milder))
            say("Trees have no layers: the first line is the variant's, the others change less.")
    say("\nErrors: root mean square of the difference on training rows, in shares of the spread.")


def _headline(one: explained.Told) -> str:
    """Return a technique, and how far the outputs are from those in fp32 after it."""
    parts = []
    if one.moved is not None:
        before = (
            "" if one.unfitted is None else f" ({_share(one.unfitted)} before it is fitted further)"
        )
        parts.append(f"the outputs are {_share(one.moved)} from those in fp32{before}")
    if one.why:
        parts.append(f"not told by layer: {one.why}")
    return f"{one.technique}: {'; '.join(parts)}"


def _layers(layers: Sequence[explained.Blame], kept: list[str]) -> "Table":
    """Return layers as a table, with the columns that there is something in."""
    from rich.table import Table

    rows = [
        {
            "layer": one.name,
            "operator": one.operator,
            "weights": f"{one.weights:,}",
            "error alone": _share(one.error),
            "output": _share(one.inside),
            "now": "float32, by repair" if one.name in kept else "",
        }
        for one in layers[:SHOWN]
    ]
    names = [name for name in rows[0] if any(row[name] for row in rows)]
    table = Table(*names)
    for row in rows:
        table.add_row(*(row[name] for name in names))
    return table


def _milder(milder: Sequence[tuple[dict[str, Any], float]]) -> "Table":
    from rich.table import Table

    table = Table(*milder[0][0], "error")
    for params, error in milder:
        table.add_row(*map(str, params.values()), _share(error))
    return table


def _share(error: float | None) -> str:
    if error is None:
        return ""
    return f"{error:.3%}" if math.isfinite(error) else "not finite"
