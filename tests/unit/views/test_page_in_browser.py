"""Pages in a real browser: they render, fetch nothing, run nothing, and can be read by anybody.

Chromium is driven through a pipe and reads files; it needs no network, and gets none.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Dialog, Page, sync_playwright
from view_nouns import list_plan, plan
from view_pages import (
    DRIFT,
    HOSTILE_DRIFT,
    HOSTILE_PLAN,
    HOSTILE_RECEIPT,
    LETTING_GO,
    PLAN,
    RECEIPT,
)
from view_reports import HOSTILE_REPORT, REPORT

from foreign import program
from reconciler.views import html

pytestmark = pytest.mark.tools

PAGES = {
    "plan": html.plan(PLAN),
    "receipt": html.receipt(RECEIPT, made=PLAN),
    "drift": html.drift(DRIFT),
    "report": html.report(REPORT),
    "hostile-plan": html.plan(HOSTILE_PLAN),
    "hostile-receipt": html.receipt(HOSTILE_RECEIPT, made=HOSTILE_PLAN),
    "hostile-drift": html.drift(HOSTILE_DRIFT),
    "hostile-report": html.report(HOSTILE_REPORT),
}
ORDINARY = ("plan", "receipt", "drift", "report")
QUIET = ("--no-sandbox", "--disable-gpu", "--disable-background-networking")

OPEN_ALL = "() => document.querySelectorAll('details').forEach(each => { each.open = true; })"
OVERFLOW = "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"
RUNNING = """() => ({
    scripts: document.scripts.length,
    images: document.images.length,
    handlers: [...document.querySelectorAll('*')].flatMap(each => [...each.attributes])
        .filter(each => each.name.startsWith('on')).length,
    owned: document.title === 'owned',
})"""
FAINT = """() => {
    const canvas = document.createElement('canvas');
    canvas.width = canvas.height = 1;
    const paint = canvas.getContext('2d', {willReadFrequently: true});
    const parse = text => {
        paint.clearRect(0, 0, 1, 1);
        paint.fillStyle = text;
        paint.fillRect(0, 0, 1, 1);
        return [...paint.getImageData(0, 0, 1, 1).data];
    };
    const light = ([r, g, b]) => {
        const [x, y, z] = [r, g, b].map(each => each / 255)
            .map(each => each <= 0.04045 ? each / 12.92 : ((each + 0.055) / 1.055) ** 2.4);
        return 0.2126 * x + 0.7152 * y + 0.0722 * z;
    };
    const ground = element => {
        for (let each = element; each; each = each.parentElement) {
            const colour = parse(getComputedStyle(each).backgroundColor);
            if (colour[3] === 255) return colour;
        }
        return [255, 255, 255, 255];
    };
    const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    const told = {looked: 0, faint: [], ground: getComputedStyle(document.body).backgroundColor};
    while (texts.nextNode()) {
        const element = texts.currentNode.parentElement;
        if (!texts.currentNode.data.trim() || !element.checkVisibility()) continue;
        if (element.closest('title, desc, style')) continue;
        const style = getComputedStyle(element);
        const ink = parse(element.closest('svg') ? style.fill : style.color);
        const [a, b] = [light(ink), light(ground(element))];
        const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
        told.looked += 1;
        if (ratio < 4.5) told.faint.push([texts.currentNode.data.slice(0, 40), ratio]);
    }
    return told;
}"""
HIDDEN = """() => [...document.querySelectorAll('details > :not(summary)')]
    .filter(each => !each.checkVisibility()).length"""


@dataclass
class Seen:
    """An open page, and all that it did or tried to do."""

    page: Page
    requests: list[str] = field(default_factory=list)
    said: list[str] = field(default_factory=list)

    def dismiss(self, dialog: Dialog) -> None:
        """Note a dialog, and do not wait for anybody to close it."""
        self.said.append(dialog.message)
        dialog.dismiss()


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """Start the machine's Chromium once for all pages."""
    found = program("chromium", "chromium-browser", "google-chrome")
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=found, args=[*QUIET])
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write every page to a file, as ``--write html=FILE`` does."""
    folder = tmp_path_factory.mktemp("pages")
    for name, text in PAGES.items():
        (folder / f"{name}.html").write_text(text, encoding="utf-8")
    return folder


def opened(browser: Browser, path: Path, *, width: int = 1_200, scripts: bool = True) -> Seen:
    """Open a file in a window of its own, and note what it asks for and says."""
    context = browser.new_context(
        viewport={"width": width, "height": 900},
        color_scheme="light",
        java_script_enabled=scripts,
    )
    seen = Seen(page=context.new_page())
    seen.page.on("request", lambda request: seen.requests.append(request.url))
    seen.page.on("console", lambda message: seen.said.append(message.text))
    seen.page.on("pageerror", lambda error: seen.said.append(str(error)))
    seen.page.on("dialog", seen.dismiss)
    seen.page.goto(path.as_uri(), wait_until="load")
    return seen


@pytest.mark.parametrize("name", PAGES)
def test_nothing_runs_and_nothing_is_fetched(chromium: Browser, files: Path, name: str) -> None:
    """The page itself is all that is asked for, and hostile names are text."""
    path = files / f"{name}.html"

    seen = opened(chromium, path)

    seen.page.evaluate(OPEN_ALL)
    running = seen.page.evaluate(RUNNING)
    asked = [url for url in seen.requests if not url.startswith("data:")]
    assert {"scripts": 0, "images": 0, "handlers": 0, "owned": False} == running
    assert [path.as_uri()] == asked
    assert [] == seen.said
    seen.page.context.close()


def test_the_page_itself_forbids_scripts_and_requests(chromium: Browser, files: Path) -> None:
    """Were anything to slip in, the browser would not run it and not ask for it."""
    path = files / "slipped.html"
    slipped = "<script>alert(1)</script><img src='https://example.com/x.png'>"
    path.write_text(PAGES["plan"].replace("<footer>", f"<footer>{slipped}"), encoding="utf-8")

    seen = opened(chromium, path)

    refused = [text for text in seen.said if "Content Security Policy" in text]
    assert len(refused) == len(seen.said) == 2
    seen.page.context.close()


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_never_wider_than_the_window(chromium: Browser, files: Path, name: str) -> None:
    """Folded or not, however long a name is; wide tables scroll in a box of their own."""
    seen = opened(chromium, files / f"{name}.html", width=360)

    over = [seen.page.evaluate(OVERFLOW)]
    seen.page.evaluate(OPEN_ALL)
    over.append(seen.page.evaluate(OVERFLOW))
    seen.page.set_viewport_size({"width": 1_200, "height": 900})
    over.append(seen.page.evaluate(OVERFLOW))

    assert [0, 0, 0] == over
    seen.page.context.close()


@pytest.mark.parametrize("name", ORDINARY)
def test_every_text_stands_out_from_its_ground(chromium: Browser, files: Path, name: str) -> None:
    """By 4.5 to 1 at least, in the light and in the dark, which readers choose."""
    seen = opened(chromium, files / f"{name}.html")
    seen.page.evaluate(OPEN_ALL)

    light = seen.page.evaluate(FAINT)
    seen.page.emulate_media(color_scheme="dark")
    dark = seen.page.evaluate(FAINT)

    assert [] == light["faint"] + dark["faint"]
    assert 100 < light["looked"] == dark["looked"]
    assert light["ground"] != dark["ground"]
    seen.page.context.close()


def test_a_keyboard_reaches_and_opens_everything(chromium: Browser, files: Path) -> None:
    """The way past the head comes first; what is folded opens with Enter; the focus is seen."""
    seen = opened(chromium, files / "plan.html")
    page = seen.page
    summaries = page.locator("summary").count()

    reached: list[str] = []
    outlines: set[str] = set()
    for _ in range(40):
        page.keyboard.press("Tab")
        tag, outline = page.evaluate(
            "() => [document.activeElement.tagName,"
            " getComputedStyle(document.activeElement).outlineStyle]"
        )
        if tag == "BODY":
            break
        reached.append(tag)
        outlines.add(outline)

    page.locator("details.list > summary").first.focus()
    page.keyboard.press("Enter")
    assert "A" == reached[0]
    assert summaries == reached.count("SUMMARY") > 3
    assert {"solid"} == outlines
    assert page.locator("details.list").first.evaluate("each => each.open")
    page.context.close()


def test_what_is_folded_is_printed(chromium: Browser, files: Path) -> None:
    """Paper cannot be clicked."""
    seen = opened(chromium, files / "plan.html")
    folded = seen.page.evaluate(HIDDEN)

    seen.page.emulate_media(media="print")
    names = seen.page.locator("details.list h3").all()
    widths = [box["width"] for box in (name.bounding_box() for name in names) if box]

    assert folded > 0
    assert 0 == seen.page.evaluate(HIDDEN)
    assert len(names) == len(widths)
    assert min(widths) > 100
    seen.page.context.close()


def test_a_picture_has_a_name_and_says_its_figures(chromium: Browser, files: Path) -> None:
    """To those who hear the page, and to those whose window is too narrow for columns."""
    wide, narrow = (
        opened(chromium, files / "plan.html", width=width).page for width in (1_200, 360)
    )

    picture = wide.get_by_role("img", name="Whose protection ends by itself, month by month")

    assert picture.is_visible()
    assert "December 2026: " in (picture.locator("desc").text_content() or "")
    assert not narrow.locator("svg.months").is_visible()
    assert narrow.locator("table.narrow").is_visible()
    for page in (wide, narrow):
        page.context.close()


def test_a_page_without_scripting_is_the_same(chromium: Browser, files: Path) -> None:
    """It never needed any."""
    seen = opened(chromium, files / "drift.html", scripts=False)

    heading = seen.page.get_by_role("heading", level=1)

    assert "12 people are not protected who should be." == heading.inner_text()
    seen.page.context.close()


def test_a_thousand_lists_stay_usable(chromium: Browser, tmp_path: Path) -> None:
    """What there is to do stands above, list by list folded, and the page opens at once."""
    path = tmp_path / "many.html"
    lists = (LETTING_GO if number % 3 == 0 else list_plan() for number in range(1_000))
    named = [replace(listed, key=f"list-{number:04}") for number, listed in enumerate(lists)]
    path.write_text(html.plan(plan(*named)), encoding="utf-8")

    seen = opened(chromium, path, width=360)

    assert 0 == seen.page.evaluate(OVERFLOW)
    assert 334 == seen.page.locator("details.list:not([open])").count()
    assert seen.page.get_by_text("666 lists match their specs: nothing to do").is_visible()
    seen.page.context.close()
