"""HTTPStatus, made when it is asked for."""

from enum import IntEnum

from http import _CODES

HTTPStatus = IntEnum("HTTPStatus", [(name, code) for code, (name, _) in _CODES.items()])
HTTPStatus.phrase = property(lambda self: _CODES[int(self)][1])
