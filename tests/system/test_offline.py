"""The service talks to nobody.

The audit sees what Python code reaches for. What native parts send is seen at the end of a cable: the service
runs in a network of its own whose way out is a cable to nowhere, and not a byte may go into it. Libraries
that report to their makers keep still where CI is set, so it is not set here.
"""

from __future__ import annotations

import ast
import ipaddress
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.running import Service

pytestmark = pytest.mark.slow

AUDIT = Path(__file__).resolve().parents[1] / "audit"


def is_local(target: object) -> bool:
    """A Unix socket, no address at all, or loopback."""
    if isinstance(target, tuple):
        target = target[0]
    if target is None or (isinstance(target, str) and target.startswith("/")):
        return True
    text = target.decode() if isinstance(target, bytes) else str(target)
    try:
        return ipaddress.ip_address(text).is_loopback
    except ValueError:
        return text == "localhost"


def test_the_rule_tells_here_from_there():
    assert is_local(("127.0.0.1", 80))
    assert is_local("/run/engine.sock")
    assert is_local(None)
    assert not is_local(("192.0.2.1", 443))
    assert not is_local("telemetry.example")


def test_nothing_is_reached_but_this_machine(tmp_path, models_folder, granite_folder, smollm2_path):
    log = tmp_path / "audit.log"
    log.touch()
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "a.md").write_text("# Alpha\n\nThe alpha service listens on port 7001.\n")
    service = Service(tmp_path / "home", models_folder, PYTHONPATH=str(AUDIT), AUDIT_LOG=str(log))
    service.env.pop("CI", None)
    try:
        service.start()
        for command in (
            ["add", str(tmp_path / "docs")],
            ["remember", "the beta service listens on port 7002"],
            ["ask", "Which port does the alpha service listen on?"],
            ["recall", "beta"],
            ["status"],
            ["doctor"],
        ):
            assert service.cli(*command).returncode == 0, command
        assert service.stop() == 0
    finally:
        service.kill()
    reached = [line.split("\t") for line in log.read_text().splitlines()]
    assert reached, "the audit saw nothing"
    assert [line for line in reached if not is_local(ast.literal_eval(line[1]))] == []


@pytest.mark.skipif(not shutil.which("unshare") or not shutil.which("ip"), reason="needs unshare and ip")
def test_it_works_where_there_is_no_network_at_all(tmp_path, models_folder, granite_folder, smollm2_path):
    alone = ["unshare", "--net", "--map-root-user"]
    if subprocess.run([*alone, "ip", "link", "set", "lo", "up"], capture_output=True).returncode:
        pytest.skip("this machine does not allow a network namespace")
    service = Service(tmp_path / "home", models_folder)
    script = (
        'set -e; ip link set lo up; nexus() { python -m nexus "$@"; }\n'
        "nexus up --detach >/dev/null; nexus remember 'the beta service listens on port 7002' >/dev/null\n"
        "nexus ask 'Which port does the beta service listen on?'; nexus down\n"
    )
    done = subprocess.run(
        [*alone, "bash", "-c", script], env=service.env, capture_output=True, text=True, timeout=200
    )
    assert done.returncode == 0, done.stderr
    assert "the beta service listens on port 7002" in done.stdout


# The cable's ends, and a name server at its far end: who looks up a name sends something, too.
CABLE = """set -e
ip link set lo up
ip link add out0 type veth peer name out1
for version in /proc/sys/net/ipv6/conf/*/disable_ipv6; do echo 1 > $version; done
ip addr add 192.0.2.2/24 dev out0
ip link set out1 up
ip link set out0 up
ip route add default via 192.0.2.1 dev out0
echo 'nameserver 192.0.2.53' > "$RESOLV"
mount --bind "$RESOLV" /etc/resolv.conf
echo "the cable is there"
nexus() { python -m nexus "$@"; }
sent() { awk '$1 == "out0:" { print "sent", $10 }' /proc/net/dev; }
"""
REACHES = "import socket; socket.socket(type=socket.SOCK_DGRAM).sendto(b'x', ('198.51.100.1', 53))"


def at_the_cable(script: str, env: dict[str, str], folder: Path) -> str:
    """What the script prints, run where there is nothing but this machine and a cable to nowhere."""
    command = ["unshare", "--net", "--mount", "--map-root-user", "bash", "-c", CABLE + script]
    env = {k: v for k, v in env.items() if k != "CI"} | {"RESOLV": str(folder / "resolv.conf")}
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=250)
    if "the cable is there" not in done.stdout:
        pytest.skip(f"this machine does not allow a network namespace with a cable: {done.stderr.strip()}")
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.skipif(not shutil.which("unshare") or not shutil.which("ip"), reason="needs unshare and ip")
def test_not_a_byte_leaves_the_machine(tmp_path, models_folder, granite_folder, smollm2_path):
    user = tmp_path / "user"
    user.mkdir()
    service = Service(tmp_path / "home", models_folder, HOME=str(user), XDG_CACHE_HOME=str(user / ".cache"))
    assert "sent 0" not in at_the_cable(f'python -c "{REACHES}"; sleep 1; sent', service.env, tmp_path)
    # Libraries report some ten seconds after they were loaded.
    script = (
        "nexus up --detach >/dev/null; nexus remember 'the beta service listens on port 7002' >/dev/null\n"
        "nexus ask 'Which port does the beta service listen on?'; sleep 20; sent; nexus down\n"
    )
    said = at_the_cable(script, service.env, tmp_path)
    assert "the beta service listens on port 7002" in said
    assert "sent 0\n" in said
    left = [str(path.relative_to(user)) for path in user.rglob("*")]
    assert [name for name in left if "microsoft" in name.lower()] == []
