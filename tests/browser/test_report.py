"""The report in a real browser: drawn, without an error, from a file and without a network."""

import pytest

from tasks.report.facts import facts
from tasks.report.page import render
from tasks.report.params import Params
from tests import samples
from tests.browser.waiting import wait
from tests.unit.report.test_series import rooms


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    from tasks.report.task import report

    with pytest.MonkeyPatch.context() as patch:
        samples.home(patch, tmp_path_factory.mktemp("home"))
        made = report.fn(samples.whole_run(), "digits", Params())
        yield made.file("report.html").as_uri()


@pytest.fixture
def opened(browser, address):
    browser.get("about:blank")
    browser.get_log("browser")
    browser.get_log("performance")
    browser.get(address)
    wait(browser, "return document.documentElement.dataset.ready === '1'")
    return browser


def drawn(browser, selector=".chart"):
    return browser.execute_script(
        "return [...document.querySelectorAll(arguments[0])].filter(c => c.offsetParent)"
        ".map(c => c.querySelectorAll('svg .trace, svg .hm, svg .heatmaplayer image').length)",
        selector,
    )


def test_the_simple_view_is_drawn_without_a_word_in_the_console(opened):
    counts = drawn(opened)
    assert len(counts) == 2
    assert all(counts)
    assert opened.get_log("browser") == []


def test_nothing_is_fetched(opened):
    import json

    sent = [
        message["params"]["request"]["url"]
        for entry in opened.get_log("performance")
        if (message := json.loads(entry["message"])["message"])["method"]
        == "Network.requestWillBeSent"
    ]
    assert [url for url in sent if not url.startswith(("file:", "data:", "blob:"))] == []


def test_the_keyboard_switches_to_the_technical_view(opened):
    from selenium.webdriver.common.keys import Keys

    assert not opened.find_element("id", "provenance").is_displayed()
    opened.find_element("id", "view-simple").send_keys(Keys.ARROW_RIGHT)
    assert opened.find_element("id", "provenance").is_displayed()
    counts = drawn(opened)
    assert len(counts) >= 10
    assert all(counts)
    assert opened.current_url.endswith("#technical")
    opened.find_element("css selector", "label[for=view-simple]").click()
    assert not opened.find_element("id", "provenance").is_displayed()
    assert opened.get_log("browser") == []


def test_a_link_into_the_technical_view_opens_it(opened, address):
    opened.get("about:blank")
    opened.get(f"{address}#compression")
    wait(opened, "return document.documentElement.dataset.ready === '1'")
    assert opened.find_element("id", "compression").is_displayed()


def test_light_and_dark(opened):
    background = "return getComputedStyle(document.body).backgroundColor"
    before = opened.execute_script(background)
    opened.find_element("css selector", "button.theme").click()
    assert opened.execute_script(background) != before
    assert all(drawn(opened))
    assert opened.get_log("browser") == []


def test_scripts_in_the_data_do_not_run(opened):
    """The policy stands even where the escaping would fail."""
    opened.execute_script(
        "const s = document.createElement('script'); s.textContent = 'window.injected = 1';"
        "document.body.append(s)"
    )
    assert opened.execute_script("return window.injected === undefined")


def test_it_prints_light_and_fits_a_phone(opened):
    pdf = opened.execute_cdp_cmd("Page.printToPDF", {"printBackground": True})
    assert len(pdf["data"]) > 50_000
    metrics = {"width": 390, "height": 800, "deviceScaleFactor": 1, "mobile": True}
    opened.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    wait(opened, "return document.documentElement.scrollWidth <= 391")
    opened.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_series_of_a_regression_are_drawn_in_the_simple_view(browser, tmp_path, temper_home):
    page = tmp_path / "rooms.html"
    page.write_text(render(facts([*rooms().values()], "rooms", Params()) | {"changes": {}}))
    browser.get("about:blank")
    browser.get_log("browser")
    browser.get(page.as_uri())
    wait(browser, "return document.documentElement.dataset.ready === '1'")
    counts = drawn(browser, "#series .chart")
    assert len(counts) == 2
    assert all(counts)
    assert browser.get_log("browser") == []
