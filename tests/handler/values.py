"""Values that several tests of the function share."""

from handler.maker import Maker

MAKER = Maker(results="1" * 64, rejections="2" * 64)
