"""Requests made up from the service's own OpenAPI document, right and wrong ones: none is a bug of ours.

Left out are paths that read or write files of this machine by name (a made-up path may exist) and those
that answer without an end; both have tests of their own.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.core.result import Ok

from nexus.core import config
from nexus.service.server import create_app
from tests.running import Service, running

MODEL = "smollm2-135m"
LEFT_OUT = {
    ("POST", "/api/knowledge"),
    ("POST", "/api/sessions"),
    ("POST", "/api/memories/export"),
    ("POST", "/api/memories/import"),
    ("POST", "/api/projects/approve"),
    ("POST", "/api/projects/withdraw"),
    ("GET", "/api/projects/memories"),
    ("POST", "/api/hooks"),
    ("GET", "/api/events"),
}
LENGTHS = ("max_tokens", "max_completion_tokens", "max_output_tokens")
EXAMPLES = 10

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def service(tmp_path_factory, models_folder, granite_folder, embedder_folder, smollm2_path):
    home = tmp_path_factory.mktemp("schema") / "home"
    tiny = {"NEXUS_ENGINE_CONTEXT": "1024", "NEXUS_ENGINE_REPLY_TOKENS": "4"}
    with running(home, models_folder, **tiny) as service:
        yield service


def shaped(path: str, body: Any) -> Any:
    """The body, asking for a model that is there, a short answer, and no folder of this machine."""
    if not isinstance(body, dict):
        return body
    vectors = path in ("/v1/embeddings", "/v1/rerank", "/rerank")
    # A wrong type stays one.
    if isinstance(body.get("model"), str):
        body["model"] = "all-minilm-l6-v2" if vectors else MODEL
    for name in LENGTHS:
        if type(body.get(name)) is int:
            body[name] = min(body[name], 4)
    if isinstance(body.get("project"), str):
        body["project"] = ""
    return body


def bugs_of(operation: Any, mode: GenerationMode, service: Service) -> tuple[int, list[str]]:
    """How many requests were made of an operation, and those that were answered as bugs."""
    headers = {"authorization": f"Bearer {service.token}"}
    asked, bugs = 0, []

    @given(case=operation.as_strategy(generation_mode=mode))
    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        derandomize=True,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    def ask(case: Any) -> None:
        nonlocal asked
        asked += 1
        case.body = shaped(operation.path, case.body)
        reply = case.call(base_url=service.url, headers=headers, timeout=60)
        if reply.status_code == 500 or "a bug of NexusOS" in reply.text:
            what = f"{case.method} {case.formatted_path} {case.body!r:.300}"
            bugs.append(f"{what}\n{reply.status_code} {reply.text:.300}")

    with suppress(Unsatisfiable):  # there is nothing wrong that could be sent
        ask()
    return asked, bugs


@pytest.mark.parametrize(("mode", "most"), [(GenerationMode.POSITIVE, 37), (GenerationMode.NEGATIVE, 15)])
def test_no_request_is_a_bug(service: Service, mode: GenerationMode, most: int, home: Any) -> None:
    schema = schemathesis.openapi.from_dict(create_app(config.load()).openapi())
    tried, bugs = 0, []
    for found in schema.get_all_operations():
        assert isinstance(found, Ok), found
        operation = found.ok()
        if (operation.method.upper(), operation.path) not in LEFT_OUT:
            asked, wrong = bugs_of(operation, mode, service)
            tried += asked > 0
            bugs += wrong
    assert bugs == []
    assert tried >= most, "requests were made"
    with service.client() as http:
        assert http.get("/readyz").json()["status"] == "ready"
