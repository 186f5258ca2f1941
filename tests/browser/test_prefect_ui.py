"""Prefect's own pages, served by the project's server, show a run without an error."""

import re

import pytest
from prefect import flow, task

from tests.browser.waiting import wait

# Prefect 3.8's page asks for two icons that it does not ship there; scripts must not fail.
ICON = re.compile(r"/(favicon[\w-]*\.ico|ico/undefined\.svg) - ")


@task(name="double", task_run_name="double {number}")
def double(number: int) -> int:
    return 2 * number


@flow(name="doubled", flow_run_name="doubled {count}")
def doubled(count: int) -> list[int]:
    return double.map(list(range(count))).result()


@pytest.fixture(scope="module")
def run_id(api: str) -> str:
    state = doubled(3, return_state=True)
    assert state.is_completed()
    return str(state.state_details.flow_run_id)


def test_the_page_of_a_run_opens_without_an_error(browser, api, run_id):
    browser.get("about:blank")
    browser.get_log("browser")
    browser.get_log("performance")
    browser.get(f"{api.removesuffix('/api')}/runs/flow-run/{run_id}")
    page = "document.body.innerText"
    wait(browser, f"return {page}.includes('doubled 3') && {page}.includes('Completed')", 60)
    wait(browser, f"return {page}.includes('double 0') || {page}.includes('Task Runs')", 60)
    errors = [e["message"] for e in browser.get_log("browser") if e["level"] == "SEVERE"]
    assert [error for error in errors if not ICON.search(error)] == []
    loaded = browser.execute_script(
        "return performance.getEntriesByType('resource').map(entry => entry.name)"
    )
    assert loaded
    here = api.removesuffix("/api")
    assert [address for address in loaded if not address.startswith(here)] == []
