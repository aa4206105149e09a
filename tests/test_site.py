"""The site, built for two lessons and opened in a browser: does every page load by itself, can it be searched, read and reached by everybody?"""

from __future__ import annotations

import functools
import http.server
import subprocess
import sys
import threading
from html.parser import HTMLParser
from urllib.parse import unquote, urldefrag, urljoin

import pytest
from axe_playwright_python.sync_playwright import Axe

from autograder.house import ROOT
from docs.site import gather

pytestmark = pytest.mark.needs_chromium

LESSONS = ("00", "01")
WIDTHS = {"desk": 1280, "phone": 390}
NOT_BUILT = tuple(f"{number:02}_" for number in range(10) if f"{number:02}" not in LESSONS)


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The built site's folder."""
    folder = tmp_path_factory.mktemp("site") / "html"
    built = subprocess.run(
        [sys.executable, "-m", "docs.site", "--to", str(folder), "--only", *LESSONS],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert built.returncode == 0, built.stdout + built.stderr
    return folder


@pytest.fixture(scope="module")
def address(site):
    """Where a server on this machine shows the site."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *args):
            """Nothing."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(site)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    server.server_close()


def pages(site):
    """Every page but the indexes that Sphinx makes."""
    found = [path.relative_to(site).as_posix() for path in site.rglob("*.html") if "_static" not in path.parts]
    return sorted(set(found) - {"genindex.html", "py-modindex.html", "search.html"})


def typeset(page):
    page.wait_for_function("!window.MathJax?.startup || MathJax.startup.promise?.then(() => true)")


def test_every_page_loads_without_an_error_and_without_the_network(site, address, browser):
    """Nothing is missing, nothing is complained about in the console, and nothing is fetched from elsewhere."""
    complaints = []
    page = browser.new_page()
    page.on("console", lambda said: complaints.append((page.url, said.text)) if said.type in ("error", "warning") else None)  # fmt: skip
    page.on("response", lambda got: complaints.append((page.url, got.url)) if got.status >= 400 else None)
    page.on("request", lambda asked: complaints.append((page.url, asked.url)) if not asked.url.startswith((address, "data:", "blob:")) else None)  # fmt: skip
    for name in pages(site):
        page.goto(address + name)
        typeset(page)
    page.close()
    assert len(pages(site)) > 15
    assert complaints == []


class Links(HTMLParser):
    """The goals of a page's links and the ids that links can lead to."""

    def __init__(self, text):
        super().__init__()
        self.goals, self.ids = [], set()
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        self.ids |= {given[key] for key in ("id", "name") if given.get(key)}
        if tag in ("a", "img", "link", "script") and (goal := given.get("href") or given.get("src")):
            self.goals.append(goal)


def broken(site):
    """Links to a page or a heading that is not there; lessons that were not built for this test are let off."""
    read = {path: Links(path.read_text(encoding="utf-8")) for path in site.rglob("*.html") if "_static" not in path.parts}  # fmt: skip
    for path, links in read.items():
        for goal in links.goals:
            whole, part = urldefrag(urljoin(path.relative_to(site).as_posix(), unquote(goal.partition("?")[0])))
            if goal.startswith(("http:", "https:", "mailto:", "data:")) or any(one in goal for one in NOT_BUILT):
                continue
            there = (site / whole) if whole else path
            if not there.exists() or part and there in read and part not in read[there].ids:
                yield path.name, goal


def test_no_link_is_broken(site):
    """Every link inside the site leads to a page, a picture or a heading."""
    assert [] == list(broken(site))


def test_a_broken_link_would_be_found(tmp_path):
    """The twin: of a link to a page and one to a heading, those that lead nowhere are named."""
    (tmp_path / "a.html").write_text(
        '<h1 id="top"></h1><a href="a.html#top">x</a><a href="#no">x</a><a href="b.html">x</a>'
    )
    assert list(broken(tmp_path)) == [("a.html", "#no"), ("a.html", "b.html")]


def test_search_finds_a_word_of_a_lesson_and_of_a_mistake(address, browser):
    """Who types what they are stuck with gets a page to read."""
    page = browser.new_page()
    page.goto(address + "search.html?q=detach")
    page.wait_for_selector("#search-results li a")
    found = page.locator("#search-results li a").all_inner_texts()
    page.close()
    assert any("wild" in one for one in found) and any("unrolled graph" in one for one in found)


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS)
def test_everybody_can_read_it(address, browser, theme, width):
    """No serious finding of axe, and no page that is wider than the screen."""
    context = browser.new_context(color_scheme=theme, viewport={"width": WIDTHS[width], "height": 900})
    page, found = context.new_page(), []
    for name in ("index", "lessons/01_unrolled_graph", "solutions/01_unrolled_graph", "mistakes/01_unrolled_graph", "matrix", "instructors"):  # fmt: skip
        page.goto(f"{address}{name}.html")
        typeset(page)
        page.wait_for_timeout(200)  # until what scrolls has been made reachable
        wide = page.evaluate("document.documentElement.scrollWidth")
        found += [(name, "wide", wide)] if wide > WIDTHS[width] else []
        serious = [one for one in Axe().run(page).response["violations"] if one["impact"] in ("serious", "critical")]
        found += [(name, one["id"], one["nodes"][0]["html"][:200]) for one in serious]
    context.close()
    assert found == []


def test_links_into_the_repository_lead_to_pages():
    """A document's links become links of the site; what is on no page is named without one."""
    assert gather.linked("[a](CONTRIBUTING.md) [b](notebooks/01_x.ipynb) [c](Makefile) [d](https://x.y)") == (
        "[a](contributing.md) [b](lessons/01_x.ipynb) c [d](https://x.y)"
    )
