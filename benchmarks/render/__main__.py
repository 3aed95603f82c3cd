"""``python -m benchmarks.render``: compares ways to render a slideshow, with pictures of any number and size."""

import click
from rich.console import Console

from benchmarks.suites.render import SIZE, compare


@click.command()
@click.option("--pictures", "count", type=click.IntRange(2, 200), default=12, show_default=True)
@click.option("--size", default=SIZE, show_default=True, help="WIDTHxHEIGHT, both even.")
def main(count: int, size: str) -> None:
    """Measure and show. ``python -m benchmarks render`` does so with 60 pictures and saves the figures."""
    for table in compare(count, size):
        table.show(Console(highlight=False))


if __name__ == "__main__":
    main()
