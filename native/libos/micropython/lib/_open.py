"""open(), by another name."""

from _files import open  # noqa: F401 - names of this module
