"""Video files as pictures, one frame at a time; OpenCV decodes them where it is installed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from regraft.core.errors import DataError, InputError
from regraft.data.image.decoding import Picture

SUFFIXES = (".mp4", ".avi", ".mov", ".mkv", ".webm", ".m4v", ".mpg", ".mpeg")


def is_video(text: str) -> bool:
    """Whether it names a file that ends as videos do."""
    return Path(text).suffix.lower() in SUFFIXES and Path(text).is_file()


def frames(path: str) -> Iterator[tuple[str, Picture]]:
    """(name, uint8 (h, w, 3) in RGB) of each frame in order, named ``PATH/STEM-NUMBER`` from 000000 on.

    Raises ``InputError`` where OpenCV is missing, ``DataError`` where nothing can be decoded.
    """
    cv2 = _opencv()
    video, number = cv2.VideoCapture(path), 0
    try:
        while True:
            there, frame = video.read()
            if not there:
                break
            yield f"{path}/{Path(path).stem}-{number:06d}", np.ascontiguousarray(frame[:, :, ::-1])
            number += 1
    finally:
        video.release()
    if not number:
        raise DataError(f"{path} cannot be read as a video: OpenCV decodes no frame of it.")


def _opencv() -> Any:
    try:
        import cv2
    except ImportError as error:
        raise InputError("Videos need OpenCV: pip install 'regraft[video]'.") from error
    return cv2
