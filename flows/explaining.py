"""`temper explain`: which layers of a variant cause what it loses."""

import json
from typing import Any

from flows import view
from flows.workload import load
from tasks.compress import layers, variants
from tasks.core.counting import counted
from tasks.core.errors import ParamsError
from tasks.core.fitting import FitContext
from tasks.core.plugins import Plugin, unknown

SHOWN = 15
KEPT = "repair"


def explain(name: str, variant: str) -> None:
    """Print what a variant of the last run lost, and its layers by the error that each adds.

    Raises:
        ParamsError: there is no such variant, or it was not made layer by layer.
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
    found = variants.blame(
        *(made[f"compress/{model.name}/fp32"].path, made[f"train/{model.name}"].path),
        *(model, recipe, made["features/prepared"].path, workload.metrics),
        *(workload.compress.tolerance, workload.compress.calibration_rows),
        FitContext(workload.seed, workload.train.threads),
    )
    _show(variant, stated, found)


def _show(variant: str, stated: dict[str, Any], found: list[layers.Blame]) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console()
    for metric, drop in stated["drops"].items():
        value = drop["value"]
        side = f"{abs(value):.2g} {'worse' if value > 0 else 'better'} than" if value else "that of"
        console.print(
            f"{variant}: {metric} {stated['metrics'][metric]:.4g}, {side} fp32, at most "
            f"{drop['bound']:.2g} worse ({drop['method']}, 95 %)",
            highlight=False,
            soft_wrap=True,
        )
    kept = (stated["facts"] or {}).get(KEPT, {}).get("kept_in_float", [])
    table = Table("layer", "operator", "weights", "error alone", "now")
    for blame in found[:SHOWN]:
        now = "float32, by repair" if blame.name in kept else "changed"
        table.add_row(blame.name, blame.operator, f"{blame.weights:,}", f"{blame.error:.3%}", now)
    console.print(table)
    console.print(
        "Error: how far the outputs move where that layer alone is changed, in shares of their "
        f"spread. {counted(len(found), 'layer')}. `repair` after the technique keeps the worst in "
        "float32.",
        highlight=False,
        soft_wrap=True,
    )
