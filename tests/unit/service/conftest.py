"""Stores are opened, killed and damaged here by the hundred."""

from tests.in_ram import tmp_path, tmp_path_factory

__all__ = ["tmp_path", "tmp_path_factory"]
