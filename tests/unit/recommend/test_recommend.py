"""The choice by goal, the limits, the nearest miss: on the figures of tests/samples.py."""

import json
import math
from types import SimpleNamespace

import pytest

from tasks.recommend import constraints, pareto
from tasks.recommend.candidates import gather
from tasks.recommend.choice import _drop_in_words, cost, recommend
from tasks.recommend.params import Params
from tests import samples

ROWS = samples.measurements()[0]["rows"]
BOARD = samples.leaderboard()
VARIANTS = samples.variants()


def ask(**params):
    return recommend(ROWS, BOARD, VARIANTS, Params(**params))


def by_variant(content, variant, engine="onnx_runtime"):
    (found,) = [
        c for c in content["candidates"] if (c["variant"], c["engine"]) == (variant, engine)
    ]
    return found


@pytest.mark.parametrize(
    ("points", "expected"),
    [
        ([(1, 1), (2, 2)], [0]),
        ([(1, 2), (2, 1), (2, 2)], [0, 1]),
        ([(1, 1), (1, 1)], [0, 1]),
        ([(1, math.inf), (2, 3)], [0, 1]),
        ([], []),
    ],
)
def test_the_front_is_what_nothing_dominates(points, expected):
    assert pareto.front(points) == expected


@pytest.mark.parametrize(
    ("goal", "variant"),
    [
        ("balanced", "mlp/int8_cpu"),  # tied with convnet, and smaller and faster
        ("accuracy", "convnet/fp16"),  # as good as convnet/fp32, and half the size
        ("size", "mlp/int8_cpu"),
        ("latency", "mlp/int8_cpu"),
    ],
)
def test_each_goal_chooses_among_those_that_fit(goal, variant):
    content = ask(goal=goal)
    assert content["chosen"]["variant"] == variant
    assert content["chosen"]["engine"] == "onnx_runtime"
    assert content["fits"] is True
    assert all(c["ok"] for c in content["chosen"]["constraints"])


def test_size_without_a_limit_on_the_drop_takes_the_smallest_file():
    assert ask(goal="size", max_drop=None)["chosen"]["variant"] == "baseline/fp32"


def test_a_tied_model_is_held_against_itself_and_the_others_against_the_best():
    content = ask()
    assert by_variant(content, "mlp/int8_cpu")["reference"] == "mlp"
    light = by_variant(content, "light_gbm/fp32")
    assert light["reference"] == "convnet"
    assert light["drop"] == pytest.approx(0.9889 - 0.975)
    assert light["drop_share"] == pytest.approx((0.9889 - 0.975) / 0.9889)
    assert not light["fits"]


def test_a_drop_of_exactly_the_limit_fits():
    share = (0.9889 - 0.975) / 0.9889
    assert by_variant(ask(max_drop=share), "light_gbm/fp32")["fits"]


def test_the_reasons_say_which_limits_are_missed_and_when_nothing_beats_the_baseline():
    why = ask()["why"]
    assert "miss max_drop" in why[0]
    assert not any("better than baseline" in reason for reason in why)
    board = BOARD | {"group": [*BOARD["group"], "baseline"]}
    why = recommend(ROWS, board, VARIANTS, Params())["why"]
    assert any("No model is shown to be better than baseline" in reason for reason in why)


def test_one_candidate_is_told_of_as_one():
    rows = [r for r in ROWS if (r["variant"], r["engine"]) == ("mlp/fp32", "onnx_runtime")]
    ask_one = lambda **params: recommend(rows, BOARD, VARIANTS, Params(**params))  # noqa: E731
    assert ask_one()["why"][0].startswith("1 of 1 measured candidate meets every limit.")
    alone = ask_one(max_size_kib=0.1)["why"][0]
    assert alone.startswith("max_size_kib fails: none of 1 candidate meets it")
    both = recommend(
        [r for r in ROWS if r["variant"] in ("mlp/fp32", "mlp/int8_cpu")],
        BOARD,
        VARIANTS,
        Params(max_size_kib=104_000 / 1024 / 2),
    )["why"][0]
    assert "meets every limit (1 misses max_size_kib). By the goal" in both


