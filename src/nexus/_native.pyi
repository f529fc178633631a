"""The compiled module; built by CMake from native/.

Used through nexus.core.platform, and nexus.cortex.scan for what begins with cortex_.
"""

import numpy as np
from numpy.typing import NDArray

def die_with_parent(signal: int) -> int: ...
def can_trim_heap() -> bool: ...
def trim_heap() -> bool: ...
def limit_heaps(count: int) -> bool: ...
def release_libraries() -> tuple[int, int]: ...
def release_files(folder: str, left_alone: str, /) -> tuple[int, int]: ...
def cpu_features() -> dict[str, bool]: ...
def cortex_kernels() -> list[int]: ...
def cortex_scan(
    kernel: int,
    codes: NDArray[np.int8],
    scales: NDArray[np.float32],
    count: int,
    question: NDArray[np.float32],
    allowed: NDArray[np.uint64] | None,
    rows: NDArray[np.uint32],
    scores: NDArray[np.float32],
) -> int: ...
def cortex_max_similarity(
    kernel: int,
    question: NDArray[np.float32],
    tokens: NDArray[np.int8],
    offsets: NDArray[np.uint64],
    scale: float,
    scores: NDArray[np.float32],
) -> None: ...
