"""The `temper` command. Heavy modules are imported inside the commands, so that it answers at
once.
"""

import gc
import sys
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(
    name="temper",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    help="From versioned data to a tempered model: cleaned, trained, compressed, benchmarked, "
    "registered, with the evidence for every claim.",
)
Name = Annotated[str, typer.Argument(help="A workload: a section of params.yaml.")]
Settings = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="PATH=VALUE", help="Other params for this run; repeatable."),
]
KEEP_GB = 10.0  # a run of `micro` leaves 5 MB: some hundreds of larger ones
KEEP_DAYS = 30.0  # params that nobody went back to in a month


@app.command()
def run(
    name: Annotated[str, typer.Argument(help="A workload of params.yaml.")] = "digits",
    settings: Settings = None,
    until: Annotated[str, typer.Option(help="Stop after this step.")] = "report",
    save: Annotated[bool, typer.Option(help="Write the --set params to params.yaml.")] = False,
    measure: Annotated[bool, typer.Option("--measure", help="Measure latencies anew.")] = False,
    full: Annotated[bool, typer.Option("--full", help="Run every recipe of a sweep.")] = False,
) -> None:
    """Run a workload: from its data to a registered model and a report."""
    from flows.running import run_workload

    settings = [*(settings or []), *(["compress.budget=1"] if full else [])]
    sys.exit(run_workload(name, settings, until, save, measure))


@app.command()
def new(
    name: Annotated[str, typer.Argument(help="The new workload's name.")],
    data: Annotated[
        Path | None,
        typer.Option(help="CSV, CSV.gz, Parquet or Arrow file; or images: folders of classes."),
    ] = None,
    target: Annotated[str | None, typer.Option(help="The column to predict.")] = None,
    task: Annotated[str | None, typer.Option(help="regression or classification.")] = None,
    example: Annotated[bool, typer.Option(help="A table that scikit-learn ships: NAME.")] = False,
) -> None:
    """Make a workload of a table or of images: guess what it needs, and say why."""
    from flows.newly import make

    make(name, data, target, task, example)


@app.command()
def compress(
    model: Annotated[
        Path, typer.Argument(help=".onnx, .ubj, .json, .txt, .skops, .pt2 or .keras.")
    ],
    data: Annotated[Path, typer.Option(help="Rows to judge by: CSV, CSV.gz, Parquet or Arrow.")],
    target: Annotated[str | None, typer.Option(help="The column that it predicts.")] = None,
    task: Annotated[str | None, typer.Option(help="regression or classification.")] = None,
    name: Annotated[str | None, typer.Option(help="Of the workload that is made.")] = None,
) -> None:
    """Compress a model that was fitted elsewhere: sweep, benchmark, recommendation, report."""
    from flows.given import compress

    sys.exit(compress(model, data, target, task, name))


@app.command()
def why(
    name: Name,
    task: Annotated[str | None, typer.Argument(help="Only this task: fit, or light_gbm.")] = None,
    settings: Settings = None,
) -> None:
    """Say for each task whether it would run, and what made the difference; run nothing."""
    from flows import workload
    from tasks.core import server

    server.set_environment()
    from flows.why import show

    show(name, workload.load(name, settings), task)


@app.command()
def explain(
    name: Name,
    variant: Annotated[str, typer.Argument(help="A model and a recipe: convnet/int8_cpu.")],
) -> None:
    """Name the layers of a variant that cause what it loses, the worst first.

    For each technique of its recipe, in order:
    - fp16, bf16, ptq_int8, ptq_int4, low_rank, pruning, 2:4 zeros: the error of
      each layer changed alone; where it is fitted further, also how far the
      layer's output is off in the variant (of qat that alone);
    - truncate, prune_trees, quantise_thresholds: trees have no layers; what
      milder params would move;
    - distill, simplify, litert, keras_int8: why there are no layers, and what to
      look at (exit code 2 where the recipe has nothing else).

    What is fitted further before the last technique is fitted once more.
    """
    from flows.explaining import explain

    explain(name, variant)


