"""Draws the title and the captions of a job on its pictures, or in front of them where pictures move."""

from ..captions.text_layer import draw_texts, text_layers
from ..timeline.film import Film, NormalisedPicture


class SlideTexts:
    """Adds each picture's texts. The title goes on the first picture that exists."""

    def __init__(self, title: str, film: Film) -> None:
        """``title`` is empty for none."""
        self._title = title
        self._film = film

    def add_to(self, picture: NormalisedPicture) -> NormalisedPicture:
        """Return the picture with its texts: as layers in a film that moves, else drawn into the pixels."""
        size = self._film.width, self._film.height
        title, self._title = self._title, ""
        texts = text_layers(title, picture.slide.caption, *size)
        if self._film.moves:
            return picture._replace(texts=texts)
        return picture._replace(pixels=draw_texts(picture.pixels, texts, *size))
