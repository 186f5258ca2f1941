"""The report: its facts, page, tables, comparisons and summary."""

import copy
import json
import re
import time
from html.parser import HTMLParser

import polars as pl
import pytest

from tasks.report import changes, drawing, figures, page, summary, tables, words
from tasks.report.params import Params
from tasks.report.task import report
from tests import samples

FILES = {
    "report.html",
    "report.json",
    "leaderboard.csv",
    "variants.csv",
    "benchmark.csv",
    "metrics",
}


class Page(HTMLParser):
    """What a browser would load or run, and the visible tables' captions."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict]] = []
        self.captions: list[str] = []
        self.in_caption = False
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag == "caption":
            self.in_caption = True
            self.captions.append("")

    def handle_endtag(self, tag):
        if tag == "caption":
            self.in_caption = False

    def handle_data(self, data):
        if self.in_caption:
            self.captions[-1] += data


@pytest.fixture(scope="session")
def parsed(made):
    text = made.file("report.html").read_text()
    return Page(re.sub(r"<script>.*?</script>", "<script></script>", text, flags=re.DOTALL))


def test_all_files_are_there_and_the_same_bytes_again(made, sources):
    assert made.name == "report"
    assert {p.name for p in made.path.iterdir()} == FILES
    started = time.monotonic()
    assert report.fn(sources[::-1], "digits", Params()) == made
    assert time.monotonic() - started < 10  # 0.25 s on a quiet machine


def test_the_json_has_no_path_and_no_time(made, tmp_path):
    text = made.file("report.json").read_text()
    assert "/tmp" not in text
    assert "home" not in json.loads(text)


def test_the_facts(content):
    assert content["judged"] == "test"
    assert content["rows_judged"] == 360
    assert content["data"]["source"]["rows"] == 1800
    assert content["data"]["quarantine"]["cells"] == 3
    assert len(content["models"]) == 7
    assert len(content["variants"]) == 28
    assert content["models"]["convnet"]["gpu"]["memory_mib_peak"] == 903
    assert len(content["models"]["xg_boost"]["importances"]) == 15
    image = content["models"]["xg_boost"]["importance_map"]
    assert (len(image), len(image[0])) == (8, 8)
    latency = content["benchmark"]["latencies"][0]
    assert latency["q1"] <= latency["q25"] <= latency["q50"] <= latency["q99"]
    assert content["recommendation"]["chosen"]["variant"] == "mlp/int8_cpu"


def test_every_table_states_the_judged_part(parsed):
    assert len(parsed.captions) == sum(tag == "table" for tag, _ in parsed.tags) >= 10
    assert all("judged on test (360 rows)" in caption for caption in parsed.captions)


def test_the_page_loads_nothing_from_elsewhere(parsed):
    for tag, attributes in parsed.tags:
        address = attributes.get("src") or attributes.get("href") or "#"
        assert address.startswith(("#", "data:")), (tag, attributes)
    assert sum(tag == "script" for tag, _ in parsed.tags) == 3
    (policy,) = (a["content"] for t, a in parsed.tags if a.get("http-equiv"))
    assert policy.startswith("default-src 'none'; script-src 'sha256-")
    assert policy.count("sha256-") == 2
    assert "connect-src" not in policy


def test_names_from_the_data_cannot_become_markup(made):
    text = made.file("report.html").read_text()
    assert "<script>alert" not in text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text
    assert "</script><b>" not in text
    assert text.count("<script") == 3 + 0


def test_what_stands_in_a_script_cannot_end_it():
    assert "</" not in page.in_script({"a": "</script><!--"})
    assert json.loads(page.in_script({"a": "</x>\u2028"})) == {"a": "</x>\u2028"}


def test_charts_escape_names(content):
    content["leaderboard"]["models"][0]["name"] = "<b>x</b>"
    chart = json.dumps(figures.leaderboard(content["leaderboard"]))
    assert "<b>x" not in chart
    assert "&lt;b&gt;x" in chart


@pytest.mark.parametrize("kept", [0, 1, 3, 4, 12, 20])
def test_a_run_that_stopped_early_still_has_a_report(sources, kept):
    made = report.fn(sources[:kept], "digits", Params())
    assert "stopped before a recommendation" in made.file("report.html").read_text()
    assert pl.read_csv(made.file("variants.csv")).columns[0] == "model"


def test_nothing_fits_is_what_the_page_says(sources):
    made = report.fn(samples.whole_run(max_size_kib=3, min_metric=0.98), "digits", Params())
    text = made.file("report.html").read_text()
    assert text.count("Nothing meets every limit") == 1
    assert "would have to become" in text


def test_measured_figures_stand_beside_estimates(content):
    estimate = {"variant": "mlp/fp32", "device": "raspberry_pi_5", "kind": "estimate"}
    estimate |= {"basis": "CNNs", "latency_ms": {"1": [8.0, 9.0], "4": [2.0, 4.0]}}
    estimate |= {"latency_error": None, "naive_ms": 1.0, "memory_error": None}
    estimate |= {"peak_memory_mib": 3.0, "memory_is_least": False, "energy_mj": [6.0, 50.0]}
    figures = {"p50_ms": 2.5, "p99_ms": None, "samples": 321}
    own = {
        "by_threads": {"4": figures},
        "base_rss_mib": 40.0,
        "peak_rss_mib": 52.5,
        "note": "<hot>",
    }
    measured = estimate | {"kind": "measured", "basis": "measured on a board", "measured": own}
    measured |= {"latency_ms": {"4": [2.4, 2.75]}, "estimated_ms": estimate["latency_ms"]}
    short = measured | {"latency_ms": None, "memory_error": "killed", "energy_mj": None}
    short |= {"latency_error": "failed on the device: killed"}
    content["recommendation"]["devices"] = [estimate, measured, short]
    text = " ".join(re.sub("<[^>]+>", " ", page.render(content)).split())
    assert "2 ms to 4 ms" in text
    assert "2.5 ms 2.4 ms to 2.75 ms; p99 insufficient; 321 calls; estimated 2 ms to 4 ms" in text
    assert "52.5 MiB 40.0 without the graph" in text
    assert "measured on a board; &lt;hot&gt;" in text
    assert "failed on the device: killed" in text


def test_the_tables_for_other_programs(made):
    board = pl.read_csv(made.file("leaderboard.csv"))
    assert board["name"].to_list()[0] == "convnet"
    assert set(board["judged"]) == {"test"}
    variants = pl.read_csv(made.file("variants.csv"))
    assert len(variants) == 28
    assert variants.filter(pl.col("status") != "ok")["reason"].null_count() == 0
    benchmark = pl.read_csv(made.file("benchmark.csv"))
    assert set(benchmark["status"]) == {"ok", "unavailable", "unsupported"}
    ok = benchmark.filter(pl.col("status") == "ok")
    assert ok["metric_accuracy"].null_count() == 0


def test_a_column_of_numbers_and_words_is_text():
    content = {
        "judged": "test",
        "benchmark": {"rows": [{"p99_ms": 1.5}, {"p99_ms": "insufficient"}]},
    }
    assert tables.benchmark(content)["p99_ms"].to_list() == ["1.5", "insufficient"]


def test_the_same_run_has_no_changes(content):
    assert changes.changes(content, copy.deepcopy(content)) == []


def test_a_report_of_another_format_is_not_compared(content):
    (item,) = changes.changes(content, {"format": 0})
    assert "another version of Temper" in item["text"]


def test_what_changed_in_words(content):
    old = copy.deepcopy(content)
    old["data"]["parts"]["train"] = 1400
    old["data"]["source"]["sha256"] = "0" * 64
    old["models"]["mlp"]["fit"]["params"]["learning_rate"] = 0.02
    old["models"]["lasso"] = old["models"].pop("linear")
    light = next(m for m in old["leaderboard"]["models"] if m["name"] == "light_gbm")
    light["metrics"]["accuracy"] = {"value": 0.9, "low": 0.89, "high": 0.91}
    mlp = next(m for m in old["leaderboard"]["models"] if m["name"] == "mlp")
    mlp["metrics"]["accuracy"]["value"] = 0.979
    old["leaderboard"]["group"] = ["convnet"]
    old["recommendation"]["chosen"] |= {"variant": "convnet/fp32", "size_kib": 207.0}
    old["recommendation"]["constraints"]["max_size_kib"] = 300
    old["benchmark"]["machine"]["libraries"]["onnxruntime"] = "1.30.0"
    items = changes.changes(content, old)
    texts = [f"{i['topic']}: {i['text']}" for i in items]
    assert "data: rows of train: 1,400 → 1,437" in texts
    assert "data: the raw data is another: its digest changed" in texts
    assert "models: new: linear" in texts
    assert "models: gone: lasso" in texts
    assert "parameters: mlp: learning_rate 0.02 → 0.01" in texts
    assert "metric: light_gbm: accuracy 0.9 → 0.975, better" in texts
    assert "metric: tied with the best: convnet and mlp; before: convnet" in texts
    assert (
        "recommendation: mlp/int8_cpu through onnx_runtime; "
        "before: convnet/fp32 through onnx_runtime" in texts
    )
    assert "parameters: recommend.max_size_kib: 300 → none" in texts
    minor = [i["text"] for i in items if i["weight"] == "minor"]
    assert minor == ["within the intervals: mlp 0.979 → 0.9806", "onnxruntime 1.30.0 → 1.31.1"]


@pytest.mark.parametrize("backwards", [False, True])
def test_a_recommendation_that_came_or_went(content, backwards):
    old = copy.deepcopy(content)
    old["recommendation"]["chosen"] = None
    pair = (old, content) if backwards else (content, old)
    (item,) = (i for i in changes.changes(*pair) if i["topic"] == "recommendation")
    assert ("nothing meets" in item["text"]) is backwards


def test_latencies_within_their_intervals_are_no_change(content):
    old = copy.deepcopy(content)
    old["recommendation"]["chosen"] |= {"p50_ms": 0.00362, "p50_low": 0.0035}
    assert changes.changes(content, old) == []
    old["recommendation"]["chosen"] |= {"p50_ms": 0.01, "p50_low": 0.009, "p50_high": 0.011}
    assert [i["topic"] for i in changes.changes(content, old)] == ["latency"]


def test_the_comparison_is_in_the_report(made, sources):
    again = report.fn(sources, "digits", Params(note="more"), made, made)
    content = json.loads(again.file("report.json").read_text())
    assert content["changes"] == {"last run": [], "champion": []}


def test_the_summary_says_what_counts(content):
    text = summary.text(content, {"report": "models/digits/report.html"})
    assert "digits: judged on test (360 rows)" in text
    assert re.search(r"1 +convnet +0\.9889 +\[0\.9781, 0\.9997\] +0\.9861 ± 0\.006", text)
    assert "Recommended: mlp/int8_cpu through onnx_runtime: accuracy 0.9778" in text
    assert "First run of this workload" in text
    assert "version: models:/digits/1 (candidate and champion)" in text
    assert "report: models/digits/report.html" in text


def test_the_summary_in_colour_says_the_same(content):
    from rich.console import Console

    content["title"] = "[red]x[/red]"  # markup in data is text
    content["changes"] = {"last run": [{"topic": "data", "text": "[b]y", "weight": "major"}]}
    console = Console(width=200, file=None, record=True, quiet=False, force_terminal=False)
    with console.capture() as captured:
        console.print(*summary.summary(content, {"report": "r.html"}), sep="\n")
    shown = captured.get()
    assert "Recommended: mlp/int8_cpu" in shown
    assert "data: [b]y" in shown
    assert "r.html" in shown


def test_a_summary_where_nothing_fits(content):
    content["recommendation"] |= {"chosen": None, "why": ["max_drop fails."]}
    assert "Nothing meets every limit.\n  max_drop fails." in summary.text(content)
    content["recommendation"] = {}
    assert "stopped before" in summary.text(content)


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        (words.number(None), "\u2013"),
        (words.number(1437), "1,437"),
        (words.number(0.98061), "0.9806"),
        (words.number(12345.6), "12,346"),
        (words.number(float("inf")), "\u2013"),
        (words.metric(0.975), "0.9750"),
        (words.metric(4.5), "4.500"),
        (words.ms(0.0036), "3.6 µs"),
        (words.ms("insufficient"), "insufficient"),
        (words.ms(1500), "1.5 s"),
        (words.seconds(300), "5 min"),
        (words.size(900), "900 B"),
        (words.size(2_000_000), "1.91 MiB"),
        (words.p_value(0.0001), "< 0.001"),
        (words.names(["a", "b", "c"]), "a, b and c"),
        (words.percent(1.6), "160 %"),
        (words.percent(-1e-6), "0 %"),
        (words.percent(0.0028), "0.28 %"),
        (words.signed(-0.5), "\u22120.5"),
    ],
)
def test_numbers_as_people_read_them(shown, expected):
    assert shown == expected


def test_a_logarithmic_axis_has_ticks_however_narrow():
    for values in ([2.8, 2.96], [0.0036], [1.0, 9.0], [1, 1e6], [0.01, 40]):
        axis = drawing.log_axis(values)
        assert 2 <= len(axis["tickvals"]) <= 9, values
        assert len(set(axis["ticktext"])) == len(axis["ticktext"])


def test_a_value_far_off_does_not_press_the_others_together():
    near, beyond = drawing.near_the_best({"a": 0.99, "b": 0.98, "c": 0.97, "baseline": 0.1}, True)
    assert (near, beyond) == (["a", "b", "c"], ["baseline"])
    near, beyond = drawing.near_the_best({"a": 0.4, "b": 0.7}, False)
    assert beyond == []