def test_a_difference_that_reads_as_nothing_is_no_number_of_its_own():
    found = by_variant(ask(), "mlp/int8_cpu")
    tiny = {"drop": -2.897e-05, "drop_share": -2.9e-05, "metric": found["metric"]}
    words = _drop_in_words(SimpleNamespace(**found | tiny, reference_metric=0.9), "accuracy")
    assert words == (
        "Its accuracy differs from that of mlp uncompressed (0.9) by less than 0.01 % of it."
    )


@pytest.mark.parametrize(("before", "after", "warned"), [(9.4, 9.3, True), (4.5, 1.2, False)])
def test_a_busy_machine_is_told(before, after, warned):
    loads = {"before": [before, 7.7, 7.0], "after": [after, 7.8, 7.1]}
    found = constraints.crowded({"machine": {"cores": 2}, "load_average": loads})
    assert bool(found) is warned
    assert constraints.crowded({"machine": {}}) is None


def test_equally_fast_ones_are_told_apart_by_size():
    rows = [dict(r) for r in ROWS]
    for row in rows:
        if row["engine"] == "onnx_runtime" and row["batch"] == 1:
            row |= {"p50_ms": 1.0, "p50_low": 0.9, "p50_high": 1.1, "p99_ms": 2.0}
            if row["variant"] == "convnet/fp32":
                row["p50_ms"] = 0.99  # nominally the fastest
    chosen = recommend(rows, BOARD, VARIANTS, Params(goal="latency"))["chosen"]
    assert chosen["variant"] == "mlp/int8_cpu"


def test_limits_say_value_limit_and_margin():
    entries = {
        e["name"]: e
        for e in by_variant(ask(min_metric=0.9, max_size_kib=100), "mlp/int8_cpu")["constraints"]
    }
    assert set(entries) == {"min_metric", "max_drop", "max_size_kib", "max_latency_p99_ms"}
    size = entries["max_size_kib"]
    assert size["value"] == pytest.approx(104_000 * 0.27 / 1024, rel=1e-3)
    assert size["margin"] == pytest.approx(100 - size["value"])
    assert entries["max_latency_p99_ms"]["margin"] > 4.9


def test_too_few_samples_cannot_meet_a_limit_on_the_p99():
    rows = samples.measurements(samples=200)[0]["rows"]
    content = recommend(rows, BOARD, VARIANTS, Params())
    assert content["fits"] is False
    assert content["failing_constraint"]["name"] == "max_latency_p99_ms"
    assert content["failing_constraint"]["best"] == "insufficient"
    assert "too few samples" in content["would_have_to_give"][0]
    free = recommend(rows, BOARD, VARIANTS, Params(max_latency_p99_ms=None))
    assert free["chosen"]["p99_ms"] == "insufficient"


def test_a_p99_whose_interval_crosses_the_limit_is_noted():
    content = ask(max_latency_p99_ms=0.006)
    assert content["chosen"]["variant"] == "mlp/int8_cpu"
    assert any("the interval of the p99 reaches" in w for w in content["why"])


def test_nothing_fits_names_the_limit_the_nearest_miss_and_what_gives():
    content = ask(max_latency_p99_ms=0.001)
    assert content["chosen"] is None
    assert content["fits"] is False
    assert content["failing_constraint"]["name"] == "max_latency_p99_ms"
    assert content["failing_constraint"]["met_by"] == 0
    assert content["nearest_miss"]["variant"] == "mlp/int8_cpu"
    assert content["would_have_to_give"] == ["max_latency_p99_ms: 1 µs would have to become 5.4 µs"]
    assert content["why"][0].startswith("max_latency_p99_ms fails: none of ")


