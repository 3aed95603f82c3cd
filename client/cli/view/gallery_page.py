"""Builds the HTML page of a gallery. It needs only the files beside it: no script, no network, no web fonts."""

import base64
import hashlib
import re
from datetime import datetime
from html import escape
from importlib import resources
from pathlib import PurePosixPath
from urllib.parse import quote

from cloudkon.model import Result, TaskState
from cloudkon.printable import printable
from cloudkon.programs import command

from ...results.gallery import Exhibit, Gallery
from .formatting import counted, lasting

_STYLE = resources.files(__package__).joinpath("gallery.css").read_text(encoding="utf-8")
_DIGEST = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
_POLICY = (
    f"default-src 'none'; style-src 'sha256-{_DIGEST}'; img-src 'self' file:; media-src 'self' file:; "
    "base-uri 'none'; form-action 'none'"
)
"""What the page may load: its own style and files beside it. Should a foreign text ever be parsed as HTML, it still
runs nothing and sends nothing. Not all browsers treat a folder as ``'self'``, hence ``file:``."""
_PICTURES = {".jpg", ".jpeg", ".png", ".gif", ".webp", ".avif"}
_VIDEOS = {".mp4", ".webm"}
_MINUTE = 60
_SIZE = re.compile(r"([1-9]\d{0,4})x([1-9]\d{0,4})")


def page(gallery: Gallery) -> str:
    """Return the whole page. Texts that come from results are made printable and escaped."""
    title = f"Run {_text(gallery.run.id)}"
    parts = [
        f"<h1>{title}</h1>",
        f"<p>{_summary(gallery)}</p>",
        "<main>",
        *map(_card, gallery.exhibits),
        "</main>",
        *_list("Failed", gallery.failures, gallery.counts[TaskState.FAILED]),
        *_list("Not in this folder: pull again", gallery.absent, len(gallery.absent)),
    ]
    return "\n".join(
        [
            "<!DOCTYPE html>",
            '<html lang="en">',
            "<head>",
            '<meta charset="utf-8">',
            f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            '<meta name="referrer" content="no-referrer">',
            f"<title>{title}</title>",
            f"<style>{_STYLE}</style>",
            "</head>",
            "<body>",
            *parts,
            "</body>",
            "</html>",
            "",
        ]
    )


def _summary(gallery: Gallery) -> str:
    run = gallery.run
    pushed = datetime.fromtimestamp(run.started).astimezone()
    left = run.count - gallery.counts.total()
    parts = [f"pushed {pushed.day} {pushed:%B %Y, %H:%M %Z}", counted(run.count, "task")]
    parts += [f"{gallery.counts[state]:,} {state.lower()}" for state in TaskState if gallery.counts[state]]
    parts += [f"{left:,} not ended"] if left else []
    return _joined(parts)


def _card(exhibit: Exhibit) -> str:
    result = exhibit.result
    title = f"Task {result.task.seq}"
    took = lasting(result.seconds) if result.seconds >= _MINUTE else f"{result.seconds:.1f} s"
    parts = [f"made in {took}"]
    parts += [f"attempt {result.attempts}"] if result.attempts > 1 else []
    parts += [_text(result.worker)] if result.worker else []
    lines = [
        "<figure>",
        _shown(exhibit, title),
        "<figcaption>",
        f'<h2><a href="{_link(exhibit.name)}">{title}</a></h2>',
        f"<p>{_joined(_described(exhibit))}</p>",
        f"<p>{_joined(parts)}</p>",
    ]
    lines += [f'<p class="warning">{_text(exhibit.note)}</p>'] if exhibit.note else []
    return "\n".join([*lines, "</figcaption>", "</figure>"])


def _shown(exhibit: Exhibit, title: str) -> str:
    suffix = PurePosixPath(exhibit.name).suffix.lower()
    size = _SIZE.fullmatch(exhibit.facts.get("size", ""))
    # Space is reserved for media that is not loaded yet, so that the layout doesn't move.
    space = f' width="{size[1]}" height="{size[2]}"' if size else ""
    link = _link(exhibit.name)
    if suffix in _VIDEOS:
        how = f'preload="none" poster="{_link(exhibit.poster)}"' if exhibit.poster else 'preload="metadata"'
        return f'<video controls playsinline {how} src="{link}"{space} aria-label="{title}"></video>'
    if suffix in _PICTURES:
        return f'<img loading="lazy" src="{link}"{space} alt="{title}">'
    return ""


def _described(exhibit: Exhibit) -> list[str]:
    """Describe a file by the renderer's facts. Other handlers' objects have other facts, or none."""
    facts = {name: _text(text) for name, text in exhibit.facts.items()}
    parts = [_text(exhibit.name)]
    if "pictures" in facts and "seconds" in facts:
        missing = facts.get("missing", "0")
        parts += [f"{facts['pictures']} pictures" + (f", {missing} missing" if missing != "0" else "")]
        parts += [f"{facts['seconds']} s"]
    parts += [facts[name].replace("x", " × ") for name in ("size",) if name in facts]  # noqa: RUF001  (a real multiplication sign)
    return parts


def _list(title: str, results: list[Result], count: int) -> list[str]:
    if not results:
        return []
    lines = [f"<section><h2>{title}</h2>", "<dl>"]
    for result in results:
        text = _text(result.error or result.output)
        lines.append(f"<dt>Task {result.task.seq}, {counted(result.attempts, 'attempt')}</dt><dd>{text}</dd>")
    lines.append("</dl>")
    if count > len(results):
        lines.append(f"<p>And {count - len(results):,} more: {command('client failures')}</p>")
    return [*lines, "</section>"]


def _joined(parts: list[str]) -> str:
    return " · ".join(parts)


def _text(foreign: str) -> str:
    return escape(printable(foreign))


def _link(name: str) -> str:
    return escape(quote(name))
