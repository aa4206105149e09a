"""Does a grader's browser see a learner's text, outputs and pictures, and nothing that runs?"""

from __future__ import annotations

import base64
import io

import pytest
from nbconvert.filters.markdown_mistune import markdown2html_mistune
from PIL import Image, PngImagePlugin

from autograder.nbgrader.visible import CELL, TEXT, Budget, attachments, markdown, outputs, picture

HARMLESS = [
    "plain *text* with $a<b$ and `<script>` in code",
    "a <b>word</b>, a break<br/> and <details><summary>more</summary>this</details>",
    "[a page](https://example.org/a?b=1&c=2) and [a place](#here) and ![a figure](figure.png)",
    "x < y and y <z",
    "```python\nx<y\n```",
    "$<script>alert(1)</script>$",  # nbconvert escapes what stands in a formula
]
HARMFUL = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<b onclick=alert(1)>press</b>",
    "<div\nonclick=alert(1)>press</div>",
    "<!-- <script>alert(1)</script> -->",
    "[press](javascript:alert(1))",
    "[press](JaVaScRiPt:alert(1))",
    "[press](&#106;avascript:alert(1))",
    "[press](java&Tab;script:alert(1))",
    "[press][1]\n\n[1]: javascript:alert(1)",
    "[press](data:text/html;base64,PHNjcmlwdD4=)",
    "<javascript:alert(1)>",
    "![x](data:image/svg+xml;base64,PHN2Zz4=)",
    "![tracking](https://example.org/pixel.png)",
    "![tracking](files///example.org/pixel.png)",
    "[click](files/javascript:alert(1))",
    "[click](/files/files/javascript:alert(1))",
    "[click](FILES/javascript:alert(1))",
    "```mermaid\n<script>alert(1)</script>\n```",
    "![gone](attachment:gone.png)",  # would break the page
    "| a |\n|---|\n| <script>alert(1)</script> |",
]


@pytest.mark.parametrize("source", HARMLESS)
def test_ordinary_markdown_stays_as_it_is(source):
    """Formulas, code, links, pictures and simple tags are rendered for the grader as for the learner."""
    assert markdown(source, {}) == source


@pytest.mark.parametrize("source", HARMFUL)
def test_what_could_run_is_shown_as_its_source(source):
    """If anything in a text could run, the page shows its source, in which nothing does."""
    page = markdown2html_mistune(markdown(source, {}))
    assert page.startswith("<pre><code>") and "<script" not in page and "href" not in page


@pytest.mark.parametrize("source", ["\\begin{a}" * 16_000, "[" * 16_000, "[a](" * 400, "long " * 5_000], ids=len)
def test_what_would_take_long_is_shown_as_its_source(source):
    """A renderer searches for each end through all the rest: minutes for some texts, which are shown unrendered."""
    assert markdown(source, {}).startswith("```")


def test_a_fence_in_the_text_does_not_end_the_block():
    """The block that shows a source has a longer fence than any inside."""
    source = "```\n```\n<script>alert(1)</script>\n````"
    assert "<script" not in markdown2html_mistune(markdown(source, {}))


def png(side: int = 4, **more) -> str:
    """A picture as a notebook stores it."""
    into = io.BytesIO()
    Image.new("RGB", (side, side), "red").save(into, "PNG", **more)
    return base64.b64encode(into.getvalue()).decode()


def test_a_picture_is_encoded_anew():
    """The pixels stay; anything else in the file does not."""
    info = PngImagePlugin.PngInfo()
    info.add_text("comment", "<script>alert(1)</script>")
    dirty = png(pnginfo=info)
    clean = base64.b64decode(picture(dirty, "image/png", Budget()))
    assert b"<script>" in base64.b64decode(dirty) and b"<script>" not in clean
    assert Image.open(io.BytesIO(clean)).convert("RGB").getpixel((0, 0)) == (255, 0, 0)


@pytest.mark.parametrize("data", ["", "no base64!", base64.b64encode(b"<svg/>").decode(), 3, None])
def test_what_is_no_picture_is_left_out(data):
    """Bytes that Pillow cannot read as that format are not shown."""
    assert picture(data, "image/png", Budget()) is None


def test_a_huge_picture_is_left_out():
    """A picture of more pixels than a page needs is not even decoded."""
    assert picture(png(5000), "image/png", Budget()) is None


def test_pictures_share_a_budget():
    """A notebook cannot grow without limit: once its pictures have used up the budget, the others are left out."""
    budget = Budget(len(picture(png(), "image/png", Budget())))
    assert [picture(png(), "image/png", budget) is None for _ in range(2)] == [False, True]


def test_pasted_pictures_stay():
    """A picture pasted into a written answer is there for whoever grades it."""
    kept = attachments({"a.png": {"image/png": png()}, "b.svg": {"image/svg+xml": "<svg/>"}}, Budget())
    assert list(kept) == ["a.png"]
    assert markdown("![a](attachment:a.png)", kept) == "![a](attachment:a.png)"


def test_long_text_is_cut_in_the_middle():
    """The beginning and end of a long output stay."""
    shown = outputs([{"output_type": "stream", "name": "stdout", "text": "a" + "x" * 10 * TEXT + "z"}], Budget())[
        0
    ].text
    assert len(shown) < 2 * TEXT and shown[0] == "a" and shown[-1] == "z"


def test_many_outputs_are_cut():
    """A cell with thousands of outputs shows the first ones."""
    assert len(outputs([{"output_type": "stream", "text": "x"}] * 1000, Budget())) == CELL + 1
