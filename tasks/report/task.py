"""The task `report`: one HTML file, the same as JSON and CSV."""

import json

from prefect import task

from tasks.core import store
from tasks.core.artifacts import Artifact
from tasks.core.cache import cached
from tasks.report import page, tables, tracking
from tasks.report.changes import changes
from tasks.report.facts import facts
from tasks.report.params import Params


@task(name="report", task_run_name="report", **cached("plotly", "jinja2", "polars"))
def report(
    sources: list[Artifact],
    workload: str,
    params: Params,
    previous: Artifact | None = None,
    champion: Artifact | None = None,
) -> Artifact:
    """Return `report`: report.html, report.json, three CSV files, and what DVC shows of it.

    Args:
        sources: the artifacts of the run, found by name; what is missing leaves its section out.
        workload: its name.
        params: title and lengths of lists.
        previous: the report of the run before, to compare with.
        champion: the report of the registered champion, likewise.
    """
    content = facts(sources, workload, params)
    content["changes"] = {
        against: changes(content, json.loads(old.file("report.json").read_text(encoding="utf-8")))
        for against, old in (("last run", previous), ("champion", champion))
        if old is not None
    }
    with store.writing() as folder:
        text = json.dumps(content, indent=1, sort_keys=True, ensure_ascii=False)
        (folder / "report.json").write_text(text + "\n", encoding="utf-8")
        (folder / "report.html").write_text(page.render(content), encoding="utf-8")
        tables.leaderboard(content).write_csv(folder / "leaderboard.csv")
        tables.variants(content).write_csv(folder / "variants.csv")
        tables.benchmark(content).write_csv(folder / "benchmark.csv")
        tracking.write(content, folder / tracking.FOLDER)
        return store.put("report", folder)
