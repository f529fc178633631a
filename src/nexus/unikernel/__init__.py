"""LibOS: images that link only what an application uses, and sandboxes that run them (seed 000).

Building: `builder`, `images`, `sources`, `explain`. Running: `sandbox`, `pool`, `tenders`. The contract
between a guest and what runs it is native/libos/include/nx_abi.h, in Python `abi`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from nexus.core.contract import offered

if TYPE_CHECKING:
    from nexus.unikernel.grants import Grants as Grants
    from nexus.unikernel.grants import HostFunction as HostFunction
    from nexus.unikernel.images import Image as Image
    from nexus.unikernel.limits import Limits as Limits
    from nexus.unikernel.pool import Pool as Pool
    from nexus.unikernel.result import Result as Result
    from nexus.unikernel.sandbox import Sandbox as Sandbox
    from nexus.unikernel.sandbox import run_image as run_image

__getattr__, __dir__, __all__ = offered(
    __name__,
    {
        "grants": "Grants HostFunction",
        "images": "Image",
        "limits": "Limits",
        "pool": "Pool",
        "result": "Result",
        "sandbox": "Sandbox run_image",
    },
)
