"""Configuration: layers, origins, and errors that say where to look."""

from __future__ import annotations

import pytest

from nexus.core.config import fields, load, variable
from nexus.core.errors import ConfigError
from nexus.core.settings import Section


@pytest.fixture
def env(tmp_path):
    return {"NEXUS_HOME": str(tmp_path)}


def origin_of(config, key):
    return next(v.origin for v in config.values() if v.key == key)


def test_each_layer_beats_the_one_below(env, tmp_path):
    assert load(env=env).settings.service.port == 8000
    (tmp_path / "config.toml").write_text("[service]\nport = 1001\nqueue = 5\n")
    assert load(env=env).settings.service.port == 1001
    env["NEXUS_SERVICE_PORT"] = "1002"
    assert load(env=env).settings.service.port == 1002
    config = load({"service.port": 1003}, env)
    assert config.settings.service.port == 1003
    assert config.settings.service.queue == 5
    assert origin_of(config, "service.port") == "flag"
    assert origin_of(config, "service.queue") == str(tmp_path / "config.toml")
    assert origin_of(config, "engine.model") == "default"
    assert origin_of(load(env=env), "service.port") == "NEXUS_SERVICE_PORT"


def test_a_flag_that_was_not_given_changes_nothing(env):
    assert origin_of(load({"service.port": None}, env), "service.port") == "default"


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("[engine]\n\nmodl = 'x'\n", 3, "did you mean model"),
        ("[engin]\n", 1, "service, engine, cortex, background, housekeeping, models"),
        ("x = 1\n", 1, "unknown section"),
        ("# c\n[engine]\nkind = 'foo'\n", 3, "allowed: auto, local, llamacpp, remote"),
        ("[service]\nport = 99999\n", 2, "99999"),
        ("[cortex]\nchunk_tokens = 'many'\n", 2, "'many'"),
        ("[engine]\nthreads = -1\n", 2, "-1"),
        ("[background]\nidle_percent = 101\n", 2, "101"),
        ("[housekeeping]\ncritical_mb = 2000\n", 2, "below warning_mb = 2048"),
        ("[housekeeping]\nbuffer_trim_percent = 95\n", 2, "not below buffer_full_percent = 90"),
    ],
)
def test_a_mistake_in_the_file_names_file_line_and_remedy(env, tmp_path, text, line, words):
    (tmp_path / "config.toml").write_text(text)
    with pytest.raises(ConfigError) as caught:
        load(env=env)
    assert f"config.toml:{line}:" in str(caught.value)
    assert words in str(caught.value)


def test_a_value_that_does_not_fit_a_default_is_refused_too(env, tmp_path):
    (tmp_path / "config.toml").write_text("[housekeeping]\nwarning_mb = 5000\n")
    with pytest.raises(ConfigError, match=r"housekeeping.critical_mb = 4096: .*below warning_mb = 5000"):
        load(env=env)


@pytest.mark.parametrize("content", [b"a =", b"\xff\xfe", b"[a\n"])
def test_a_file_that_is_not_toml_is_named(env, tmp_path, content):
    (tmp_path / "config.toml").write_bytes(content)
    with pytest.raises(ConfigError, match=r"config\.toml"):
        load(env=env)


def test_a_mistake_in_the_environment_names_the_variable(env):
    with pytest.raises(ConfigError, match="NEXUS_SERVICE_PORT"):
        load(env={**env, "NEXUS_SERVICE_PORT": "http"})
    with pytest.raises(ConfigError, match="did you mean NEXUS_ENGINE_MODEL"):
        load(env={**env, "NEXUS_ENGINE_MODLE": "x"})
    assert load(env={**env, "NEXUS_TEST_CLAUDE": "/bin/claude"}).settings == load(env=env).settings


def test_lists_are_written_as_in_the_shell(env):
    config = load(env={**env, "NEXUS_MODELS_SEARCH_PATH": "/a:/b", "NEXUS_MODELS_SOURCES": "path, hub"})
    assert [str(p) for p in config.settings.models.search_path] == ["/a", "/b"]
    assert config.settings.models.sources == ("path", "hub")


def test_a_relative_home_is_refused():
    with pytest.raises(ConfigError, match="not an absolute path"):
        load(env={"NEXUS_HOME": "nexus"})


def test_every_setting_has_a_description_and_its_own_variable():
    assert all(field.description for field in fields().values())
    assert len({variable(key) for key in fields()}) == len(fields())
    assert not any("_" in key.split(".")[0] for key in fields()), Section
