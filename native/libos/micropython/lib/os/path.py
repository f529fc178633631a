"""os.path, which is posixpath."""

from posixpath import *
