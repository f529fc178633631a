"""Each file drives one library, in that library's own environment: `python -m peers.adapters.NAME`."""
