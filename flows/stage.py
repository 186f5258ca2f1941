"""One flow as a DVC stage: `python -m flows.stage train digits`.

Inputs come from the view, outputs go into it, and no DVC verb is called: DVC records what it finds.
"""

import importlib
import importlib.util
import os
import sys
from pathlib import Path

STAGES = {  # flow: (steps whose artifacts it takes, steps whose artifacts it makes)
    "prepare": ((), ("ingest", "validate", "clean", "features")),
    "train": (("features",), ("train", "telemetry", "compare")),
    "compress": (("features", "train"), ("compress",)),
    "benchmark": (("features", "train", "compare", "compress"), ("benchmark", "recommend")),
    "release": (
        (
            *("ingest", "validate", "clean", "features", "train", "telemetry", "compare"),
            *("compress", "benchmark", "recommend"),
        ),
        ("register", "report"),
    ),
}


def run(stage: str, name: str) -> None:
    """Run a stage of a workload with the params of params.yaml."""
    from flows import needs, session, view

    takes, makes = STAGES[stage]
    with session.started() as run_flow:
        from flows.flow import flow
        from flows.workload import load
        from tasks.core import devices
        from tasks.core.crashes import mark

        workload = load(name)
        part = getattr(importlib.import_module(f"flows.{stage}"), stage)
        arguments = {"made": view.take(name, list(takes))} if takes else {}
        made = run_flow(
            flow(name=stage, flow_run_name=f"{stage} {name}", on_running=[mark])(part),
            name=name,
            workload=workload,
            device=devices.resolve(workload.device),
            **arguments,
        )
        view.publish(name, made, list(makes))
        needs.note(name)


def main() -> None:
    """Run what the command line names; exit as `temper` does, but 0 where a constraint failed."""
    environment = Path(".venv/bin/python")
    if importlib.util.find_spec("prefect") is None and environment.exists():
        os.execv(environment, [str(environment), "-m", "flows.stage", *sys.argv[1:]])
    from flows.failures import told
    from flows.mending import keep_lock

    known = ("fetch", *STAGES)
    if len(sys.argv) != 3 or sys.argv[1] not in known:
        sys.exit(f"usage: python -m flows.stage {{{','.join(known)}}} WORKLOAD")
    stage, name = sys.argv[1:]
    try:
        keep_lock()
        if stage == "fetch":
            from flows.newly import put_raw

            put_raw(name)
        else:
            run(stage, name)
    except Exception as error:
        reason = told(error)
        print(f"{type(reason).__name__}: {reason}", file=sys.stderr)
        sys.exit(reason.exit_code)


if __name__ == "__main__":
    main()
