"""A run knows the place of each of its chunks without counting them one by one."""

from hypothesis import given
from hypothesis import strategies as st

from cloudkon.model import Run

RANGES = st.dictionaries(st.sampled_from(["worker", "animoto", "gpu"]), st.integers(0, 40), max_size=3)


def planned(counts: dict[str, int], chunk_size: int) -> Run:
    return Run.plan(run_id="r", counts=counts, chunk_size=chunk_size, digest="", started=0.0)


@given(RANGES, st.integers(1, 12))
def test_place_of_each_chunk_is_the_one_it_is_sent_with(counts: dict[str, int], chunk_size: int) -> None:
    run = planned(counts, chunk_size)
    sent = {key.number: (pool, first, count) for pool in counts for key, first, count in run.chunks(pool)}
    assert {number: run.place(number) for number in range(run.chunk_count)} == sent


@given(RANGES, st.integers(1, 12))
def test_place_of_a_chunk_that_the_run_does_not_have_is_none(counts: dict[str, int], chunk_size: int) -> None:
    run = planned(counts, chunk_size)
    assert run.place(-1) is run.place(run.chunk_count) is run.place(10**15) is None


def test_place_in_a_run_of_many_chunks_is_found_at_once() -> None:
    assert planned({"worker": 10**15, "animoto": 5}, 2).place(5 * 10**14 + 1) == ("animoto", 10**15 + 2, 2)
