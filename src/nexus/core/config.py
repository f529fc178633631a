"""Configuration: defaults < NEXUS_HOME/config.toml < NEXUS_* environment < flags.

`load` gives the valid settings together with where each value came from. A wrong key or value is a
`ConfigError` that names the file and line (or the variable) and what is allowed.
"""

from __future__ import annotations

import difflib
import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from pydantic import Field, ValidationError
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from nexus.core.errors import ConfigError
from nexus.core.paths import Home
from nexus.core.settings import (
    AgentmemSettings,
    AgentsSettings,
    BackgroundSettings,
    CortexSettings,
    EngineSettings,
    HousekeepingSettings,
    MemexSettings,
    ModelsSettings,
    SandboxSettings,
    Section,
    ServiceSettings,
    TrainingSettings,
)

# NEXUS_ variables that are not settings: the home itself and what single commands, tests and benches read.
_OTHER_VARIABLES = {
    "NEXUS_HOME",
    "NEXUS_DATA",
    "NEXUS_FLAT_HOURS",
    "NEXUS_SOAK_HOURS",
    "NEXUS_STORM_KILLS",
    "NEXUS_AGENTMEM",
    "NEXUS_AGENTMEMD",
    "NEXUS_AGENTMEM_ADDON",
    "NEXUS_AGENTMEM_NODE",
    "NEXUS_SHARE_URL",
    "NEXUS_UNIKERNEL_SOURCES",
}
_OF_TESTS = "NEXUS_TEST_"
_LAYERS = ("flag", "environment", "file", "default")


class Settings(BaseSettings):
    """All settings, by section."""

    model_config = SettingsConfigDict(
        env_prefix="NEXUS_",
        env_nested_delimiter="_",
        env_nested_max_split=1,
        extra="forbid",
        frozen=True,
    )

    service: ServiceSettings = Field(default_factory=lambda: ServiceSettings())
    engine: EngineSettings = Field(default_factory=lambda: EngineSettings())
    cortex: CortexSettings = Field(default_factory=lambda: CortexSettings())
    background: BackgroundSettings = Field(default_factory=lambda: BackgroundSettings())
    housekeeping: HousekeepingSettings = Field(default_factory=lambda: HousekeepingSettings())
    models: ModelsSettings = Field(default_factory=lambda: ModelsSettings())
    training: TrainingSettings = Field(default_factory=lambda: TrainingSettings())
    agents: AgentsSettings = Field(default_factory=lambda: AgentsSettings())
    agentmem: AgentmemSettings = Field(default_factory=lambda: AgentmemSettings())
    memex: MemexSettings = Field(default_factory=lambda: MemexSettings())
    sandbox: SandboxSettings = Field(default_factory=lambda: SandboxSettings())

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The layers are merged by `load`, so that each value's origin is known."""
        return (init_settings,)


@dataclass(frozen=True, slots=True)
class Value:
    """One effective setting and its origin."""

    key: str
    value: Any
    origin: str
    description: str


@dataclass(frozen=True, slots=True)
class Config:
    """The settings in force, and the file and layers they came from."""

    settings: Settings
    home: Home
    layers: Mapping[str, Mapping[str, Any]]

    def values(self) -> list[Value]:
        """Every key with its value and origin, in the order of the documentation."""
        rows = []
        for key, field in fields().items():
            section, name = key.split(".")
            layer = next((n for n in _LAYERS[:-1] if name in self.layers[n].get(section, {})), "default")
            origin = {
                "flag": "flag",
                "environment": variable(key),
                "file": f"{self.home.config_file}",
                "default": "default",
            }[layer]
            value = getattr(getattr(self.settings, section), name)
            rows.append(Value(key, value, origin, field.description or ""))
        return rows


def fields() -> dict[str, FieldInfo]:
    """Every setting by its dotted key."""
    return {
        f"{section}.{name}": field
        for section, info in Settings.model_fields.items()
        for name, field in _section_class(info).model_fields.items()
    }


def variable(key: str) -> str:
    """The environment variable of a dotted key: `engine.model` -> `NEXUS_ENGINE_MODEL`."""
    return "NEXUS_" + key.replace(".", "_").upper()


