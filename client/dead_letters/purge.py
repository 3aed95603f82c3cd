"""Purges a pool's queues, and deletes their messages' payloads from the store."""

from contextlib import suppress
from functools import partial

from cloudkon.backoff import BRIEF, persist
from cloudkon.errors import NoFleet
from cloudkon.ports import Services
from cloudkon.ports.store import DELETE_LIMIT
from cloudkon.wire.payload import PREFIX


async def purge_pool(services: Services, pool: str) -> None:
    """Empty both queues of a pool. Payloads are deleted too, unless the pool has dead letters, which may need them."""
    await persist(services.queues[pool].purge, BRIEF)
    # Older fleets have only one queue per pool.
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
