"""The app and the report in a real browser: everything appears, nothing leaves the machine."""

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from gaitmb.report import render_report

ROOT = Path(__file__).resolve().parents[2]
CHROMIUM = "/usr/bin/chromium"
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not shutil.which(CHROMIUM), reason="chromium is not installed at /usr/bin/chromium"
    ),
]


@pytest.fixture
def browser():
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with playwright.sync_playwright() as driver:
        # Launched without a profile of its own: playwright makes an empty one and removes it.
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def page(browser):
    """A page that remembers its errors and every address outside this machine that it asked for."""
    page = browser.new_page(viewport={"width": 1400, "height": 1400})
    page.errors, page.abroad = [], []
    page.on("console", lambda m: page.errors.append(m.text) if m.type == "error" else None)
    page.on("pageerror", lambda error: page.errors.append(str(error)))

    def asked(request):
        if not request.url.startswith(("http://127.0.0.1:", "file:", "data:", "blob:")):
            page.abroad.append(request.url)

    page.on("request", asked)
    return page


@pytest.fixture
def server(tmp_path, ordinal_results):
    """The app's address, with the results of a synthetic cohort."""
    ordinal_results.write(tmp_path / "results" / "example")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "streamlit", "run", "apps/review.py"]
    command += ["--server.port", str(port), "--server.fileWatcherType", "none"]
    command += ["--", "--results", str(tmp_path / "results")]
    log = tmp_path / "streamlit.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        try:
            _wait_until_healthy(port, process, log)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            try:
                process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(timeout=10)


def _wait_until_healthy(port, process, log):
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if process.poll() is not None:
            pytest.fail(f"streamlit ended early: {log.read_text('utf-8')}")
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/_stcore/health", timeout=2):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
    pytest.fail("streamlit did not answer within 60 s")


def test_a_reader_gets_from_the_list_of_walks_to_one_walk_and_the_evaluation(server, page, tmp_path):
    page.set_default_timeout(60_000)
    page.goto(server)
    page.get_by_role("heading", name="Walks", exact=True).wait_for()
    page.get_by_text("SYNTHETIC COHORT").wait_for()
    page.get_by_text("UNTRAINED ENCODER").wait_for()
    table = page.get_by_test_id("stDataFrame").first
    table.locator("canvas").first.wait_for()
    page.wait_for_timeout(500)
    # The box before the third row: the table is a picture, so it is found by its place.
    table.click(position={"x": 16, "y": 36 + 2.5 * 35})

    page.get_by_role("heading", name="Walk", exact=True).wait_for()
    page.get_by_text("OFF", exact=True).or_(page.get_by_text("ON", exact=True)).first.wait_for()
    shown = page.get_by_test_id("stMetricValue").all_inner_texts()
    assert [shown[0], shown[1], shown[3]] == ["0", "1", "ON"]
    page.locator(".js-plotly-plot").nth(2).wait_for()
    page.get_by_text("Joints in space").wait_for()
    page.get_by_text("Play").first.click()
    page.wait_for_timeout(1000)
    page.screenshot(path=tmp_path / "walk.png", full_page=True)

    page.get_by_role("link", name="Evaluation").click()
    page.get_by_role("heading", name="Evaluation", exact=True).wait_for()
    page.get_by_text("Metrics with their 95 % intervals").wait_for()
    page.screenshot(path=tmp_path / "evaluation.png", full_page=True)

    assert page.get_by_text("Research use only").count() >= 1
    assert page.errors == []
    assert page.abroad == []
    assert (tmp_path / "walk.png").stat().st_size > 20_000


def test_the_report_draws_itself_without_any_address(page, tmp_path, ordinal_results):
    path = tmp_path / "report.html"
    path.write_text(
        render_report(ordinal_results.evaluation, ordinal_results.predictions, ordinal_results.failures),
        "utf-8",
    )
    page.goto(path.as_uri())
    page.get_by_role("heading", name="Result").wait_for()
    page.locator("#figure-against .scatterlayer").wait_for()
    assert page.locator(".js-plotly-plot").count() == 6
    width = page.evaluate("document.documentElement.scrollWidth")
    assert width <= 1400
    assert page.errors == []
    assert page.abroad == []
