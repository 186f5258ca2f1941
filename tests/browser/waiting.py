"""Waits for a page."""

import time


def wait(browser, question, limit_s=20):
    deadline = time.monotonic() + limit_s
    while not browser.execute_script(question):
        assert time.monotonic() < deadline, question
        time.sleep(0.05)
