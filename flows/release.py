"""release: register -> report."""

from typing import Any

from flows import announce, history
from flows.workload import Step, Workload, ends
from tasks.core.artifacts import Made, named, under
from tasks.core.params import digest
from tasks.register.task import ensure
from tasks.report.task import report


def release(name: str, workload: Workload, device: str, made: Made, until: Step = "report") -> Made:
    """Return the registered version and the report."""
    facts: dict[str, Any] = {
        "params_digest": digest(workload.model_dump(mode="json", exclude={"register_", "report"})),
        "data_digest": made["ingest/table"].digest,
        "device": device,
    }

    version = ensure(  # run anew where the registry has lost it
        made["recommend/choice"],
        made["compare/leaderboard"],
        under(made, "train"),
        under(made, "telemetry"),
        under(made, "compress"),
        made["features/prepared"],
        name,
        workload.register_,
        facts,
        labels={"git_commit": history.git_commit()},
    )
    done = named(version)
    if ends(until, "register"):
        return done
    before = history.before(name, made["recommend/choice"], version)
    # the same, and in the same order, in a stage of DVC: it has no raw data, it reads the view
    sources = [made[artifact] for artifact in sorted(made) if artifact != "raw"]
    made_report = report(
        [*sources, version], name, workload.report, before.previous, before.champion
    )
    history.remember(name, before, made_report)
    done |= named(made_report)
    announce.results(name, made | done)
    return done
