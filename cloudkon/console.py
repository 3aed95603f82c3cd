"""Defines a rich console that makes all text printable, and lets only its own control sequences pass."""

from collections.abc import Iterable
from typing import Any

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.text import Text

from cloudkon.printable import printable


class PrintableConsole(Console):
    """A console whose texts are made printable, before they are laid out where that is possible."""

    def render_str(self, text: str, **options: Any) -> Text:  # noqa: ANN401  (rich's options)
        """Convert a string to a text: titles, cells and printed strings come this way."""
        return super().render_str(printable(text, lines=True), **options)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Render to segments: everything comes this way. Control segments are rich's own."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else segment._replace(text=printable(segment.text, lines=True))