@app.command()
def calibrate(
    name: Name,
    device: Annotated[str, typer.Option(help="raspberry_pi_5, ..., or this_machine.")],
    bundle: Annotated[
        Path | None, typer.Option(help="Write what the device measures: a new folder, or a .zip.")
    ] = None,
    measured: Annotated[
        Path | None, typer.Option(help="Take in the measured.json that the device wrote.")
    ] = None,
    ssh: Annotated[
        str | None, typer.Option(metavar="USER@HOST", help="Copy, measure, bring back by ssh.")
    ] = None,
    python: Annotated[str, typer.Option(help="With --ssh: the device's Python.")] = "python3",
) -> None:
    """Measure a device for real: its latencies, memory and energy replace the estimates.

    Three steps: --bundle, run its measure.py on the device, --measured. Or --ssh does all three.
    `this_machine` needs none of them.
    """
    from flows.calibrating import calibrate

    calibrate(name, device, bundle, measured, ssh, python)


@app.command()
def check() -> None:
    """Check params.yaml: every problem at once, with its path and the nearest known name."""
    from flows.checking import check_all

    sys.exit(check_all())


@app.command()
def plugins() -> None:
    """List what exists, what is available here, and if not why and what to install."""
    from flows.checking import list_plugins

    list_plugins()


@app.command()
def doctor() -> None:
    """Look at Python, packages, GPU, server and disk, and say what to do about each problem."""
    from flows.doctor import examine

    sys.exit(examine())


@app.command()
def repro(
    targets: Annotated[list[str] | None, typer.Argument(help="DVC targets; none: all.")] = None,
) -> None:
    """Run `dvc repro`, with one server for all stages."""
    from flows.running import reproduce

    sys.exit(reproduce(targets or []))


@app.command()
def fetch(name: Name) -> None:
    """Put a workload's raw data under data/raw and under DVC."""
    from flows.newly import fetch_raw

    fetch_raw(name)


@app.command()
def collect(name: Name, settings: Settings = None) -> None:
    """Fetch what is missing of a workload's raw data from its web service; see docs/collect.md."""
    from flows.collected import collect_workload

    collect_workload(name, settings or [])


@app.command()
def slots() -> None:
    """Show who holds the GPU slots and the quiet lane, since when, and who waits for them."""
    from flows.occupancy import show

    show()


@app.command(name="gc")
def remove_unused(
    keep_gb: Annotated[float, typer.Option(min=0, help="Size of the store, in GB.")] = KEEP_GB,
    keep_days: Annotated[float, typer.Option(min=0, help="Days since the last use.")] = KEEP_DAYS,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would go, and why.")] = False,
) -> None:
    """Remove results that were not used for long: never what the view, dvc.lock, the registry or
    the next report needs.
    """
    from flows.collecting import collect

    collect(keep_gb, keep_days, dry_run)


@app.command()
def ui(
    stop_after: Annotated[float | None, typer.Option(hidden=True)] = None,
) -> None:
    """Serve Prefect's UI and MLflow's UI on this machine, and print their addresses."""
    from flows.serving import serve

    serve(stop_after)


@app.command()
def deploy() -> None:
    """Put the deployments of deployments/prefect.yaml on the server, with their schedules."""
    from flows.deploying import deploy

    deploy()


@app.command()
def worker(
    limit: Annotated[int | None, typer.Option(help="Flow runs at the same time.")] = None,
) -> None:
    """Run the flow runs of deployments, until interrupted."""
    from flows.deploying import work

    sys.exit(work(limit))


def main() -> None:
    """Run the command line; an error is a message, not a traceback."""
    gc.set_threshold(50_000, 20, 20)  # imports make many objects that stay: 0.2 s of a command
    try:
        app()
    except Exception as error:
        from flows.failures import told

        reason = told(error)
        print(f"{type(reason).__name__}: {reason}", file=sys.stderr)
        sys.exit(reason.exit_code)
    finally:
        gc.freeze()  # else the interpreter's last collections look at every object: 0.3 s


if __name__ == "__main__":
    main()
