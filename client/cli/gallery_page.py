"""Gallery page: HTML that needs nothing but the files beside it: no script, no network, no fonts of others."""

import base64
import hashlib
import re
from datetime import datetime
from html import escape
from importlib import resources
from pathlib import PurePosixPath
from urllib.parse import quote

from cloudkon.model import Result, TaskState

from ..results.gallery import Exhibit, Gallery
from ..results.results import printable
from .formatting import counted, lasting

_STYLE = resources.files(__package__).joinpath("gallery.css").read_text(encoding="utf-8")
_DIGEST = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
_POLICY = (
    f"default-src 'none'; style-src 'sha256-{_DIGEST}'; img-src 'self' file:; media-src 'self' file:; "
    "base-uri 'none'; form-action 'none'"
)
"""What the page may load: its own style and files beside it. Should a text that is not ours ever be taken for HTML,
it still runs nothing and sends nothing. Browsers don't agree that ``'self'`` covers a folder, hence ``file:``."""
_PICTURES = {".jpg", ".jpeg", ".png", ".gif", ".webp", ".avif"}
_VIDEOS = {".mp4", ".webm"}
_MINUTE = 60
_SIZE = re.compile(r"([1-9]\d{0,4})x([1-9]\d{0,4})")


def page(gallery: Gallery) -> str:
    """The whole page. All that it shows of others' texts is escaped."""
    title = f"Run {escape(gallery.run.id)}"
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
    going = run.count - gallery.counts.total()
    said = [f"pushed {pushed.day} {pushed:%B %Y, %H:%M %Z}", counted(run.count, "task")]
    said += [f"{gallery.counts[state]:,} {state.lower()}" for state in TaskState if gallery.counts[state]]
    said += [f"{going:,} not ended"] if going else []
    return _joined(said)


def _card(exhibit: Exhibit) -> str:
    result = exhibit.result
    title = f"Task {result.task.seq}"
    took = lasting(result.seconds) if result.seconds >= _MINUTE else f"{result.seconds:.1f} s"
    said = [f"made in {took}"]
    said += [f"attempt {result.attempts}"] if result.attempts > 1 else []
    said += [escape(printable(result.worker))] if result.worker else []
    lines = [
        "<figure>",
        _shown(exhibit, title),
        "<figcaption>",
        f'<h2><a href="{_link(exhibit.name)}">{title}</a></h2>',
        f"<p>{_joined(_described(exhibit))}</p>",
        f"<p>{_joined(said)}</p>",
    ]
    lines += [f'<p class="warning">{escape(printable(exhibit.note))}</p>'] if exhibit.note else []
    return "\n".join([*lines, "</figcaption>", "</figure>"])


def _shown(exhibit: Exhibit, title: str) -> str:
    suffix = PurePosixPath(exhibit.name).suffix.lower()
    size = _SIZE.fullmatch(exhibit.facts.get("size", ""))
    # Room is kept for what is not loaded yet, so that nothing jumps.
    room = f' width="{size[1]}" height="{size[2]}"' if size else ""
    link = _link(exhibit.name)
    if suffix in _VIDEOS:
        how = f'preload="none" poster="{_link(exhibit.poster)}"' if exhibit.poster else 'preload="metadata"'
        return f'<video controls playsinline {how} src="{link}"{room} aria-label="{title}"></video>'
    if suffix in _PICTURES:
        return f'<img loading="lazy" src="{link}"{room} alt="{title}">'
    return ""


def _described(exhibit: Exhibit) -> list[str]:
    """What the renderer says of a video: other handlers' objects have facts of their own, or none."""
    facts = {name: escape(text) for name, text in exhibit.facts.items()}
    said = [escape(exhibit.name)]
    if "pictures" in facts and "seconds" in facts:
        missing = facts.get("missing", "0")
        said += [f"{facts['pictures']} pictures" + (f", {missing} missing" if missing != "0" else "")]
        said += [f"{facts['seconds']} s"]
    said += [facts[name].replace("x", " × ") for name in ("size",) if name in facts]  # noqa: RUF001  (the sign it is)
    return said


def _list(title: str, results: list[Result], count: int) -> list[str]:
    if not results:
        return []
    lines = [f"<section><h2>{title}</h2>", "<dl>"]
    for result in results:
        text = escape(printable(result.error or result.output))
        lines.append(f"<dt>Task {result.task.seq}, {counted(result.attempts, 'attempt')}</dt><dd>{text}</dd>")
    lines.append("</dl>")
    if count > len(results):
        lines.append(f"<p>And {count - len(results):,} more: python -m client failures</p>")
    return [*lines, "</section>"]


def _joined(said: list[str]) -> str:
    return " · ".join(said)


def _link(name: str) -> str:
    return escape(quote(name))
