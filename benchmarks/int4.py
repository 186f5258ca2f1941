"""INT4 weights: how much smaller than float32, and how fast they really are.

    .venv/bin/python -m benchmarks.int4

On networks that saw one pass over random images: size and speed do not depend on what was learnt,
and their accuracy is not stated.
"""

import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from benchmarks import timed
from benchmarks.harness import no_arguments, table, write
from tasks.compress import variants
from tasks.core.fitting import FitContext, training_data
from tasks.core.plugins import Plugin
from tasks.core.prepared import Prepared
from tasks.core.schema import ROW, Column, Table
from tasks.features.params import Params as Features
from tasks.features.prepare import prepare

NETWORKS: dict[str, tuple[str, dict[str, Any], int, int]] = {  # plugin, params, pixels, colours
    "MLP 784-1024-1024-10": ("mlp", {"width": 1024, "depth": 2, "bins": 0}, 28, 1),
    "VGG16 on 32 x 32": ("vgg16", {"width": 64}, 32, 3),
}
RECIPES: dict[str, dict[str, Any]] = {
    "qdq": {},
    "matmul_nbits": {"form": "matmul_nbits"},
    "qdq_64": {"block": 64},
}
IMAGES, CLASSES, SEED, TOLERANCE = 120, 10, 0, 1e-3


def main() -> None:
    """Measure, print the table, write benchmarks/results/int4.json."""
    no_arguments("int4", __doc__)
    results = {name: measured(*parts) for name, parts in NETWORKS.items()}
    rows: list[tuple[str, Any, str]] = []
    for name, found in results.items():
        rows.append((f"{name}: fp32, MB", round(found["fp32"]["bytes"] / 1e6, 2), ""))
        for form in RECIPES:
            if form not in found:
                continue
            stated = found[form]
            rows.append((f"  {form}: weights smaller by", stated["weights_smaller"], "7"))
            rows.append(("    file smaller by", stated["file_smaller"], ""))
            rows += [(f"    times faster, {e}", s, "") for e, s in stated["speedups"].items()]
    table(rows)
    write("int4", {"trained": False, "threads": 1, "batch": 1, "networks": results})


def measured(name: str, params: dict[str, Any], pixels: int, colours: int) -> dict[str, Any]:
    """Return sizes and speed-ups of each form of INT4."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        data = _images(folder / "prepared", pixels, colours)
        model = Plugin(kind="model", name=name, params={**params, "epochs": 1})
        fitted = folder / "fitted"
        fitted.mkdir()
        fit = model.module.fit(training_data(data), model.typed, FitContext(SEED))
        model.module.save(fit, fitted)
        metrics = [Plugin(kind="metric", name="accuracy")]
        made = {label: folder / label for label in ("fp32", *RECIPES)}
        for out in made.values():
            out.mkdir()
        variants.write_fp32(made["fp32"], fitted, model, data.folder, metrics, TOLERANCE)
        for label, own in RECIPES.items():
            recipe = [Plugin(kind="technique", name="ptq_int4", params=own)]
            variants.write_compressed(
                *(made[label], made["fp32"], fitted, model, label, recipe, data.folder, metrics),
                *(TOLERANCE, IMAGES, SEED),
            )
        stated = {n: json.loads((f / "variant.json").read_text()) for n, f in made.items()}
        made = {n: f for n, f in made.items() if stated[n]["status"] == "ok"}
        _, times = timed.latencies(list(made.values()), fitted, model, data)
    return {label: _figures(label, stated, times) for label in made}


def _images(folder: Path, pixels: int, colours: int) -> Prepared:
    """Return random images, prepared."""
    random = np.random.default_rng(SEED)
    images = random.integers(0, 256, (IMAGES, pixels, pixels, colours), dtype=np.uint8)
    frame = pl.DataFrame(
        {
            ROW: pl.Series(range(1, IMAGES + 1), dtype=pl.UInt32),
            "image": pl.Series(images, dtype=pl.Array(pl.UInt8, images.shape[1:])),
            "label": pl.Series([str(i % CLASSES) for i in range(IMAGES)]),
        }
    )
    columns = {"image": Column(type="image"), "label": Column(type="category", role="target")}
    folder.mkdir()
    spec = Table(task="classification", target="label", columns=columns)
    prepare(frame, spec, Features(), SEED, folder)
    return Prepared(folder)


def _figures(label: str, stated: dict[str, Any], times: timed.Times) -> dict[str, Any]:
    own, before = stated[label], stated["fp32"]
    found = {key: own[key] for key in ("bytes", "weight_bytes", "engines_note")}
    found["p50_ms"] = {e: round(float(np.median(times[label, e])), 4) for e in timed.ENGINES}
    if label != "fp32":
        found["weights_smaller"] = round(before["weight_bytes"] / own["weight_bytes"], 3)
        found["file_smaller"] = round(before["bytes"] / own["bytes"], 3)
        found["speedups"] = {e: timed.faster(times, label, "fp32", e) for e in timed.ENGINES}
    return found


if __name__ == "__main__":
    main()
