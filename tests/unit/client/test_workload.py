import io
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest

from client.push.workload import choose_workload, repeat_instruction, write_workload
from cloudkon.errors import InvalidInstruction, InvalidWorkload
from cloudkon.instructions.workload_lines import LONGEST_LINE, lines_in


def lines(data: bytes) -> list[tuple[int, str]]:
    return [(line.number, line.instruction()) for line in lines_in(io.BytesIO(data))]


def test_blank_lines_and_comments_are_ignored_but_counted() -> None:
    text = b"# made by hand\n\nsleep 1\n   \n  # two\n  sleep 2  "
    assert lines(text) == [(3, "sleep 1"), (6, "sleep 2")]


def test_byte_order_mark_and_crlf_are_ignored() -> None:
    assert lines(b"\xef\xbb\xbfsleep 1\r\nsleep 2\r\n") == [(1, "sleep 1"), (2, "sleep 2")]


def test_line_that_is_not_utf_8_is_refused_with_the_position() -> None:
    [line] = lines_in(io.BytesIO("exec écho".encode("latin-1")))
    with pytest.raises(InvalidInstruction, match="byte 6 is not UTF-8"):
        line.instruction()


def test_endless_line_is_refused_for_its_size_in_bounded_memory() -> None:
    class Endless(io.RawIOBase):
        left = 50 * LONGEST_LINE

        def readable(self) -> bool:
            return True

        def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # typeshed wants any buffer
            size = min(self.left, len(buffer))
            buffer[:size] = b"x" * size
            self.left -= size
            return size

    tracemalloc.start()
    try:
        [line] = lines_in(io.BufferedReader(Endless()))
        assert tracemalloc.get_traced_memory()[1] < 8 * LONGEST_LINE
    finally:
        tracemalloc.stop()
    with pytest.raises(InvalidInstruction, match="an instruction may have"):
        line.check(())


def test_too_long_line_cut_inside_a_character_is_refused_for_its_size() -> None:
    [line] = lines_in(io.BytesIO(("exec x" + "é" * LONGEST_LINE).encode()))
    with pytest.raises(InvalidInstruction, match="an instruction may have"):
        line.check(())


def test_default_workload_is_workload_txt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InvalidWorkload, match=r"no file was given and workload\.txt does not exist\. Make one"):
        choose_workload(None)
    Path("workload.txt").write_text("sleep 1\n")
    assert choose_workload(None) == Path("workload.txt")


@pytest.mark.parametrize(("given", "reason"), [("nothing.txt", "no such file"), (".", "this is a folder")])
def test_invalid_workload_paths_are_named(given: str, reason: str) -> None:
    with pytest.raises(InvalidWorkload, match=reason):
        choose_workload(given)


def test_workload_is_written_completely_or_not_at_all(tmp_path: Path) -> None:
    def broken() -> Iterator[str]:
        yield "sleep 1"
        raise InvalidInstruction("sleep", "broke off")

    path = tmp_path / "workload.txt"
    write_workload(iter(["sleep 5"]), path)
    with pytest.raises(InvalidInstruction):
        write_workload(broken(), path)
    assert path.read_text() == "sleep 5\n"
    assert list(tmp_path.iterdir()) == [path]


def test_instruction_without_a_handler_is_not_generated() -> None:
    with pytest.raises(InvalidInstruction, match="no handler accepts it"):
        repeat_instruction(3, "slep 10", ())
    assert list(repeat_instruction(2, "render 10", ("render",))) == ["render 10", "render 10"]
