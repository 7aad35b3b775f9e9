"""Draws simple garments at photo size, to show how pictures with an obvious class are converted.

They are drawings, not photos, and say little about a model's accuracy on photos.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import PIL.Image
import PIL.ImageChops
import PIL.ImageDraw
import PIL.ImageFilter

SIZE = (600, 800)  # width, height in pixels

Colour = tuple[int, int, int]
Points = Sequence[tuple[float, float]]

# The colours of ground and article: as in photos of shops, as in the data set, and as in photos taken in a room.
SETTINGS: dict[str, tuple[Colour, Colour]] = {
    "dark on white": ((255, 255, 255), (52, 66, 104)),
    "light on black": ((12, 12, 14), (214, 205, 190)),
    "shadow on off-white": ((244, 241, 236), (128, 44, 48)),
}
_SHADED = "shadow on off-white"


def draw_garments() -> Iterator[tuple[str, PIL.Image.Image]]:
    """Yields each garment in each setting, RGB, named as in "Coat, light on black"."""
    for name, draw in GARMENTS.items():
        for setting, (ground, colour) in SETTINGS.items():
            article, details = _layers(draw)
            picture = _ground(ground, article, shaded=setting == _SHADED)
            picture.paste(colour, mask=article)
            picture.paste(_seam(colour), mask=PIL.ImageChops.darker(details, article))
            yield f"{name}, {setting}", picture


class Pen:
    """Draws the parts of a garment, in pixels; methods that end in `_both` add the mirror image of a part."""

    def __init__(self) -> None:
        self.article, self.details = PIL.Image.new("L", SIZE), PIL.Image.new("L", SIZE)

    def fill(self, *points: tuple[float, float], ink: int = 255) -> None:
        """Fills a polygon of the article; ink 0 cuts it out."""
        PIL.ImageDraw.Draw(self.article).polygon(points, fill=ink)

    def fill_both(self, *points: tuple[float, float]) -> None:
        """Fills a polygon and its mirror image."""
        self.fill(*points)
        self.fill(*_mirrored(points))

    def seam(self, *points: tuple[float, float], width: int = 6) -> None:
        """Draws a line on the article."""
        PIL.ImageDraw.Draw(self.details).line(points, fill=255, width=width, joint="curve")

    def seam_both(self, *points: tuple[float, float], width: int = 6) -> None:
        """Draws a line and its mirror image."""
        self.seam(*points, width=width)
        self.seam(*_mirrored(points), width=width)

    def oval(self, *box: float, ink: int = 255) -> None:
        """Fills an ellipse of the article, `left, top, right, bottom`; ink 0 cuts it out."""
        PIL.ImageDraw.Draw(self.article).ellipse(box, fill=ink)


def _t_shirt(pen: Pen) -> None:
    pen.fill_both((300, 170), (235, 160), (150, 195), (60, 330), (135, 385), (178, 330), (178, 650), (300, 655))
    pen.oval(245, 110, 355, 215, ink=0)
    pen.seam_both((178, 330), (190, 240))
    pen.seam((178, 632), (422, 632))


def _trouser(pen: Pen) -> None:
    pen.fill_both((300, 90), (205, 90), (190, 250), (170, 720), (262, 720), (300, 290))
    pen.seam((190, 122), (410, 122))
    pen.seam((300, 122), (300, 290))
    pen.seam_both((215, 130), (228, 170), (195, 200))


def _pullover(pen: Pen) -> None:
    pen.fill_both((300, 175), (240, 160), (165, 190), (120, 320), (75, 600), (140, 618), (190, 390), (185, 665), (300, 668))
    pen.oval(250, 120, 350, 205, ink=0)
    pen.seam_both((190, 390), (197, 230))
    for row in (640, 652):
        pen.seam((183, row), (417, row), width=4)
    pen.seam_both((80, 580), (145, 598))


def _dress(pen: Pen) -> None:
    pen.fill_both((300, 180), (268, 80), (245, 80), (225, 180), (232, 200), (248, 340), (185, 720), (300, 725))
    pen.seam((247, 340), (353, 340), width=8)
    pen.seam_both((270, 350), (245, 700), width=4)


def _coat(pen: Pen) -> None:
    pen.fill_both((300, 110), (245, 110), (175, 140), (130, 270), (95, 560), (160, 575), (192, 370), (170, 730), (300, 730))
    pen.fill((262, 108), (338, 108), (300, 175), ink=0)
    pen.seam((300, 175), (300, 730), width=8)
    pen.seam_both((248, 112), (222, 200), (300, 320), width=6)
    pen.seam_both((192, 370), (200, 200))
    pen.seam_both((205, 520), (262, 505), width=8)
    for row in (380, 460, 540):
        pen.seam((318, row), (330, row), width=12)


def _sandal(pen: Pen) -> None:
    pen.fill(
        (70, 520), (190, 500), (330, 440), (470, 330), (540, 330), (545, 545), (515, 545), (500, 420), (350, 540), (75, 550)
    )
    pen.fill((120, 510), (175, 420), (215, 415), (260, 480))
    pen.fill((455, 340), (440, 220), (462, 215), (490, 340))
    pen.fill((440, 250), (525, 220), (560, 225), (560, 245), (530, 242), (445, 275))
    pen.fill((540, 330), (560, 240), (545, 235), (520, 330))


def _sneaker(pen: Pen) -> None:
    pen.fill((60, 500), (90, 455), (230, 405), (320, 310), (360, 330), (470, 325), (505, 290), (540, 310), (550, 500))
    pen.fill((50, 500), (555, 500), (555, 540), (530, 550), (70, 550), (48, 535))
    pen.seam((50, 503), (555, 503), width=9)
    for x, y in ((250, 390), (275, 362), (300, 335)):
        pen.seam((x, y), (x + 50, y + 30), width=8)
    pen.seam((360, 480), (430, 350), width=14)
    pen.seam((395, 485), (460, 355), width=14)


def _bag(pen: Pen) -> None:
    pen.oval(190, 130, 410, 480)
    pen.oval(220, 160, 380, 450, ink=0)
    pen.fill((120, 320), (480, 320), (525, 650), (75, 650))
    pen.seam((118, 340), (300, 460), (482, 340), width=8)
    pen.seam((288, 470), (312, 470), width=24)


def _ankle_boot(pen: Pen) -> None:
    pen.fill((60, 570), (90, 520), (230, 470), (300, 390), (300, 190), (500, 190), (515, 580), (90, 585))
    pen.fill((55, 570), (400, 580), (400, 605), (60, 600))
    pen.fill((415, 570), (518, 570), (515, 650), (425, 650))
    pen.seam((60, 575), (515, 582), width=7)
    pen.seam((370, 195), (380, 400), width=7)
    pen.seam((415, 195), (420, 400), width=7)


GARMENTS: dict[str, Callable[[Pen], None]] = {
    "T-shirt/top": _t_shirt,
    "Trouser": _trouser,
    "Pullover": _pullover,
    "Dress": _dress,
    "Coat": _coat,
    "Sandal": _sandal,
    "Sneaker": _sneaker,
    "Bag": _bag,
    "Ankle boot": _ankle_boot,
}


def _layers(draw: Callable[[Pen], None]) -> tuple[PIL.Image.Image, PIL.Image.Image]:
    """Draws the masks of a garment, of its shape and of its seams, with edges as soft as in a photo."""
    pen = Pen()
    draw(pen)
    soft = PIL.ImageFilter.GaussianBlur(1.5)
    return pen.article.filter(soft), pen.details.filter(soft)


def _ground(colour: Colour, article: PIL.Image.Image, *, shaded: bool) -> PIL.Image.Image:
    """Draws the ground: even, or with light that falls off by 12 levels from top to bottom and a soft shadow of the article."""
    picture = PIL.Image.new("RGB", SIZE, colour)
    if not shaded:
        return picture
    fall = PIL.Image.linear_gradient("L").resize(SIZE).point([value * 12 // 255 for value in range(256)])
    shadow = PIL.ImageChops.offset(article, 14, 22).filter(PIL.ImageFilter.GaussianBlur(18))
    shade = PIL.ImageChops.add(fall, shadow.point([value * 36 // 255 for value in range(256)]))
    return PIL.ImageChops.subtract(picture, PIL.Image.merge("RGB", (shade,) * 3))


def _seam(colour: Colour) -> Colour:
    """Returns a colour for seams that is visible on `colour`: darker on a light one, lighter on a dark one."""
    towards = 0 if sum(colour) > 3 * 128 else 255
    red, green, blue = ((2 * value + towards) // 3 for value in colour)
    return red, green, blue


def _mirrored(points: Points) -> list[tuple[float, float]]:
    return [(SIZE[0] - x, y) for x, y in points]
