"""Image files and arrays to frames: bytes are read once, checked for truncation, then decoded."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path, PurePath

import cv2
import numpy as np

from edgeneuro.data.arrays import decode_npy
from edgeneuro.data.tiff_directories import is_tiff, read_directories
from edgeneuro.errors import FrameError
from edgeneuro.spec import Frame

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".npy")
"""Of the files that can be read, in lower case; upper case is accepted as well."""

_PNG, _JPEG, _BMP = b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"BM"
_DAMAGED = "copy it again from where it was recorded"
_NO_FRAME_HEADER = (0xC4, 0xC8, 0xCC)
"""JPEG markers between C0 and CF that are tables or reserved; the others start a frame (ITU-T T.81, table B.1)."""
_PHOTOMETRIC = 262
_ODD_COLOURS = {5: "CMYK", 8: "L*a*b*", 9: "L*a*b*", 10: "L*a*b*"}
"""Values of that TIFF tag that are neither grey nor RGB nor a code for them (TIFF 6.0, section 8)."""

_AS_STORED = cv2.IMREAD_ANYCOLOR | cv2.IMREAD_ANYDEPTH
"""Grey or colour without alpha, in the depth of the file, turned as its orientation says (IMREAD_UNCHANGED would not)."""

# Whatever OpenCV would print about a broken file is said in the FrameError: level 0 is silent. The function moved in 5.0.
_set_log_level = getattr(cv2, "setLogLevel", None) or cv2.utils.logging.setLogLevel
_set_log_level(0)


def is_frame_file(path: PurePath) -> bool:
    """Whether the name of `path` ends like a file that can be read."""
    return path.suffix.lower() in SUFFIXES


def read_frame(path: Path) -> Frame:
    """The frame in the file `path`; see `decode_frame`. Raises FrameError, also for a missing file."""
    try:
        data = path.read_bytes()
    except FileNotFoundError as error:
        raise FrameError(f"{path}: no such file; check the name") from error
    except IsADirectoryError as error:
        raise FrameError(f"{path}: is a folder, expected one image file") from error
    except OSError as error:
        raise FrameError(f"{path}: cannot be read ({error.strerror or error}); check its permissions") from error
    return decode_frame(data, str(path))


def decode_frame(data: bytes, name: str) -> Frame:
    """The frame in `data`, the content of a file called `name` (its suffix says which kind to expect).

    Returns (height, width) grey or (height, width, 3) RGB, uint8 or uint16 as stored; from .npy and TIFF also
    float, whose range `Preprocess` checks. The right way up: EXIF and TIFF orientation are applied. Transparency is
    dropped. Raises FrameError for an unsupported suffix, for a file that is empty, truncated, damaged where its format
    lets one see it, of several pages, or in CMYK or L*a*b* colours.
    """
    suffix = PurePath(name).suffix.lower()
    if suffix not in SUFFIXES:
        raise FrameError(
            f"{name}: files ending in {suffix or 'nothing'!r} cannot be read, expected {' '.join(SUFFIXES)}; convert it"
        )
    if not data:
        raise FrameError(f"{name}: is empty (0 bytes); {_DAMAGED}")
    return _checked(_decode_array(data, name) if suffix == ".npy" else _decode_image(data, name), name)


def _decode_array(data: bytes, name: str) -> Frame:
    if data.startswith(b"PK"):
        raise FrameError(f"{name}: is a .npz archive, expected one array; save it with numpy.save")
    array: Frame = decode_npy(data, name)
    return array[:, :, 0] if array.ndim == 3 and array.shape[2] == 1 else array


def _decode_image(data: bytes, name: str) -> Frame:
    if data.startswith(_PNG):
        _check_png(data, name)
    elif data.startswith(_JPEG):
        _check_jpeg(data, name)
    elif data.startswith(_BMP):
        _check_bmp(data, name)
    elif is_tiff(data):
        _check_tiff(data, name)
    else:
        raise FrameError(
            f"{name}: is not a PNG, JPEG, BMP or TIFF file (it starts with {data[:4].hex(' ')}); {_DAMAGED} or convert it"
        )
    try:
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), _AS_STORED)
    except cv2.error as error:
        raise FrameError(f"{name}: cannot be decoded ({error.err}); {_DAMAGED}") from error
    if pixels is None:
        raise FrameError(f"{name}: cannot be decoded, it is damaged or of a rare kind; {_DAMAGED} or save it as PNG")
    if pixels.ndim == 3:
        pixels = cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB)
    frame: Frame = pixels
    return frame


def _check_png(data: bytes, name: str) -> None:
    """Walk the chunks: each must be whole, carry the right CRC, and the last be IEND (ISO/IEC 15948, section 5)."""
    at = len(_PNG)
    while at + 12 <= len(data):
        (length,) = struct.unpack_from(">I", data, at)
        end = at + 12 + length
        if end > len(data):
            break
        if zlib.crc32(data[at + 4 : end - 4]) != struct.unpack_from(">I", data, end - 4)[0]:
            raise FrameError(f"{name}: is damaged, the checksum of a PNG chunk at byte {at} is wrong; {_DAMAGED}")
        if data[at + 4 : at + 8] == b"IEND":
            return
        at = end
    raise _truncated(data, name)


def _check_jpeg(data: bytes, name: str) -> None:
    """An end-of-image marker must follow the last start of scan; one before it belongs to a thumbnail. Four components
    are CMYK or YCCK."""
    if data.rfind(b"\xff\xd9") < max(data.rfind(b"\xff\xda"), 0):
        raise _truncated(data, name)
    if _jpeg_components(data) == 4:
        raise _odd_colours("CMYK", name)


def _jpeg_components(data: bytes) -> int | None:
    """Of the first frame header, which names them after length, precision, height and width (ITU-T T.81, B.2.2); None
    where the segments lead to no header."""
    at = 2
    while at + 10 <= len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        if marker == 0xFF:  # a fill byte
            at += 1
        elif 0xC0 <= marker <= 0xCF and marker not in _NO_FRAME_HEADER:
            return data[at + 9]
        else:
            at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    return None


def _check_bmp(data: bytes, name: str) -> None:
    """The header holds the size of the file (some writers leave it 0)."""
    if len(data) < 26 or struct.unpack_from("<I", data, 2)[0] > len(data):
        raise _truncated(data, name)


def _check_tiff(data: bytes, name: str) -> None:
    """One page, in colours that have an RGB."""
    pages = read_directories(data, name)
    if len(pages) != 1:
        raise FrameError(
            f"{name}: holds {len(pages)} pages, expected one frame a file; save each page as its own file (tiffsplit)"
        )
    colours = pages[0].get(_PHOTOMETRIC)
    if colours in _ODD_COLOURS:
        raise _odd_colours(_ODD_COLOURS[colours], name)


def _odd_colours(kind: str, name: str) -> FrameError:
    return FrameError(
        f"{name}: has {kind} colours, whose RGB depends on a colour profile, expected RGB or grey; open it in an image "
        "editor and save it as RGB (sRGB)"
    )


def _truncated(data: bytes, name: str) -> FrameError:
    return FrameError(f"{name}: is truncated, it ends after {len(data):,} bytes in mid-image; {_DAMAGED}")


def _checked(frame: Frame, name: str) -> Frame:
    if frame.dtype not in (np.bool_, np.uint8, np.uint16) and not np.issubdtype(frame.dtype, np.floating):
        raise FrameError(f"{name}: has pixels of {frame.dtype}, expected uint8, uint16 or float in 0..1; convert them")
    if not (frame.ndim == 2 or (frame.ndim == 3 and frame.shape[2] in (3, 4))) or 0 in frame.shape:
        raise FrameError(
            f"{name}: has shape {frame.shape}, expected (height, width) or (height, width, 3); "
            "save one frame a file, channels last"
        )
    return frame[:, :, :3] if frame.ndim == 3 else frame