def test_limits_that_exclude_each_other_say_so():
    content = ask(max_size_kib=3, min_metric=0.98)
    assert content["failing_constraint"]["met_by"] == 3
    assert "none of them the others too" in content["why"][0]


def test_nothing_measured_for_the_engines_asked_for():
    content = ask(engines=["tensor_rt"])
    assert content["fits"] is False
    assert content["failing_constraint"]["name"] == "engines"
    assert any("no NVIDIA GPU here" in w for w in content["why"])
    assert not content["candidates"]


def test_all_engines_where_none_is_named():
    engines = {c["engine"] for c in ask(engines=None)["candidates"]}
    assert engines == {"native", "onnx_runtime", "open_vino"}


def test_less_is_better_for_an_error():
    board = BOARD | {"primary": "log_loss", "greater_is_better": False}
    content = recommend(ROWS, board, VARIANTS, Params(goal="accuracy", min_metric=0.05))
    assert content["chosen"]["model"] == "convnet"
    assert content["chosen"]["metric"] <= 0.05
    tight = recommend(ROWS, board, VARIANTS, Params(min_metric=0.01))
    assert tight["failing_constraint"]["name"] == "min_metric"


def test_a_metric_that_an_engine_was_not_measured_for_is_left_out():
    rows = [r | {"metrics": {}} if r["variant"] == "mlp/int8_cpu" else r for r in ROWS]
    found, left_out = gather(rows, BOARD, VARIANTS, Params())
    assert "mlp/int8_cpu" not in {c.variant for c in found}
    reasons = {(o["variant"], o["engine"]): o["reason"] for o in left_out}
    assert "was not measured" in reasons["mlp/int8_cpu", "onnx_runtime"]


def test_the_order_of_the_rows_changes_nothing():
    backwards = recommend(
        ROWS[::-1], BOARD, dict(reversed(VARIANTS.items())), Params(max_drop=None)
    )
    assert json.dumps(backwards) == json.dumps(ask(max_drop=None))


def test_what_balanced_weighs():
    found, _ = gather(ROWS, BOARD, VARIANTS, Params())
    found = constraints.judged(found, Params(), True, {})
    pair = [c for c in found if c.variant in ("mlp/fp32", "mlp/int8_cpu")]
    big, small = sorted(pair, key=lambda c: -c.size_kib)
    assert cost(small, pair, 0.01) == pytest.approx(small.drop_share / 0.01)
    assert cost(big, pair, 0.01) == pytest.approx(math.log2(1 / 0.27) + math.log2(2.5), rel=1e-3)


def test_the_task_writes_the_same_bytes_for_the_same_input(tmp_path, monkeypatch):
    samples.home(monkeypatch, tmp_path)
    from tasks.recommend.task import recommend as step

    arguments = (samples.measured(), samples.board(), samples.compressed(), Params(), [])
    first, second = step.fn(*arguments), step.fn(*arguments)
    assert first == second
    assert first.name == "recommend/choice"
    content = json.loads(first.file("recommendation.json").read_text())
    assert content["chosen"]["variant"] == "mlp/int8_cpu"


def test_a_limit_on_accuracy_counts_the_bound_not_the_point():
    """int8 of the best model loses nothing here, but may lose more than the limit."""
    variant = "mlp/int8_cpu"
    value = VARIANTS[variant]["metrics"]["accuracy"]
    sure = {
        "drops": {"accuracy": {"value": 0.0, "bound": 0.004}},
        "bounds": {"accuracy": value - 0.01},
    }
    unsure = {
        "drops": {"accuracy": {"value": 0.0, "bound": 0.03}},
        "bounds": {"accuracy": value - 0.05},
    }
    for certificate, held in ((sure, True), (unsure, False)):
        variants = VARIANTS | {variant: VARIANTS[variant] | certificate}
        params = Params(max_drop=0.02, min_metric=value - 0.02, max_latency_p99_ms=None)
        found = by_variant(recommend(ROWS, BOARD, variants, params), variant)
        entries = {e["name"]: e for e in found["constraints"]}
        assert entries["min_metric"]["ok"] == held
        assert entries["min_metric"]["measured"] == value
        drop = certificate["drops"]["accuracy"]["bound"]
        assert found["drop_share_bound"] > found["drop_share"]
        assert entries["max_drop"]["value"] == pytest.approx(found["drop_share_bound"])
        assert found["drop_share_bound"] - found["drop_share"] == pytest.approx(drop, rel=0.2)


