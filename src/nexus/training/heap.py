"""What this process frees, it keeps: for programs that make and free the same large tensors all the time.

glibc gives large blocks back to the system as soon as they are freed and gets them back page by page, zeroed,
a moment later: a fifth of the time of a step of training on a CPU. Knows the C library; knows no tensor.
Invariant: elsewhere than on glibc nothing changes; the process grows to its largest moment and no further.
"""

from __future__ import annotations

import ctypes
from typing import Final

# Of <malloc.h>, which no release has changed.
_TRIM_THRESHOLD: Final = -1
_TOP_PAD: Final = -2
_MMAP_MAX: Final = -4
_SETTINGS: Final = ((_MMAP_MAX, 0), (_TRIM_THRESHOLD, 2**31 - 1), (_TOP_PAD, 1 << 26))


def keep_freed() -> bool:
    """From now on, in all threads; false where the C library has no such switch."""
    try:
        set_ = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError):
        return False
    return all(set_(name, value) == 1 for name, value in _SETTINGS)
