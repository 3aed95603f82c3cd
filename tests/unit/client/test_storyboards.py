import json
from pathlib import Path

import pytest

from client.slideshows.storyboards import Storyboard
from cloudkon.errors import EXIT_BAD_INPUT, EXIT_OK, InvalidInput
from cloudkon.instructions import parse
from cloudkon.instructions.animoto import parse_animoto
from tests.unit.client.commands import Client

LINK = "https://a.example/harbour.jpg?x=1&y='2'"


def board(folder: Path, job: object) -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / "holiday.json"
    path.write_text(json.dumps(job, indent=2, ensure_ascii=False), encoding="utf-8")
    return path


def test_storyboard_becomes_one_line_of_the_same_content(client: Client, tmp_path: Path) -> None:
    for name in ("beach.jpg", "more pictures/dunes.PNG"):
        (tmp_path / "photos" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "photos" / name).write_bytes(name.encode())
    pictures = [
        {"link": "beach.jpg", "seconds": 4.125, "caption": "Grüße\nvom „Strand“ {1}"},
        "more pictures/dunes.PNG",
        LINK,
        {"link": "beach.jpg", "transition": "wipe"},
    ]
    path = board(tmp_path / "photos", {"transition": "crossfade", "size": "720p", "pictures": pictures})
    assert client("slideshow", str(path), str(path), "-o", "w.txt") == EXIT_OK
    first, second = Path("w.txt").read_text(encoding="utf-8").splitlines()
    assert first == second
    job = parse_animoto(parse(first).arguments)
    assert [slide.caption for slide in job.slides] == ["Grüße\nvom „Strand“ {1}", "", "", ""]
    assert [float(slide.seconds) for slide in job.slides] == [4.125, 1, 1, 1]
    beach, dunes, harbour, again = job.links
    assert beach == again
    assert beach.startswith("s3://memory/pictures/")
    assert dunes.endswith(".png")
    assert harbour == LINK
    assert client("push", "w.txt") == EXIT_OK


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (
            '{\n "pictures": [\n  "https://a.example/1.jpg",\n ]\n}',
            r"holiday\.json: animoto job: line [34], column [0-9]+ is not",
        ),
        ('{"pictures": ["gone.jpg"]}', r"picture 'gone.jpg': not a link, and not a file in the storyboard's folder"),
        (
            '{"pictures": ["holiday.json"]}',
            "neither a picture nor a text file of links|not a picture file|not a link",
        ),
        (
            '{"pictures": [{"link": "beach.jpg", "seconds": -1}]}',
            r"json: animoto picture 1, \"seconds\": .* not a number",
        ),
        ('{"pictures": {"link": "beach.jpg"}}', "there is no list of pictures"),
        ("[]", "it is not a JSON object"),
    ],
)
def test_storyboard_errors_name_their_file_before_anything_is_uploaded(tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / "beach.jpg").write_bytes(b"beach")
    path = tmp_path / "holiday.json"
    path.write_text(text)
    with pytest.raises(InvalidInput, match=says):
        Storyboard.read(path)


def test_missing_storyboard_is_named(client: Client, capsys: pytest.CaptureFixture[str]) -> None:
    assert client("slideshow", "none.json") == EXIT_BAD_INPUT
    assert capsys.readouterr().err == "error: none.json: no such file\n"
