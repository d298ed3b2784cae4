"""What recording does to a picture: a lossy codec, with blocks of 8 x 8 pixels and coarser fine detail.

It is real coding, not a picture of it: JPEG by Pillow, frame by frame. (Clinical recorders use MPEG-4 and the like; within a
frame these cut the same blocks.) A frame is coded for itself, so duplicated frames stay the same picture.
"""

import io

import numpy as np
from jaxtyping import UInt8
from PIL import Image


def coded(image: UInt8[np.ndarray, "height width"], quality: int) -> UInt8[np.ndarray, "height width"]:
    """Return `image` after coding and decoding at a JPEG `quality` of 1 to 95."""
    stream = io.BytesIO()
    Image.fromarray(image).save(stream, format="JPEG", quality=quality)
    with Image.open(stream) as picture:
        return np.asarray(picture, dtype=np.uint8)