def load(flags: Mapping[str, Any] | None = None, env: Mapping[str, str] = os.environ) -> Config:
    """Read all layers. `flags` maps dotted keys to values. Raises `ConfigError`."""
    home = Home.from_env(env)
    text = _read(home.config_file)
    layers = {
        "file": _parse(home.config_file, text),
        "environment": _environment(env),
        "flag": _nested({k: v for k, v in (flags or {}).items() if v is not None}),
    }
    merged: dict[str, dict[str, Any]] = {}
    for name in ("file", "environment", "flag"):
        for section, values in layers[name].items():
            merged.setdefault(section, {}).update(values)
    try:
        settings = Settings(**merged)  # type: ignore[arg-type]
    except ValidationError as error:
        raise _explain(error, layers, home.config_file, text) from None
    return Config(settings, home, layers)


def _section_class(info: FieldInfo) -> type[Section]:
    annotation = info.annotation
    assert isinstance(annotation, type)
    assert issubclass(annotation, Section)
    return annotation


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return ""
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot read {path}: {error}", hint="mend or remove the file") from error


def _parse(path: Path, text: str) -> dict[str, dict[str, Any]]:
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: {error}", hint="the file is TOML: key = value") from error
    known = fields()
    for section, values in table.items():
        if section not in Settings.model_fields or not isinstance(values, dict):
            raise ConfigError(
                f"{path}:{_line(text, section)}: unknown section {section!r}",
                hint=f"sections are {', '.join(Settings.model_fields)}",
            )
        for name in values:
            if f"{section}.{name}" not in known:
                allowed = [k.split(".")[1] for k in known if k.startswith(section + ".")]
                raise ConfigError(
                    f"{path}:{_line(text, section, name)}: unknown key {name!r} in [{section}]",
                    hint=_suggest(name, allowed),
                )
    return table


def _environment(env: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    names = {variable(key): key for key in fields()}
    for name in env:
        other = name in _OTHER_VARIABLES or name.startswith(_OF_TESTS)
        if name.startswith("NEXUS_") and name not in names and not other:
            raise ConfigError(f"unknown variable {name}", hint=_suggest(name, list(names)))
    return _nested({names[n]: v for n, v in env.items() if n in names})


def _nested(flat: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    nested: dict[str, dict[str, Any]] = {}
    for key, value in flat.items():
        section, name = key.split(".")
        nested.setdefault(section, {})[name] = value
    return nested


def _suggest(name: str, allowed: list[str]) -> str:
    close = difflib.get_close_matches(name, allowed, n=1)
    return f"did you mean {close[0]}?" if close else f"allowed: {', '.join(allowed)}"


def _line(text: str, section: str, name: str = "") -> int:
    """The 1-based line of `[section]` or of `name =` inside it; 1 where it cannot be told."""
    inside, found = False, 1
    for number, line in enumerate(text.splitlines(), 1):
        header = re.match(r"\s*\[\s*([\w.-]+)\s*\]", line)
        if header:
            inside = header[1] == section
            if inside:
                found = number
                if not name:
                    return number
        elif (inside and name and re.match(rf"\s*{re.escape(name)}\s*=", line)) or re.match(
            rf"\s*{re.escape(section)}\s*(\.\s*{re.escape(name)}\s*)?=", line
        ):
            return number
    return found


def _explain(
    error: ValidationError, layers: Mapping[str, Mapping[str, Any]], path: Path, text: str
) -> ConfigError:
    first = error.errors()[0]
    section, name = str(first["loc"][0]), str(first["loc"][1]) if len(first["loc"]) > 1 else ""
    key = f"{section}.{name}"
    layer = next((n for n in _LAYERS[:-1] if name in layers[n].get(section, {})), "default")
    where = {
        "flag": f"flag {key}",
        "environment": variable(key),
        "file": f"{path}:{_line(text, section, name)}: {key}",
        "default": key,
    }[layer]
    field = fields().get(key)
    choices = get_args(field.annotation) if field else ()
    allowed = ", ".join(str(c) for c in choices if isinstance(c, str))
    message = f"{where} = {first.get('input')!r}: {first['msg'][0].lower()}{first['msg'][1:]}"
    return ConfigError(
        message,
        hint=f"allowed: {allowed}" if allowed else (field.description or "") if field else "",
    )
