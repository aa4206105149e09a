"""What a grader's browser may show of a learner's notebook: text and re-encoded pictures, nothing that runs.

Formgrader and the feedback page render raw HTML, scripts and harmful links as they are, so none may be left in an
autograded notebook.
"""

from __future__ import annotations

import base64
import binascii
import io
import re
from collections.abc import Iterable, Mapping
from typing import Any

from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath
from nbformat import NotebookNode
from nbformat.v4 import new_output
from PIL import Image

from autograder.judge.reader import printable

TEXT = 20_000  # characters that one output may show
CELL = 40  # outputs that one cell may show
SIDE = 4000  # pixels on the longer side of a picture before it is re-encoded
SHOWN = 1600  # and after
MARKDOWN = 20_000  # characters of a markdown cell that is rendered
OPENED = 300  # brackets and environments in it: a renderer looks for the end of each through all the rest
PICTURES = 8 << 20  # bytes of base64 for all pictures of one notebook

_PLAIN = re.compile(
    r"</?(?:b|i|u|s|em|strong|sub|sup|p|br|hr|ul|ol|li|code|pre|kbd|table|thead|tbody|tr|td|th|details|summary)\s*/?>|"
    r"<!--(?:(?!-->)[^<>])*-->",
    re.IGNORECASE,
)
_LINK = re.compile(r"(?:https?://|mailto:|#|attachment:)", re.IGNORECASE)
_FORMATS = {"image/png": "PNG", "image/jpeg": "JPEG"}


class _Active(Exception):
    """The text contains something that can run."""


class _Looking(IPythonRenderer):
    """Renders as nbgrader's pages do, and stops at what can run or would break the page."""

    def block_html(self, html: str) -> str:
        return self.inline_html(html)

    def inline_html(self, html: str) -> str:
        if _PLAIN.sub("", html).count("<"):
            raise _Active
        return html

    def block_mermaidjs(self, code: str) -> str:
        raise _Active

    def link(self, text: str, url: str, title: str | None = None) -> str:
        self._vet(url)
        return super().link(text, url, title)

    def image(self, text: str, url: str, title: str | None = None) -> str:
        if re.match(r"(?!attachment:)[a-z][a-z0-9+.-]*:", self._vet(url), re.IGNORECASE):
            raise _Active  # a picture from elsewhere tells its owner who looks at it, and when
        return super().image(text, url, title)

    def _vet(self, url: str) -> str:
        """The address as a browser takes it; _Active if following it could do anything but open a page."""
        # A colon before the first slash makes a scheme, in which browsers skip control characters and spaces.
        # nbconvert takes `files/` away from the front of an address: what is behind it becomes the address.
        plain = re.sub(r"[\x00-\x20\x7f-\xa0]", "", url)
        plain = re.sub(r"^(?:/?files/)+", "", plain, flags=re.IGNORECASE)
        if not _LINK.match(plain) and re.search(r"^[^/?#]*(?::|&)", plain):
            raise _Active
        if plain.startswith("//") or (plain.startswith("attachment:") and plain[11:] not in self.attachments):
            raise _Active
        return plain


def markdown(source: str, attachments: Mapping[str, Any]) -> str:
    """Markdown as a page may render it: unchanged if nothing in it can run or take long, else its source in a block of code."""
    if len(source) > MARKDOWN or source.count("[") + source.count("\\begin") > OPENED:
        return fenced(source)
    try:
        MarkdownWithMath(renderer=_Looking(escape=False, attachments=dict(attachments))).render(source)
    except Exception:  # whatever makes the renderer fail would also break the grader's page
        return fenced(source)
    return source


def fenced(source: str) -> str:
    """The source as a block of code, with a fence longer than any inside."""
    fence = "`" * max(3, 1 + max((len(run) for run in re.findall("`+", source)), default=0))
    return f"{fence}\n{source}\n{fence}"


class Budget:
    """How many bytes of pictures one notebook may still show."""

    def __init__(self, left: int = PICTURES):
        self.left = left


def picture(data: Any, mime: str, budget: Budget) -> str | None:
    """A picture, decoded and re-encoded as base64; None if it is not one, or too large.

    What Pillow has read as pixels carries no markup and no surprises in a header.
    """
    if mime not in _FORMATS:
        return None
    try:
        raw = base64.b64decode(re.sub(r"\s", "", printable(data)), validate=True)
        with Image.open(io.BytesIO(raw), formats=[_FORMATS[mime]]) as image:
            if max(image.size) > SIDE:
                return None
            image.load()
            image.thumbnail((SHOWN, SHOWN))
            pixels = image.convert("RGB" if mime == "image/jpeg" else "RGBA")
        clean = io.BytesIO()
        Image.frombytes(pixels.mode, pixels.size, pixels.tobytes()).save(clean, _FORMATS[mime])
    except (OSError, ValueError, SyntaxError, binascii.Error, MemoryError, Image.DecompressionBombError):
        return None
    encoded = base64.b64encode(clean.getvalue()).decode("ascii")
    if len(encoded) > budget.left:
        return None
    budget.left -= len(encoded)
    return encoded


def attachments(given: Any, budget: Budget) -> dict[str, dict[str, str]]:
    """The pictures pasted into a markdown cell, re-encoded; anything else is left out."""
    kept: dict[str, dict[str, str]] = {}
    for name, bundle in given.items() if isinstance(given, Mapping) else ():
        for mime in _FORMATS:
            if isinstance(bundle, Mapping) and mime in bundle and (data := picture(bundle[mime], mime, budget)):
                kept[printable(name)] = {mime: data}
                break
    return kept


def outputs(given: Any, budget: Budget) -> list[NotebookNode]:
    """A code cell's outputs as text and pictures, at most CELL of them.

    HTML, scripts, SVG, LaTeX and widgets are replaced by their text version, or only named if they have none.
    """
    given = given if isinstance(given, Iterable) else ()
    shown: list[NotebookNode] = []
    for number, output in enumerate(given):
        if number == CELL:
            shown.append(_text("[the other outputs of this cell are not shown]"))
            break
        if isinstance(output, Mapping) and (made := _output(output, budget)):
            shown.append(made)
    return shown


def _output(output: Mapping[str, Any], budget: Budget) -> NotebookNode | None:
    kind = output.get("output_type")
    if kind == "stream":
        name = "stderr" if output.get("name") == "stderr" else "stdout"
        return new_output("stream", name=name, text=_short(printable(output.get("text"))))
    if kind == "error":
        lines = output.get("traceback")
        traceback = "\n".join(map(printable, lines if isinstance(lines, list) else ()))
        return new_output(
            "error",
            ename=_short(printable(output.get("ename"))),
            evalue=_short(printable(output.get("evalue"))),
            traceback=_short(traceback).split("\n"),
        )
    data = output.get("data")
    if not isinstance(data, Mapping):
        return None
    bundle = {}
    for mime in _FORMATS:
        if mime in data and (encoded := picture(data[mime], mime, budget)):
            bundle[mime] = encoded
            break
    if "text/plain" in data:
        bundle["text/plain"] = _short(printable(data["text/plain"]))
    if not bundle:
        bundle["text/plain"] = f"[not shown: {', '.join(sorted(map(printable, data))) or 'nothing'}]"[:200]
    return new_output("display_data", data=bundle)


def _text(text: str) -> NotebookNode:
    return new_output("display_data", data={"text/plain": text})


def _short(text: str) -> str:
    if len(text) <= TEXT:
        return text
    return f"{text[: TEXT // 2]}\n[... {len(text) - TEXT} characters are not shown ...]\n{text[-TEXT // 2 :]}"
