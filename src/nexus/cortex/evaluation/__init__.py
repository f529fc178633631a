"""How good Cortex is, in numbers: what `nexus bench cortex` measures and the scripts in bench/ share.

Everything runs on the real parts in a home of its own; the judged sets are read from a folder that
the caller names. Nothing here is imported when Cortex serves.
"""