PI = "raspberry_pi_5"


def costing(latency: float, memory: float = 100.0, **more):
    """Return what every variant costs on a device: a share of the latency for int8."""
    return [
        {
            "variant": name,
            "device": PI,
            "kind": "estimate",
            "latency_ms": {"1": [3 * latency, 4 * latency], "4": [latency, 2 * latency]},
            "latency_error": None,
            "peak_memory_mib": memory * (0.5 if name.endswith("int8_cpu") else 1),
            "memory_mib": 4096,
            "fits": memory <= 4096,
            "memory_error": None if memory <= 4096 else "needs more than it has",
            "energy_mj": [3.3 * latency, 25.4 * latency],
        }
        | more
        for name in VARIANTS
    ]


def on_pi(rows, **limits):
    return recommend(ROWS, BOARD, VARIANTS, Params(on_devices={PI: limits}), rows)


def test_a_limit_on_a_device_counts_the_dear_end_of_the_interval():
    chosen = on_pi(costing(10), max_latency_ms=20, max_energy_mj=254)["chosen"]
    entries = {e["name"]: e for e in chosen["constraints"]}
    assert entries[f"{PI}.max_latency_ms"]["value"] == 20
    assert entries[f"{PI}.max_latency_ms"]["note"] == "estimate: 10 to 20"
    assert entries[f"{PI}.memory_mib"]["limit"] == 4096
    slow = on_pi(costing(10), max_latency_ms=19)
    assert slow["failing_constraint"]["name"] == f"{PI}.max_latency_ms"
    assert slow["would_have_to_give"] == [f"{PI}.max_latency_ms: 19 ms would have to become 20 ms"]
    assert on_pi(costing(10), max_latency_ms=39, threads=1)["chosen"] is None
    assert on_pi(costing(10), max_latency_ms=40, threads=1)["chosen"]


def test_a_limit_on_a_device_decides_between_variants():
    content = on_pi(costing(1, memory=100), max_memory_mib=60)
    assert content["chosen"]["variant"].endswith("int8_cpu")
    other = by_variant(content, "convnet/fp16")
    assert f"{PI}.max_memory_mib: 100, the limit is 60" in other["cons"]
    assert content["constraints"][f"{PI}.max_memory_mib"] == 60


@pytest.mark.parametrize(
    ("rows", "name", "why"),
    [
        (costing(1, memory=5000), "memory_mib", "needs more than it has"),
        (costing(1, latency_ms=None, latency_error="a tree"), "max_latency_ms", "a tree"),
        ([], "memory_mib", "no ONNX graph, so nothing is known of it"),
    ],
)
def test_what_a_device_cannot_do_or_nobody_knows_is_not_recommended(rows, name, why):
    content = on_pi(rows, max_latency_ms=20)
    assert content["chosen"] is None
    assert f"{PI}.{name}: {why}" in content["would_have_to_give"]


@pytest.mark.parametrize(
    ("devices", "why"),
    [
        ({"raspberry_pi_6": {}}, "raspberry_pi_6"),
        ({"this_machine": {"max_latency_ms": 3}}, "its limit is max_latency_p99_ms"),
    ],
)
def test_limits_on_devices_that_have_none_are_refused(devices, why):
    with pytest.raises(ValueError, match=why):
        Params(on_devices=devices)
