"""The converters that the installer of models is given: a name of the catalog, and what makes the files.

Separate from them, so that knowing their names loads none of what they need.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from nexus.core.errors import MissingPartError
from nexus.core.models.installer import Converter


def _granite(pack: Path, folder: Path) -> None:
    # Imported here: numpy and onnx take longer to load than everything else a pull needs.
    try:
        from nexus.cortex.granite import convert
    except ImportError as error:
        raise MissingPartError(
            f"{error.name} is not installed", hint="pip install numpy onnx onnxruntime"
        ) from error
    convert(pack, folder)


CONVERTERS: Mapping[str, Converter] = {"granite-pack": _granite}
