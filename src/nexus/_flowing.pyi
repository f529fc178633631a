"""The compiled module; built by CMake from native/flowing. Used through nexus.flowing.flow."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

def kernels() -> str: ...

class Core:
    totals: tuple[int, int]
    def __init__(
        self,
        *,
        base_bits: int,
        user_bits: int,
        energy_bits: int,
        match_bits: int,
        relaxation_steps: int,
        relaxation_stop: float,
        mixer_rate: float,
        user_mixer_rate: float,
        gate_rate: float,
        row_rate: float,
        readout_rate: float,
    ) -> None: ...
    def begin(self) -> None: ...
    def read(self, data: bytes, learn: bool, kind: int) -> tuple[NDArray[np.float32], int]: ...
    def predict(self, kind: int) -> NDArray[np.float32]: ...
    def usable(self) -> bool: ...
    def arrays(self) -> dict[str, NDArray[Any]]: ...
