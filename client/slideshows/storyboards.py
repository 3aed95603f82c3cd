"""Reads storyboards, JSON files that describe a slideshow each, and converts them to instructions."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from cloudkon.errors import InvalidInput
from cloudkon.instructions import check
from cloudkon.instructions.animoto.json_form import LINK_FIELD, PICTURES, read_document

from .pictures import SCHEMES, find_pictures


@dataclass(frozen=True, slots=True)
class Storyboard:
    """One file's JSON object: an animoto job whose pictures may be files, relative to the storyboard's folder."""

    path: Path
    job: dict[str, Any]

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read and check a storyboard; its picture files must exist. Raises ``InvalidInput``."""
        try:
            text = path.read_text(encoding="utf-8-sig")
        except UnicodeDecodeError:
            raise InvalidInput(str(path), "not UTF-8", "Save the file as UTF-8") from None
        except FileNotFoundError:
            raise InvalidInput(str(path), "no such file") from None
        try:
            read_document(text)  # only as a check: in its result numbers are text
            storyboard = cls(path, json.loads(text))
            storyboard.instruction(dict.fromkeys(storyboard.files, "s3://store/picture"))
        except InvalidInput as error:
            raise InvalidInput(f"{path}: {error.subject}", error.reason, error.remedy) from None
        return storyboard

    @property
    def files(self) -> list[Path]:
        """The picture files, which have no links yet."""
        found = (self._file(picture) for picture in self._pictures())
        return [file for file in found if file is not None]

    def instruction(self, addresses: Mapping[Path, str]) -> str:
        """Return the instruction as one line, with ``addresses`` for its files. Raises ``InvalidInstruction``."""
        job = dict(self.job)
        if isinstance(job.get(PICTURES), list):
            job[PICTURES] = [self._with_address(picture, addresses) for picture in self._pictures()]
        line = "animoto " + json.dumps(job, ensure_ascii=False, separators=(",", ":"))
        check(line)
        return line

    def _pictures(self) -> Iterator[object]:
        pictures = self.job.get(PICTURES)
        yield from pictures if isinstance(pictures, list) else ()

    def _file(self, picture: object) -> Path | None:
        link = picture.get(LINK_FIELD) if isinstance(picture, dict) else picture
        if not isinstance(link, str) or not link or link.startswith(SCHEMES):
            return None
        path = self.path.parent / link
        if not path.is_file():
            raise InvalidInput(f"picture {link!r:.100}", "not a link, and not a file in the storyboard's folder")
        if find_pictures([str(path)]) != [path]:
            raise InvalidInput(f"picture {link!r:.100}", "not a picture file")
        return path

    def _with_address(self, picture: object, addresses: Mapping[Path, str]) -> object:
        file = self._file(picture)
        if file is None:
            return picture
        return {**(picture if isinstance(picture, dict) else {}), LINK_FIELD: addresses[file]}
