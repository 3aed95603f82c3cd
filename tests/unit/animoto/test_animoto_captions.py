import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from cloudkon.instructions.animoto.font_characters import SCRIPTS
from cloudkon.instructions.animoto.options import LONGEST_CAPTION, LONGEST_TITLE
from images.animoto.captions.text_layer import FONT, draw_texts, text_layers
from tests.support import picture_corpus as corpus
from tests.support.picture_corpus import Pixels

SNOW = (250, 250, 250)
NIGHT = (5, 5, 10)


def shown(title: str, caption: str, width: int = 640, height: int = 360, behind: tuple[int, int, int] = SNOW) -> Pixels:
    plain = corpus.flat(behind, width, height).tobytes()
    return corpus.as_pixels(draw_texts(plain, text_layers(title, caption, width, height), width, height), width, height)


def lit(pixels: Pixels) -> tuple[int, int, int, int]:
    """Return the first and last row and column with white in them, on a dark film."""
    rows, columns = np.nonzero((pixels > 240).all(axis=2))
    return int(rows.min()), int(rows.max()), int(columns.min()), int(columns.max())


@pytest.mark.parametrize("script", SCRIPTS)
def test_font_has_every_character_that_push_accepts(script: str) -> None:
    font = ImageFont.truetype(str(FONT), 32, layout_engine=ImageFont.Layout.BASIC)

    def drawn(character: str) -> bytes:
        image = Image.new("L", (96, 64))
        ImageDraw.Draw(image).text((16, 8), character, fill=255, font=font)
        return image.tobytes()

    nothing = drawn("\uffff")
    assert drawn("日") == nothing, "what the font lacks shows as a box"
    characters = [chr(point) for first, last in SCRIPTS[script] for point in range(first, last + 1)]
    assert [one for one in characters if drawn(one) == nothing] == []


def test_caption_is_at_the_foot_and_title_in_the_middle() -> None:
    top, bottom, left, right = lit(shown("", "A walk along the lake", behind=NIGHT))
    assert top > 360 * 0.8
    assert bottom < 360 * 0.98
    assert abs((left + right) / 2 - 320) < 4
    top, bottom, left, right = lit(shown("Our summer", "", behind=NIGHT))
    assert abs((top + bottom) / 2 - 180) < 12
    assert abs((left + right) / 2 - 320) < 4


@pytest.mark.parametrize("behind", [SNOW, NIGHT, corpus.SAND, corpus.GREY])
@pytest.mark.parametrize("which", [("Our summer", ""), ("", "A walk along the lake")])
def test_letters_contrast_with_any_picture(behind: tuple[int, int, int], which: tuple[str, str]) -> None:
    """White needs a background at most two fifths as bright: WCAG's 4.5 to 1 needs a luminance below 0.18, which 118
    has."""
    pixels = shown(*which, behind=behind)
    nothing = shown("", "", behind=behind)
    texts = (pixels > 253).all(axis=2) & (nothing < 254).all(axis=2)
    assert texts.sum() > 300
    rows, columns = np.nonzero(texts)
    box = pixels[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1].max(axis=2)
    assert np.percentile(box[box < 200], 50) <= 118


def test_picture_without_text_is_unchanged() -> None:
    scenery = corpus.scenery(1, 320, 180).tobytes()
    assert draw_texts(scenery, text_layers("", "", 320, 180), 320, 180) == scenery
    before, after = (
        corpus.as_pixels(scenery, 320, 180),
        corpus.as_pixels(draw_texts(scenery, text_layers("", "Foot", 320, 180), 320, 180), 320, 180),
    )
    assert np.array_equal(before[:120], after[:120])


@pytest.mark.parametrize("size", [(1920, 1080), (1080, 1920), (720, 720), (320, 180), (64, 36), (4096, 16), (16, 4096)])
@pytest.mark.parametrize(
    "text",
    [
        "Hi",
        "a long tale " * 24,
        "W" * LONGEST_TITLE,
        "one\ntwo\n\nfour",
        "\n".join("x" * 60),
        "‱" * 60,
        "  spaces   here ",
    ],
)
def test_texts_of_any_length_fit_into_films_of_any_size(size: tuple[int, int], text: str) -> None:
    title, caption = text[:LONGEST_TITLE], text[:LONGEST_CAPTION]
    width, height = size
    pixels = shown(title, caption, width, height, NIGHT)
    assert pixels.shape == (height, width, 3)
    if min(size) >= 180 and text.count("\n") < 10:
        _top, bottom, left, right = lit(pixels)
        assert width * 0.05 < left
        assert right < width * 0.95
        assert bottom < height * 0.99


def test_letters_scale_with_the_film() -> None:
    small = lit(shown("Our summer", "", 640, 360, NIGHT))
    large = lit(shown("Our summer", "", 1280, 720, NIGHT))
    assert (large[1] - large[0]) / (small[1] - small[0]) == pytest.approx(2, rel=0.15)


def test_long_captions_break_into_lines_of_similar_length() -> None:
    text = "One two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen"
    pixels = shown("", text, behind=NIGHT)
    white = np.asarray((pixels > 240).all(axis=2))
    rows = np.asarray(white.any(axis=1))
    begins = np.flatnonzero(np.diff(rows.astype(int)) == 1)
    assert len(begins) >= 2
    widths = []
    for begin, end in zip(begins, [*begins[1:], len(rows)], strict=True):
        columns = np.flatnonzero(white[begin:end].any(axis=0))
        if columns.size > 100:
            widths.append(int(columns[-1] - columns[0]))
    assert min(widths) > 0.7 * max(widths)


def test_same_text_makes_the_same_pixels() -> None:
    assert np.array_equal(shown("Grüße", "Ça va"), shown("Grüße", "Ça va"))
    assert not np.array_equal(shown("Grüße", "Ça va"), shown("Grusse", "Ca va"))
