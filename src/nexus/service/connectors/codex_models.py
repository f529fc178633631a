"""What Codex is told about the local model: a file of its own beside its settings.

Without it Codex takes a model that it does not know for one of its provider's, gives it 6,000 tokens of
instructions and tools for images. Knows nothing of the settings that name the file.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from nexus.core.errors import InvalidInputError
from nexus.service.connectors.plan import Service
from nexus.service.connectors.record import Record

FILE = "nexus-models.json"
_OURS = "The model of this machine, by NexusOS"
# Written so that Qwen2.5-Coder 1.5B calls the tool: at 18 of 20 requests that need it, and at 6 of 10 that do
# not; without the example at 8 and 1 (docs/log.md).
_INSTRUCTIONS = """You are a coding agent in the user's terminal. For any question about files or the \
machine, answer first with a call of exec_command and nothing else, like this:
{"name": "exec_command", "arguments": {"cmd": "ls"}}
When the output holds the answer, say it in one sentence."""
# Of the window, what the output of one command may fill.
_OUTPUT_SHARE = 8
_MOST_OUTPUT = 10_000
_USUAL_WINDOW = 32_768


@dataclass(frozen=True, slots=True)
class Models:
    """The whole file is this part."""

    service: Service
    name: str = "models"
    private: bool = False

    def present(self, text: str, place: str, before: Record | None) -> bool:
        """Whether it is ours."""
        return _OURS in text

    def put(self, text: str, place: str) -> str:
        """The file as Codex reads it: `models`, each with all that it takes for granted.

        Raises `InvalidInputError` for a file of somebody else's.
        """
        if text and not self.present(text, place, None):
            raise InvalidInputError(f"{place} is not ours", hint="rename it")
        window = self.service.window or _USUAL_WINDOW
        model = {
            "slug": self.service.model,
            "display_name": self.service.model,
            "description": _OURS,
            "base_instructions": _INSTRUCTIONS,
            "context_window": window,
            "max_context_window": window,
            "effective_context_window_percent": 95,
            "truncation_policy": {"mode": "tokens", "limit": min(_MOST_OUTPUT, window // _OUTPUT_SHARE)},
            "input_modalities": ["text"],
            "shell_type": "unified_exec",
            "apply_patch_tool_type": None,
            "supports_parallel_tool_calls": False,
            "experimental_supported_tools": [],
            "include_skills_usage_instructions": False,
            "include_plugin_usage_instructions": False,
            "include_apps_usage_instructions": False,
            "supported_reasoning_levels": [],
            "supports_reasoning_summaries": False,
            "default_reasoning_summary": "none",
            "support_verbosity": False,
            "default_verbosity": None,
            "availability_nux": None,
            "upgrade": None,
            "supported_in_api": True,
            "visibility": "list",
            "priority": 0,
        }
        return json.dumps({"models": [model]}, indent=2, ensure_ascii=False) + "\n"

    def take(self, text: str, place: str, before: Record | None) -> str:
        """Nothing, where it is ours."""
        return "" if self.present(text, place, before) else text
