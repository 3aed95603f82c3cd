"""Purge: a pool's queues emptied, with what their messages left in the store."""

from contextlib import suppress
from functools import partial

from cloudkon.backoff import BRIEF, persist
from cloudkon.errors import NoFleet
from cloudkon.ports import Services
from cloudkon.ports.store import DELETE_LIMIT
from cloudkon.wire.payload import PREFIX


async def purge_pool(services: Services, pool: str) -> None:
    """Empty both queues of a pool. Payloads go too, unless the pool has dead letters: one of them may need its own."""
    await persist(services.queues[pool].purge, BRIEF)
    # A fleet of before there were two queues a pool has none of high priority.
    with suppress(KeyError, NoFleet):
        await persist(services.high_queues[pool].purge, BRIEF)
    if (await persist(services.dead_letters[pool].depth, BRIEF)).empty:
        await _delete_payloads(services, pool)


async def _delete_payloads(services: Services, pool: str) -> None:
    root = services.store.address("")
    keys: list[str] = []
    async for found in services.store.list(f"{PREFIX}{pool}/"):
        keys.append(found.address.removeprefix(root))
        if len(keys) == DELETE_LIMIT:
            await persist(partial(services.store.delete, keys), BRIEF)
            keys = []
    if keys:
        await persist(partial(services.store.delete, keys), BRIEF)
