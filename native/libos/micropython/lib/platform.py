"""python_version, python_implementation, system, machine, platform, uname and their like, of this guest.

The language is that of CPython 3.11 as far as it goes, so that is the version told. Nothing is told of the
host.
"""

import sys
from collections import namedtuple

uname_result = namedtuple("uname_result", "system node release version machine processor")


def python_version():
    return "3.11.0"


def python_version_tuple():
    return tuple(python_version().split("."))


def python_implementation():
    return "MicroPython"


def python_compiler():
    return ""


def python_build():
    return "", ""


python_branch = python_revision = python_compiler


def system():
    return "NexusOS"


def node():
    return "guest"


def release():
    return ".".join([str(part) for part in sys.implementation[1][:3]])


def version():
    return sys.version


def machine():
    return "x86_64"


def processor():
    return ""


def architecture(executable=None, bits="", linkage=""):
    return "64bit", "ELF"


def platform(aliased=False, terse=False):
    return f"{system()}-{release()}" if terse else f"{system()}-{release()}-{machine()}"


def uname():
    return uname_result(system(), node(), release(), version(), machine(), processor())


def libc_ver(executable=None, lib="", version="", chunksize=16384):
    return lib, version
