"""Every section of docs/sensors.md, from its real file to a registered model."""

import pytest

from tests.components.clean.test_sensors import FILES, SECTIONS, SHARED
from tests.pipeline.conftest import Project

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not SHARED.is_dir(), reason="no shared data (TEMPER_SHARED)"),
]


@pytest.mark.parametrize("name", FILES)
def test_a_section_of_the_page_runs_as_it_stands(name: str, clone: Project):
    block = SECTIONS[name][1]
    path = clone.folder / "params.yaml"
    lines = [f"  {line}".rstrip() for line in block.splitlines()]
    path.write_text("\n".join([path.read_text().rstrip(), *lines, ""]))
    done = clone.temper("run", name, "--set", f"ingest.path={SHARED / FILES[name]}")
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"models:/{name}/1" in done.stdout
