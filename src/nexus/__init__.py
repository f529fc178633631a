"""NexusOS: the memory system for AI agents on your own machine.

Importing this package imports nothing heavy; see `docs/map.md` for the rooms.
"""

__version__ = "0.1.0"
