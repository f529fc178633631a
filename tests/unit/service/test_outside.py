"""What a confined service asks systemd to start: confinement is seen, a refusal says what to run."""

from __future__ import annotations

from pathlib import Path

import pytest

from nexus.core.errors import NexusError
from nexus.service.outside import is_confined, start_outside


@pytest.mark.parametrize(("text", "confined"), [("NoNewPrivs:\t1\n", True), ("NoNewPrivs:\t0\n", False)])
def test_a_process_that_can_gain_no_right_is_confined(tmp_path: Path, text: str, confined: bool) -> None:
    status = tmp_path / "status"
    status.write_text(f"Name:\tpython\nSeccomp:\t2\n{text}")
    assert is_confined(status) is confined
    assert is_confined(tmp_path / "none") is False


@pytest.mark.parametrize("script", [None, "#!/bin/sh\necho no manager here >&2\nexit 3\n"])
def test_a_refusal_says_why_and_which_command_to_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str | None
) -> None:
    if script:
        (tmp_path / "systemd-run").write_text(script)
        (tmp_path / "systemd-run").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(NexusError, match="systemd-run: ") as refused:
        start_outside(("python", "-m", "nexus", "mount", "/srv/memex"), {"NEXUS_HOME": "/srv/nexus"})
    assert refused.value.hint == "run it yourself: nexus mount /srv/memex"
    assert not script or "no manager here" in refused.value.message
