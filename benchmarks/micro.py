"""A project of a harness's own: runs of `micro` in it, what ran, the digests of what came out."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

from benchmarks import harness
from tasks.core.artifacts import folder_digest

TEMPER = (sys.executable, "-m", "flows.cli")
MEASURED = ("telemetry", "benchmark", "recommend", "register", "report")  # hold times, or follow


class Project:
    """A folder with the project's code, in which `micro` is run again and again."""

    def __init__(
        self, environment: dict[str, str], database: Path | None = None, tracked: bool = True
    ) -> None:
        """`database`: an empty one of Prefect; its migrations take most of a first start.
        `tracked`: DVC is told of each run.
        """
        self.environment = environment
        self.folder = Path(environment["TEMPER_PROJECT"])
        self.home = Path(environment["TEMPER_HOME"])
        params = self.folder / "params.yaml"
        text = params.read_text().replace("\nbundled: [digits]", "\nbundled: [micro]")
        text = text.replace("\nactive: [digits]", f"\nactive: {'[micro]' if tracked else '[]'}")
        params.write_text(text)
        (self.folder / "dvc.lock").unlink(missing_ok=True)
        self.seen: set[str] = set()  # flow runs
        self.database = database
        if database:
            self.home.mkdir(mode=0o700, exist_ok=True)
            shutil.copyfile(database, self.home / "prefect.db")

    def run(self, *arguments: str, command: tuple[str, ...] = TEMPER) -> str:
        """Run a command in the project; return its output.

        Raises:
            RuntimeError: its exit code was not 0.
        """
        done = subprocess.run(
            [*command, *arguments],
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=600,
        )
        if done.returncode:
            raise RuntimeError(f"exit code {done.returncode}: {done.stdout[-3000:]}")
        return done.stdout

    def executed(self) -> set[str]:
        """Return the tasks that ran since this was last asked, from the log of task runs."""
        ran, flows = set(), set()
        for path in (self.home / "traces" / "micro").glob("*.json"):
            entry = json.loads(path.read_text())[0]
            if entry["flow_run"] not in self.seen:
                flows.add(entry["flow_run"])
                if entry["state"] == "ran":
                    ran.add(entry["label"])
        self.seen |= flows
        return ran

    def keys(self) -> dict[str, str]:
        """Return the cache key that each task run had last."""
        entries = [
            json.loads(path.read_text())[0]
            for path in (self.home / "traces" / "micro").glob("*.json")
        ]
        return {entry["label"]: entry["key"] for entry in entries}

    def digests(self) -> dict[str, str]:
        """Return the digest of every artifact that the view shows, from its files."""
        found = {"raw": folder_digest(self.folder / "data" / "raw" / "micro")}
        for path in self.folder.glob("*/*/*/artifacts.json"):
            step = path.parent.name if path.parts[-4] == "models" else path.parts[-3]
            for name, digest in json.loads(path.read_text()).items():
                rest = name.removeprefix(step).strip("/")
                found[name] = folder_digest(path.parent / rest) if rest else digest
        return found

    def content(self, artifact: str) -> Path:
        """Return the folder in the store of an artifact that the view shows."""
        digest = self.digests()[artifact]
        return self.home / "store" / digest[:2] / digest

    def replace(self, file: str, text: str) -> None:
        """Write a file of the project."""
        path = self.folder / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def read(self, file: str) -> str:
        """Return a file of the project."""
        return (self.folder / file).read_text()


def from_nothing(project: Project) -> dict[str, str]:
    """Return the digests of a run of the same files in a new project with an empty home."""
    with harness.project(project.folder) as environment:
        copy = Project(environment, project.database)
        copy.environment["PREFECT_API_URL"] = project.environment["PREFECT_API_URL"]
        copy.run("run", "micro")
        return copy.digests()


def fresh_database(environment: dict[str, str], path: Path) -> None:
    """Make an empty database of Prefect by a server that starts and ends."""
    home = path.parent / "spare"
    own = {**environment, "TEMPER_HOME": str(home)}
    own.pop("PREFECT_API_URL", None)
    let_go(held_server(own))
    shutil.copyfile(home / "prefect.db", path)


def let_go(server: "subprocess.Popen[str]") -> None:
    """End the process that keeps a server; the server ends by itself, soon after."""
    assert server.stdin is not None
    assert server.stdout is not None
    server.stdin.close()
    server.wait()
    server.stdout.close()


def held_server(environment: dict[str, str]) -> "subprocess.Popen[str]":
    """Start the project's server, kept by a process that ends when its input closes."""
    keep = "import sys; from tasks.core import server; print(server.connect(), flush=True); "
    process = subprocess.Popen(
        [sys.executable, "-c", keep + "sys.stdin.read()"],
        env=environment,
        cwd=environment["TEMPER_PROJECT"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    environment["PREFECT_API_URL"] = process.stdout.readline().strip()
    return process


def fixed(digests: dict[str, str]) -> dict[str, str]:
    """Return those of the artifacts that hold no times, and follow none: the same in every run."""
    return {name: d for name, d in digests.items() if name.split("/")[0] not in MEASURED}
