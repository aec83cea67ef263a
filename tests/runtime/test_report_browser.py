"""The page of a report in headless Chromium: it loads without an error, shows the JSON's numbers, zooms and sorts."""

import json
import shutil
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from report_testing import language_model_report

from dfc.runtime.report import Report

BROWSERS = ("chromium", "chromium-browser", "google-chrome")


@pytest.fixture(scope="module")
def report() -> Report:
    """Two kernels, a prompt and three steps."""
    return language_model_report()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Headless Chromium: the machine's, else Playwright's own."""
    api = pytest.importorskip(
        "playwright.sync_api", reason="Playwright is not installed"
    )
    with api.sync_playwright() as playwright:
        path = next(filter(None, map(shutil.which, BROWSERS)), None)
        try:
            made = playwright.chromium.launch(
                executable_path=path, args=["--no-sandbox"]
            )
        except api.Error as error:
            pytest.skip(f"no headless Chromium: {str(error).splitlines()[0]}")
        yield made
        made.close()


@pytest.fixture(scope="module")
def file(report: Report, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page on disk."""
    path = tmp_path_factory.mktemp("page") / "report.html"
    report.save(path)
    return path


@pytest.fixture(params=["light", "dark", "phone"])
def page(request: pytest.FixtureRequest, browser: Any, file: Path) -> Iterator[Any]:
    """The loaded page; an error of its script, or a request for anything, fails the test."""
    phone = request.param == "phone"
    made = browser.new_page(
        color_scheme="light" if phone else request.param,
        viewport={"width": 390 if phone else 1200, "height": 800},
    )
    wrong: list[str] = []
    made.on("pageerror", lambda error: wrong.append(str(error)))
    made.on("console", lambda message: wrong.append(message.text))
    made.on("request", lambda asked: wrong.append(asked.url))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        made.goto(file.as_uri())
        made.wait_for_function("document.getElementById('lanes').dataset.drawn > 0")
        yield made
        made.close()
    assert wrong == [file.as_uri()]


def values(page: Any, selector: str) -> dict[str, float]:
    """What elements say they show, by name."""
    return page.eval_on_selector_all(
        selector,
        "all => Object.fromEntries(all.map(e => [e.dataset.name, +e.dataset.value]))",
    )


def test_figures_and_shares_are_those_of_the_json(page: Any, report: Report):
    found = json.loads(report.to_json())
    shown = values(page, "#figures .tile")
    assert shown["latency"] == found["latency_s"]
    assert shown["cycles"] == found["cycles"]
    assert shown["energy"] == found["energy_j"]
    assert shown["time to first token"] == found["ttft_s"]
    assert values(page, "#parts .share") == {
        k: n for k, n in found["parts"].items() if n
    }
    energy = values(page, "#energy .share")
    assert energy == {k: n for k, n in found["energy_parts_j"].items() if n}
    assert sum(energy.values()) == pytest.approx(found["energy_j"])


def test_bars_are_as_long_as_their_share(page: Any, report: Report):
    for name, cycles in report.parts.items():
        row = page.locator(f'#parts .share[data-name="{name}"]')
        if row.is_visible():
            whole = row.locator(".track").bounding_box()["width"]
            part = row.locator(".track div").bounding_box()["width"]
            assert part == pytest.approx(
                max(1, whole * cycles / report.cycles), abs=1.5
            )


def test_the_roofline_has_every_kernel_that_computes_where_it_belongs(
    page: Any, report: Report
):
    tier = page.locator("#roof-tier").input_value()
    circles = page.eval_on_selector_all(
        "#roof circle",
        "all => all.map(c => [c.dataset.kernel, +c.dataset.x, +c.dataset.y, +c.getAttribute('cx'), +c.getAttribute('cy')])",
    )
    rows = {row.name: row for row in report.kernels if row.operations}
    assert {name for name, *_ in circles} == set(rows)
    tick = report.latency_s / report.cycles
    for name, x, y, cx, cy in circles:
        row, moved = rows[name], rows[name].tiers[tier]
        cycles = max(row.cycles, *row.busy_cycles.values())
        assert x == pytest.approx(
            row.operations / (moved.read_bytes + moved.written_bytes)
        )
        assert y == pytest.approx(row.operations / (cycles * tick))
        assert cx > 0
        assert cy > 0
    roofs = page.eval_on_selector_all(
        "#roof .roof",
        "all => Object.fromEntries(all.map(r => [r.dataset.roof, +r.dataset.value]))",
    )
    assert roofs["attention"] == next(
        row.peak_operations_per_s for row in report.units if row.name == "attention"
    )
    assert roofs[tier] == next(r.bytes_per_s for r in report.tiers if r.name == tier)


def test_words_of_the_roofline_are_as_large_on_a_phone(page: Any):
    drawn, wide = page.evaluate(
        """() => {
          const svg = document.querySelector("#roof svg");
          return [svg.viewBox.baseVal.width, svg.getBoundingClientRect().width];
        }"""
    )
    assert drawn == pytest.approx(wide, abs=1)


