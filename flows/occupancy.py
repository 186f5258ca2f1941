"""Who holds the slots and the quiet lane, and who waits for them."""

import time

from tasks.core import slots
from tasks.core.locks import command


def show() -> None:
    """Print a line for each holder and each process that waits."""
    lines = []
    held = slots.holders()
    for limit in dict.fromkeys(holder["limit"] for holder in held):
        lines += [_line(holder) for holder in held if holder["limit"] == limit]
        lines += _processes("  waiting", slots.waiting(limit))
    inside, outside = slots.lane()
    lines += _processes("quiet lane", inside) + _processes("  waiting", outside)
    print("\n".join(lines) or "no slot is held")


def _line(holder: dict) -> str:
    what = holder["what"] or command(holder["pid"])
    since = time.strftime("%H:%M:%S", time.localtime(holder["since"]))
    line = f"{holder['limit']}-{holder['slot']}: process {holder['pid']}, {what}, since {since}"
    seconds = max(0, round(time.time() - holder["since"]))
    memory = f", {holder['need_mib']} MiB" if holder["need_mib"] else ""
    return f"{line} ({seconds} s){memory}"


def _processes(place: str, pids: list[int]) -> list[str]:
    """Return a line for each process, once for all of its threads."""
    return [f"{place}: process {pid}, {command(pid)}" for pid in dict.fromkeys(pids)]
