"""What differs between two reports, in words: what is within the intervals is no change."""

from typing import Any

from tasks.report.words import ms, names, number, size

Item = dict[str, str]  # topic, text, weight: "major" or "minor"


def changes(new: dict[str, Any], old: dict[str, Any]) -> list[Item]:
    """Return the differences from `old` to `new`, the weighty first; empty: nothing differs."""
    if new["format"] != old.get("format"):
        return [_item("report", "the earlier report is of another version of Temper")]
    items = [
        *_data(new, old),
        *_models(new, old),
        *_scores(new, old),
        *_choice(new, old),
        *_surroundings(new, old),
    ]
    return sorted(items, key=lambda item: item["weight"] != "major")


def _item(topic: str, text: str, weight: str = "major") -> Item:
    return {"topic": topic, "text": text, "weight": weight}


def _data(new: dict, old: dict) -> list[Item]:
    items = []
    sources = [r["data"]["source"] for r in (old, new)]
    if sources[0].get("sha256") != sources[1].get("sha256"):
        items.append(_item("data", "the raw data is another: its digest changed"))
    pairs = {
        "rows of the raw data": [s.get("rows") for s in sources],
        "rows set aside": [r["data"]["checks"].get("bad_rows") for r in (old, new)],
        "features": [r["data"]["features"] for r in (old, new)],
    }
    for part in sorted({*old["data"]["parts"], *new["data"]["parts"]}):
        pairs[f"rows of {part}"] = [r["data"]["parts"].get(part) for r in (old, new)]
    items += [
        _item("data", f"{what}: {number(a)} → {number(b)}")
        for what, (a, b) in pairs.items()
        if a != b
    ]
    if old["data"]["split"] != new["data"]["split"]:
        before, after = (r["data"]["split"].get("name") for r in (old, new))
        how = f"{before} → {after}" if before != after else f"{after}, with other parameters"
        items.append(_item("data", f"the split: {how}"))
    if old["judged"] != new["judged"]:
        items.append(_item("data", f"judged on {new['judged']} rather than {old['judged']}"))
    return items


def _models(new: dict, old: dict) -> list[Item]:
    items = []
    before, after = set(old["models"]), set(new["models"])
    if after - before:
        items.append(_item("models", f"new: {names(sorted(after - before))}"))
    if before - after:
        items.append(_item("models", f"gone: {names(sorted(before - after))}"))
    for model in sorted(before & after):
        a, b = (_flat(r["models"][model]["fit"].get("params", {})) for r in (old, new))
        different = [
            f"{key} {_short(a.get(key))} → {_short(b.get(key))}"
            for key in sorted({*a, *b})
            if a.get(key) != b.get(key)
        ]
        if different:
            items.append(_item("parameters", f"{model}: {', '.join(different)}"))
    return items


def _scores(new: dict, old: dict) -> list[Item]:
    boards = old["leaderboard"], new["leaderboard"]
    if not all(b.get("models") for b in boards):
        return []
    items = []
    primary = boards[1]["primary"]
    if boards[0]["primary"] != primary:
        return [
            _item("metric", f"models are ranked by {primary}, before by {boards[0]['primary']}")
        ]
    entries = [{m["name"]: m["metrics"][primary] for m in b["models"]} for b in boards]
    greater = boards[1]["greater_is_better"]
    within = []
    for model in sorted(set(entries[0]) & set(entries[1])):
        a, b = entries[0][model], entries[1][model]
        if a == b or a["value"] is None or b["value"] is None:
            continue
        text = f"{model}: {primary} {number(a['value'])} → {number(b['value'])}"
        if apart([a, b]):
            better = (b["value"] > a["value"]) == greater
            items.append(_item("metric", f"{text}, {'better' if better else 'worse'}"))
        else:
            within.append(f"{model} {number(a['value'])} → {number(b['value'])}")
    if within:
        items.append(_item("metric", f"within the intervals: {'; '.join(within)}", "minor"))
    groups = [b.get("group", []) for b in boards]
    if set(groups[0]) != set(groups[1]):
        items.append(
            _item("metric", f"tied with the best: {names(groups[1])}; before: {names(groups[0])}")
        )
    return items


def apart(pair: list[dict[str, Any]]) -> bool:
    """Return whether two values with intervals differ by more than these: they do not overlap."""
    if any(v.get(side) is None for v in pair for side in ("low", "high")):
        return False
    a, b = pair
    return a["high"] < b["low"] or b["high"] < a["low"]


def _choice(new: dict, old: dict) -> list[Item]:
    a, b = (r["recommendation"].get("chosen") for r in (old, new))
    items = []
    if b and not a:
        text = f"{b['variant']} is recommended; before, nothing met the constraints"
        items.append(_item("recommendation", text))
    elif a and not b:
        text = f"nothing meets the constraints; before, {a['variant']} was recommended"
        items.append(_item("recommendation", text))
    elif a and b:
        keys = [(c["variant"], c["engine"]) for c in (a, b)]
        if keys[0] != keys[1]:
            before, after = (" through ".join(key) for key in keys)
            items.append(_item("recommendation", f"{after}; before: {before}"))
        if abs(a["size_kib"] - b["size_kib"]) > 0.005 * a["size_kib"]:
            sizes = [size(c["size_kib"] * 1024) for c in (a, b)]
            items.append(_item("size", f"of the recommended: {sizes[0]} → {sizes[1]}"))
        spans = [{"low": c["p50_low"], "high": c["p50_high"]} for c in (a, b)]
        if apart(spans):
            text = f"p50 of the recommended: {ms(a['p50_ms'])} → {ms(b['p50_ms'])}"
            items.append(_item("latency", text))
    asked = [
        {"goal": r["recommendation"].get("goal"), **(r["recommendation"].get("constraints") or {})}
        for r in (old, new)
    ]
    for key in sorted({*asked[0], *asked[1]}):
        before, after = asked[0].get(key), asked[1].get(key)
        if before != after:
            items.append(
                _item("parameters", f"recommend.{key}: {_short(before)} → {_short(after)}")
            )
    return items


def _surroundings(new: dict, old: dict) -> list[Item]:
    items = []
    versions = [_versions(r) for r in (old, new)]
    different = [
        f"{name} {versions[0].get(name, 'absent')} → {versions[1].get(name, 'absent')}"
        for name in sorted({*versions[0], *versions[1]})
        if versions[0].get(name) != versions[1].get(name)
    ]
    if different:
        items.append(_item("libraries", ", ".join(different), "minor"))
    machines = [(r["benchmark"].get("machine") or {}).get("cpu") for r in (old, new)]
    if machines[0] != machines[1]:
        text = f"measured on {machines[1]}, before on {machines[0]}: latencies do not compare"
        items.append(_item("machine", text))
    before, after = ((r["version"].get("tags") or {}).get("git_commit") for r in (old, new))
    if before and after and before != after:
        items.append(_item("code", f"commit {before[:10]} → {after[:10]}", "minor"))
    return items


def _versions(report: dict) -> dict[str, str]:
    machine = report["benchmark"].get("machine") or {}
    return {**(machine.get("libraries") or {}), **(report["version"].get("libraries") or {})}


def _flat(value: Any, prefix: str = "") -> dict[str, Any]:
    if not isinstance(value, dict):
        return {prefix: value}
    flat: dict[str, Any] = {}
    for key, inner in value.items():
        flat |= _flat(inner, f"{prefix}.{key}" if prefix else str(key))
    return flat


def _short(value: Any) -> str:
    text = number(value) if isinstance(value, int | float) else str(value)
    return "none" if value is None else text if len(text) <= 40 else f"{text[:37]}…"