def test_the_page_says_which_kernels_stand_above_the_roof_of_a_memory(
    browser: Any, report: Report, tmp_path: Path
):
    page = browser.new_page()
    slow = tuple(row.model_copy(update={"bytes_per_s": 1.0}) for row in report.tiers)
    for name, shown in (
        ("under", report),
        ("above", report.model_copy(update={"tiers": slow})),
    ):
        shown.save(tmp_path / f"{name}.html")
        page.goto((tmp_path / f"{name}.html").as_uri())
        page.wait_for_selector("#roof circle")
        words = page.locator("#roof-note").inner_text()
        assert ("above the memory's roof" in words) == (name == "above")
    page.close()


def test_tables_show_the_rows_and_sort(page: Any, report: Report):
    def column(at: int) -> list[str]:
        return page.locator(f"#kernels tbody tr td:nth-child({at})").all_inner_texts()

    assert column(1) == [row.name for row in report.kernels]
    assert column(4) == [f"{row.cycles:,}" for row in report.kernels]
    head = page.locator("#kernels th").nth(3)
    for order, down in (("descending", True), ("ascending", False)):
        head.locator("button").click()
        assert head.get_attribute("aria-sort") == order
        cycles = sorted((row.cycles for row in report.kernels), reverse=down)
        assert column(4) == [f"{n:,}" for n in cycles]
    page.locator("#kernels th button").first.click()
    assert column(1) == sorted((row.name for row in report.kernels), reverse=True)


def view(page: Any) -> tuple[float, float]:
    """The ticks between which the time line is shown, once it is drawn."""
    page.evaluate(
        "new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))"
    )
    found = page.eval_on_selector(
        "#lanes", "lanes => [+lanes.dataset.from, +lanes.dataset.to]"
    )
    return found[0], found[1]


def test_the_time_line_zooms_and_moves(page: Any, report: Report):
    assert view(page) == (0, report.cycles)
    page.locator('[data-zoom="in"]').click()
    assert view(page) == (report.cycles / 4, report.cycles * 3 / 4)
    page.locator("#lanes").focus()
    page.keyboard.press("ArrowRight")
    assert view(page)[0] == pytest.approx(report.cycles * (1 / 4 + 1 / 10))
    box = page.locator("#lanes").bounding_box()
    page.mouse.move(box["x"] + box["width"] * 0.7, box["y"] + 40)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.8, box["y"] + 40)
    page.mouse.up()
    assert view(page)[0] < report.cycles * (1 / 4 + 1 / 10)
    page.locator('[data-zoom="fit"]').click()
    assert view(page) == (0, report.cycles)


def test_pointing_at_a_bar_reads_it(page: Any, report: Report):
    units = page.evaluate("timeline.resources")
    at = units.index("unit.attention")
    span = next(s for s in report.recording.spans if s.resource == "unit.attention")
    x, y = page.evaluate(
        f"[toX({(span.start + span.end) / 2}), AXIS + CALLS + ({at} + 0.5) * LANE]"
    )
    page.locator("#lanes").hover(position={"x": x, "y": y})
    words = page.locator("#span").inner_text()
    assert "attend" in words
    assert f"{span.end - span.start:,} cycles" in words


def test_bars_have_the_color_of_their_kernel(page: Any, report: Report):
    span = next(s for s in report.recording.spans if s.resource == "unit.attention")
    found, wanted = page.evaluate(
        f"""() => {{
          const y = AXIS + CALLS + (timeline.resources.indexOf("unit.attention") + 0.5) * LANE;
          const pixel = canvas.getContext("2d").getImageData(toX({(span.start + span.end) / 2}) * devicePixelRatio, y * devicePixelRatio, 1, 1).data;
          const name = getComputedStyle(document.documentElement).getPropertyValue(kernelHue("attend"));
          return ["#" + [...pixel.slice(0, 3)].map(n => n.toString(16).padStart(2, "0")).join(""), name.trim()];
        }}"""
    )
    assert found == wanted


def test_nothing_is_wider_than_the_screen(page: Any):
    wide, screen = page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
    assert wide <= screen


def test_light_and_dark_change_places(page: Any):
    def ink() -> str:
        return page.evaluate("getComputedStyle(document.body).color")

    before = ink()
    page.locator("#theme").click()
    assert ink() != before


def test_a_mean_over_fall_backs_says_which_way_the_time_line_is_of(
    browser: Any, report: Report, tmp_path: Path
):
    mean = report.model_copy(update={"cycles": report.cycles + 1})
    page = browser.new_page()
    for name, shown in (("mean", mean), ("exact", report)):
        shown.save(tmp_path / f"{name}.html")
        page.goto((tmp_path / f"{name}.html").as_uri())
        page.wait_for_function("document.getElementById('lanes').dataset.drawn > 0")
        words = page.locator("#range").inner_text()
        assert ("without fall-backs" in words) == (name == "mean")
    page.close()
