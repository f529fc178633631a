"""ConfigParser, RawConfigParser, BasicInterpolation, ExtendedInterpolation, SectionProxy, the errors.

Lacks: LegacyInterpolation, the deprecated readfp, and options of one's own for what a section header is.
"""

from configparser._errors import (
    DuplicateOptionError,
    DuplicateSectionError,
    Error,
    InterpolationDepthError,
    InterpolationError,
    InterpolationMissingOptionError,
    InterpolationSyntaxError,
    MissingSectionHeaderError,
    NoOptionError,
    NoSectionError,
    ParsingError,
)
from configparser._interpolation import BasicInterpolation, ExtendedInterpolation, Interpolation
from configparser._parser import ConfigParser, RawConfigParser, SectionProxy

DEFAULTSECT = "DEFAULT"
MAX_INTERPOLATION_DEPTH = 10

__all__ = [
    "DEFAULTSECT",
    "MAX_INTERPOLATION_DEPTH",
    "BasicInterpolation",
    "ConfigParser",
    "DuplicateOptionError",
    "DuplicateSectionError",
    "Error",
    "ExtendedInterpolation",
    "Interpolation",
    "InterpolationDepthError",
    "InterpolationError",
    "InterpolationMissingOptionError",
    "InterpolationSyntaxError",
    "MissingSectionHeaderError",
    "NoOptionError",
    "NoSectionError",
    "ParsingError",
    "RawConfigParser",
    "SectionProxy",
]
