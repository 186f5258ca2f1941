"""Writers of the private server's SQLite wait for each other, where Prefect's would answer 503."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import httpx

CLIENTS, REQUESTS = 6, 6


def write(url: str, client: int) -> list[int]:
    """Make a flow run with one task run after another; return the answers' status codes."""
    with httpx.Client(base_url=url, timeout=60) as api:
        flow = api.post("/flows/", json={"name": f"flow {client}"}).json()["id"]
        codes = []
        for number in range(REQUESTS):
            run = api.post("/flow_runs/", json={"flow_id": flow, "state": {"type": "PENDING"}})
            codes.append(run.status_code)
            task = {"flow_run_id": run.json().get("id"), "task_key": "t", "dynamic_key": "0"}
            if run.is_success:
                codes.append(api.post("/task_runs/", json=task).status_code)
            made = api.post("/artifacts/", json={"key": f"a-{client}", "data": str(number)})
            codes.append(made.status_code)
    return codes


def test_no_request_is_turned_away(api: str) -> None:
    with ThreadPoolExecutor(CLIENTS) as pool:
        codes = Counter(
            code for found in pool.map(lambda n: write(api, n), range(CLIENTS)) for code in found
        )
    assert set(codes) == {201}, codes
