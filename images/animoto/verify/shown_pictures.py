"""Records which pictures a film shows, in what the checks of the finished video need: a few KB for each picture."""

from pathlib import Path

from cloudkon.instructions.animoto import Slide

from ..motion.camera import cameras
from ..timeline.film import Film, NormalisedPicture
from ..timeline.plan import frame_count, plan
from .verify import verify
from .visual_check import MOVING_SIDE, SIDE, MovingView, TextThumbnail, check_frames, thumbnail


class ShownPictures:
    """Keeps a slide and a thumbnail for each picture that went to the renderer."""

    def __init__(self, film: Film) -> None:
        """Begin without pictures."""
        self._film = film
        self._slides: list[Slide] = []
        self._thumbnails: list[bytes] = []
        self._texts: list[TextThumbnail] = []
        """Of the layers in front of each picture; only filled for a film that moves."""

    def add(self, picture: NormalisedPicture) -> None:
        """Record the next picture, as the renderer gets it."""
        moves = self._film.moves
        self._slides.append(picture.slide)
        self._thumbnails.append(thumbnail(picture.pixels, self._film.canvas, MOVING_SIDE if moves else SIDE))
        if moves:
            self._texts.append(TextThumbnail.of(picture.texts, self._film))

    def __len__(self) -> int:
        """Count the pictures."""
        return len(self._slides)

    @property
    def frames(self) -> int:
        """The number of frames of a film of these pictures."""
        return frame_count(self._film.fps, self._slides)

    async def check(self, video: Path, *, sound: bool) -> None:
        """Raise ``BadVideo`` unless the video is a film of these pictures."""
        film = self._film
        keys = await verify(video, film, self.frames, sound=sound)
        views = list(map(MovingView, cameras(film, self._slides), self._texts)) if film.moves else None
        await check_frames(video, film, list(plan(film.fps, self._slides)), self._thumbnails, keys, views)
