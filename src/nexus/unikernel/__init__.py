"""LibOS: images that link only what an application uses, and sandboxes that run them (seed 000).

Building: `builder`, `images`, `sources`, `explain`. Running: `sandbox`, `pool`, `tenders`. The contract
between a guest and what runs it is native/libos/include/nx_abi.h, in Python `abi`.
"""
