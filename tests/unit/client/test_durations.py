import io
from pathlib import Path

import pytest

from client.push.durations import LARGEST_CHUNK, Durations, parse_duration
from client.push.staged_workload import stage_workload
from client.records.archive import keep_instructions
from client.records.observed_durations import observed_durations
from cloudkon.errors import InvalidInput, InvalidWorkload
from cloudkon.ports import Services
from tests.support.client_doubles import record_results, stage_text, succeeded


@pytest.mark.parametrize(
    ("text", "seconds"), [("20ms", 0.02), ("1.5s", 1.5), ("2 min", 120), ("2m", 120), ("1h", 3600), ("0s", 0)]
)
def test_durations_are_parsed(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "20", "fast", "-1s", "1e3s", "1d"])
def test_invalid_durations_are_refused(text: str) -> None:
    with pytest.raises(InvalidInput, match="not a duration"):
        parse_duration(text)


def durations_of(text: str, directory: Path, declared: float | None = None) -> Durations:
    durations = Durations(declared)
    stream = io.BytesIO(text.encode())
    with stage_workload(stream, "w", directory, handlers=("resize", "crop"), durations=durations):
        return durations


@pytest.mark.parametrize(
    ("text", "declared", "chunk"),
    [
        ("sleep 10\n" * 40, None, 25),
        ("sleep 10\nsleep 30\n", None, 12),
        ("sleep 1000\n", None, 1),
        ("sleep 0\n" * 40, None, LARGEST_CHUNK),
        ("resize 1\n", None, 1),
        ("resize 1\n", 0.05, 5),
        ("# duration 5ms\nresize 1\n", 0.05, 50),
        ("# duration: 5ms\nresize 1\nsleep 5\n# duration 1s\n#comment\ncrop 1\n", None, 1),
        ("sleep 10\nresize 1\n", None, 1),
    ],
)
def test_chunks_aim_at_a_quarter_of_a_second(text: str, declared: float | None, chunk: int, tmp_path: Path) -> None:
    assert durations_of(text, tmp_path, declared).chunk_size() == chunk


def test_invalid_duration_comment_is_named_by_its_line(tmp_path: Path) -> None:
    with pytest.raises(InvalidWorkload, match="line 2: duration 'soon': not a duration"):
        durations_of("sleep 1\n# duration soon\nslepp 1\n", tmp_path)


def test_work_is_known_only_if_every_duration_is(tmp_path: Path) -> None:
    durations = durations_of("sleep 100\nresize 1\nresize 2\n", tmp_path)
    assert durations.work is None
    assert durations.unknown == {"resize": 2}
    durations.observe({"resize": 0.2, "crop": 9.0})
    assert durations.work == pytest.approx(0.5)


async def test_earlier_run_provides_the_duration_of_a_words_tasks(services: Services, tmp_path: Path) -> None:
    text = "sleep 7\nexec a\nsleep 7\nexec b\n"
    with stage_text(text, tmp_path) as staged:
        run = staged.plan("r1", 0.0)
        await keep_instructions(services.store, run, staged.files)
    await record_results(services, run, succeeded(run, range(3)))
    assert await observed_durations(services, run, {"exec", "animoto"}) == {"exec": 1.0}
