"""Every error leaves in the envelope of the interface being spoken."""

from __future__ import annotations

import logging
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from nexus.core.errors import BusyError, InvalidInputError, NexusError, NotFoundError
from nexus.service.api import anthropic_errors, ollama_errors

_log = logging.getLogger(__name__)
_SHOWN_CHARS = 80


def response(request: Request, error: NexusError) -> Response:
    """The HTTP form of an error."""
    if ollama_errors.speaks(request.url.path):
        again = {"retry-after": str(error.retry_after)} if isinstance(error, BusyError) else {}
        return JSONResponse(ollama_errors.body_of(error), error.http_status, again)
    if anthropic_errors.speaks(request.url.path):
        told = anthropic_errors.body_of(error)
        told["error"]["message"] = _printable(told["error"]["message"])
        status, more = anthropic_errors.status_of(error), anthropic_errors.headers_of(error)
        return JSONResponse(told, status, {**more, "request-id": told["request_id"]})
    headers = {"retry-after": str(error.retry_after)} if isinstance(error, BusyError) else {}
    if request.url.path.startswith("/v1"):
        body = _openai(str(error), error.http_status, error.code)
    else:
        body = {"code": error.code, "message": error.message, "hint": error.hint}
    return JSONResponse(
        {"error": {key: _printable(value) for key, value in body.items()}}, error.http_status, headers
    )


def openai_event(told: dict[str, Any]) -> dict[str, Any]:
    """An error that a job reported (`service.answer.envelope`), as OpenAI's streams hold it."""
    error = told["error"]
    text = f"{error['message']} ({error['hint']})" if error["hint"] else error["message"]
    return {"error": _openai(text, told["status"], error["code"])}


def _openai(text: str, status: int, code: str) -> dict[str, Any]:
    kind = "invalid_request_error" if status < 500 else "server_error"
    return {"message": text, "type": kind, "param": None, "code": code}


def _printable(value: Any) -> Any:
    """Half a character, which a request may hold, has no bytes: it is shown as an escape."""
    return value.encode("utf-8", "backslashreplace").decode() if isinstance(value, str) else value


def install(app: FastAPI) -> None:
    """Register the handlers."""

    async def nexus_error(request: Request, error: Exception) -> Response:
        assert isinstance(error, NexusError)
        return response(request, error)

    async def validation(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"] if part != "body") or "the body"
        value = first.get("input")
        # A word that was mistyped helps to find it; a page of text or a table does not.
        short = isinstance(value, (str, int, float)) and len(str(value)) <= _SHOWN_CHARS
        given = f", not {value!r}" if short else ""
        return response(request, InvalidInputError(f"{where}: {first['msg']}{given}"))

    async def http(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        known = NotFoundError(f"there is no {request.url.path}", hint="see /docs")
        shown = known if error.status_code == 404 else InvalidInputError(str(error.detail))
        shown.http_status = error.status_code
        return response(request, shown)

    async def bug(request: Request, error: Exception) -> Response:
        _log.error("unexpected error", exc_info=error)
        return response(request, NexusError(f"a bug of NexusOS: {error!r}", hint="see the log"))

    app.add_exception_handler(NexusError, nexus_error)
    app.add_exception_handler(RequestValidationError, validation)
    app.add_exception_handler(HTTPException, http)
    app.add_exception_handler(Exception, bug)
