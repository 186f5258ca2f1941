"""pipeline: prepare -> train -> compress -> benchmark -> release, for one workload.

The five are parts of one flow run here: its page shows every task in one picture. As a stage of DVC
each is a flow run of its own (flows/stage.py).
"""

from prefect.logging import get_run_logger

from flows import announce, needs, origin, versioning, view
from flows.benchmark import benchmark
from flows.compress import compress
from flows.flow import flow
from flows.prepare import prepare
from flows.release import release
from flows.train import train
from flows.workload import STEPS, Step, Workload, ends, load
from tasks.core import devices, progress, usage
from tasks.core.artifacts import Made
from tasks.core.crashes import mark


@flow(name="pipeline", flow_run_name="{name}", on_running=[mark])
def pipeline(
    name: str,
    params: Workload | None = None,
    until: Step = "report",
    measure_again: bool = False,
) -> Made:
    """Take a workload from its raw data to a registered model and a report.

    Args:
        name: the workload, a section of params.yaml.
        params: its parameters; those of params.yaml where none are given. With others the results
            stay in the store, and `data/`, `models/` and `dvc.lock` are left alone.
        until: the last step to run.
        measure_again: measure latencies although they were measured on this machine before.
    """
    usage.share()  # a deployment's run comes here first
    tracked = load(name)
    workload = params or tracked
    state = versioning.State(name)
    device = devices.resolve(workload.device)

    move = announce.Progress(name)
    made = prepare(name, workload, device, until)
    move(0.1)
    if not ends(until, "features"):
        made |= train(name, workload, device, made, until)
        move(0.5)
    if not ends(until, "compare"):
        made |= compress(name, workload, device, made)
        move(0.7)
    if not ends(until, "compress"):
        made |= benchmark(name, workload, device, made, until, measure_again)
        move(0.9)
    if not ends(until, "recommend"):
        made |= release(name, workload, device, made, until)
    move(1.0)

    if workload == tracked:
        show(name, workload, made, state, until)
    return made


def show(name: str, workload: Workload, made: Made, state: versioning.State, until: Step) -> None:
    """Put a run's results into `data/` and `models/`; after a whole run tell DVC."""
    steps = list(dict.fromkeys(artifact.split("/")[0] for artifact in made))
    if origin.in_view(name, workload):
        steps.remove("raw")  # the user may have changed it meanwhile
    view.publish(name, made, steps)
    needs.note(name)
    if until == STEPS[-1] and versioning.tracked(name):
        problem = versioning.commit(state, made["raw"])
        if problem:
            get_run_logger().warning("%s", problem)
            progress.tell(progress.Event("notice", text=problem))
