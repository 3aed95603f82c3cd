"""Defines ``--pool``, which limits a command to some pools."""

import click

from cloudkon.model import POOLS

POOL_NAMES = tuple(pool.name for pool in POOLS)
pool_option = click.option(
    "--pool", "pools", multiple=True, type=click.Choice(POOL_NAMES), help="Only this pool; default: all pools."
)
