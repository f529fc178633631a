"""open(), by another name."""

from _files import open
