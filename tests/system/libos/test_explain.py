"""What is in an image: parts by the linker's map, and the applications of native/libos/apps."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from nexus.core.errors import NexusError, NotFoundError
from nexus.unikernel import explain, linkmap, sources, subsystems
from nexus.unikernel.builder import build_c
from nexus.unikernel.images import Image
from nexus.unikernel.linkmap import LinkMap, Member, Piece
from nexus.unikernel.toolchain import Toolchain

ROOT = Path(__file__).resolve().parents[3]


def _compiler() -> str:
    try:
        Toolchain.find()
    except NexusError as error:
        return str(error)
    return ""


needs_compiler = pytest.mark.skipif(bool(_compiler()), reason=_compiler())
needs_objdump = pytest.mark.skipif(not shutil.which("objdump"), reason="objdump is not in PATH")


@pytest.fixture(scope="module")
def hello(tmp_path_factory: pytest.TempPathFactory) -> Image:
    return build_c(ROOT / "native" / "libos" / "apps" / "hello.c", tmp_path_factory.mktemp("hello"))


@needs_compiler
@needs_objdump
def test_hello_has_a_console_and_no_network_no_heap_and_no_python(hello: Image) -> None:
    found = explain.explain(hello)
    for name in ("app", "console", "start", "doorbell"):
        assert found.part(name).present, name
    for name in ("network", "python", "heap", "files", "blocks", "libm", "calls"):
        part = found.part(name)
        assert (part.present, part.size, part.zeros, part.files) == (False, 0, 0, ()), name
    assert "network stack (lwIP): absent (0 bytes)" in found.verdicts
    assert found.audit is not None
    assert found.audit.clean
    assert found.audit.found["syscall"] == found.audit.raw["syscall"] == 0
    assert found.file_size == hello.elf.stat().st_size <= 16 * 1024


@needs_compiler
@needs_objdump
def test_the_parts_are_all_of_the_sections(hello: Image) -> None:
    found = explain.explain(hello)
    assert sum(part.size + part.zeros for part in found.parts) == sum(found.sections.values())
    assert {".text", ".rodata", ".boot", ".bss"} <= set(found.sections)
    # What can only be the application's own is little: the rest was told apart after LTO.
    assert found.part("app").size + found.part("app").zeros < 200
    assert json.loads(json.dumps(found.as_dict()))["audit"]["clean"] is True


@needs_compiler
@needs_objdump
def test_what_an_application_uses_appears(tmp_path: Path) -> None:
    source = tmp_path / "app.c"
    source.write_text(
        "#include <nx.h>\nint main(void)\n{\n    char *p = nx_alloc(100);\n    struct nx_stat s;\n"
        '    nx_printf("%d %d\\n", p != 0, nx_stat("/x", &s));\n    return 0;\n}\n'
    )
    found = explain.explain(build_c(source, tmp_path / "image"))
    for name in ("heap", "files", "console"):
        assert found.part(name).present, name
        assert found.part(name).files, name
    assert not found.part("network").present


@needs_compiler
@needs_objdump
def test_the_network_is_there_only_where_sockets_are_used(tmp_path: Path) -> None:
    try:
        sources.unpacked("lwip")
    except NexusError as error:
        pytest.skip(f"the source of lwIP cannot be had here: {error}")
    found = explain.explain(build_c(ROOT / "native" / "libos" / "apps" / "echo_server.c", tmp_path / "image"))
    network = found.part("network")
    assert network.present
    assert network.size > 20_000
    assert any(name.startswith("lwip_tcp") for name in network.files)
    assert found.audit is not None
    assert found.audit.clean


@needs_compiler
def test_without_objdump_the_rest_is_told(
    hello: Image, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    found = explain.explain(hello)
    assert found.audit is None
    assert "binutils" in found.verdicts[-1]
    assert found.part("console").present


def test_a_folder_that_is_no_image_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="no whole image"):
        explain.explain(Image(tmp_path, "c", "x"))


@pytest.mark.parametrize(
    ("section", "symbol"),
    [
        (".text.nx_puts", "nx_puts"),
        (".text.startup.main", "main"),
        (".text.unlikely.fail.cold", "fail"),
        (".text.leave.constprop.0", "leave"),
        (".text.put.lto_priv.1.lto_priv.0", "put"),
        (".rodata.main.str1.1", "main"),
        (".bss.words.0", "words"),
        (".data.rel.ro.local.table", "table"),
        (".text", ""),
        (".boot", ""),
    ],
)
def test_sections_are_named_after_symbols(section: str, symbol: str) -> None:
    assert subsystems.symbol_of(section) == symbol


@pytest.mark.parametrize(
    ("archive", "name", "part"),
    [
        ("libnx.a", "console.c.o", "console"),
        ("libnx.a", "printf.c.o", "console"),
        ("libnx.a", "entry64.S.o", "start"),
        ("libnx.a", "brand_new.c.o", "brand_new"),
        ("libnet.a", "lwip_tcp.c.o", "network"),
        ("libnet.a", "sockets.c.o", "network"),
        ("libm.a", "sin.o", "libm"),
        ("libgcc.a", "_udivti3.o", "compiler"),
    ],
)
def test_members_belong_to_parts(archive: str, name: str, part: str) -> None:
    assert subsystems.part_of_member(Member(archive, name)) == part


def test_pieces_are_told_apart_by_member_by_reference_and_by_source(tmp_path: Path) -> None:
    source = tmp_path / "console.c"
    source.write_text(
        "static int held;\nstatic void\nput_all(void)\n{\n    static char words[4];\n}\n"
        "__attribute__((noinline)) void leave(int x)\n{\n}\n"
    )
    linked = LinkMap(
        members=(Member("libnx.a", "console.c.o"), Member("libnet.a", "lwip_tcp.c.o")),
        references={"tcp_input": "libnet.a(lwip_tcp.c.o)", "nx_puts": "console.c.o", "main": "app.o"},
    )
    part_of = subsystems.owner(linked, "app", {"console.c": source})

    def of(section: str, output: str = ".text", file: str = "lto.ltrans0.o") -> str:
        return part_of(Piece(section, output, 0x300000, 4, file))

    assert of(".text.anything", file="libnet.a(lwip_tcp.c.o)") == "network"
    assert of(".text.tcp_input") == "network"
    assert of(".text.nx_puts") == of(".text.put_all") == of(".text.leave") == "console"
    assert of(".bss.held", ".bss") == of(".bss.words.0", ".bss") == "console"
    assert of(".bss.tcp_made_by_a_macro", ".bss") == "network"
    assert of(".text.main") == of(".text.unheard_of") == of(".rodata.cst8") == "app"
    assert of(".boot", ".boot") == "start"


def test_parts_of_a_map_without_members_are_the_applications() -> None:
    linked = linkmap.parse(
        "Linker script and memory map\n\n.text           0x0000000000300000       0x10\n"
        " .text          0x0000000000300000       0x10 app.o\n"
    )
    assert [(part.name, part.size) for part in explain.parts(linked, "app") if part.present] == [("app", 16)]
