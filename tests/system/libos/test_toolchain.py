"""What the toolchain makes of C: images with nothing in them that was not asked for, errors that say why."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from nexus.core.errors import MissingPartError
from nexus.unikernel import abi
from nexus.unikernel.toolchain import BuildError, Toolchain, libos
from tests.libos_guest import loaded, needs_gcc

pytestmark = needs_gcc
HELLO = libos() / "apps" / "hello.c"
# At the start of an instruction: what asks a kernel, and what only a kernel may.
PRIVILEGED = re.compile(
    r"\t(syscall|sysenter|int|int3|in|out|hlt|cli|sti|lgdt|lidt|wrmsr|rdmsr|mov +.*%[cd]r\d)\b"
)


@pytest.fixture(scope="module")
def toolchain() -> Toolchain:
    return Toolchain.find()


@pytest.fixture(scope="module")
def core(toolchain: Toolchain, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return toolchain.core_archive(tmp_path_factory.mktemp("core"))


def linked(toolchain: Toolchain, core: Path, folder: Path, source: str | Path) -> Path:
    folder.mkdir(exist_ok=True)
    if isinstance(source, str):
        path = folder / "app.c"
        path.write_text(source)
        source = path
    toolchain.link([toolchain.compile(source, folder / "app.o")], [core], folder)
    return folder / "image.elf"


def headers(image: Path) -> str:
    return subprocess.run(["readelf", "-lSW", image], check=True, capture_output=True, text=True).stdout


def test_hello_is_small_and_holds_what_it_uses(toolchain: Toolchain, core: Path, tmp_path: Path) -> None:
    image = linked(toolchain, core, tmp_path, HELLO)
    assert image.stat().st_size <= 16 << 10
    text = (tmp_path / "image.map").read_text()
    members = set(re.findall(r"libnx\.a\((\w+)\.[cS]\.o\)", text))
    assert {"entry64", "start", "ring", "console", "pvh"} <= members
    assert not members & {"heap", "pages", "printf", "format_double", "decimal", "files", "blocks", "host"}
    assert not members & {"modules", "time", "random", "input"}


def test_what_is_called_is_linked_and_nothing_else(toolchain: Toolchain, core: Path, tmp_path: Path) -> None:
    image = linked(toolchain, core, tmp_path, "#include <nx.h>\nint main(void) { return nx_alloc(9) == 0; }")
    text = (tmp_path / "image.map").read_text()
    assert "libnx.a(heap.c.o)" in text
    assert "libnx.a(blocks.c.o)" not in text
    in_image = text.partition("Linker script and memory map")[2]
    assert ".text.nx_alloc" in in_image or ".text.startup.main" in in_image
    assert "nx_resize" not in in_image
    assert loaded(image).status == 0


def test_no_page_is_both_writable_and_executable(toolchain: Toolchain, core: Path, tmp_path: Path) -> None:
    image = linked(toolchain, core, tmp_path, HELLO)
    loads = re.findall(r"LOAD +(\w+) (\w+) (\w+) (\w+) (\w+) (R?W? ?E?)", headers(image).replace("  ", " "))
    assert len(loads) == 3
    for row in loads:
        assert not ("W" in row[5] and "E" in row[5])
        assert int(row[1], 16) >= abi.IMAGE
        assert int(row[1], 16) % abi.PAGE == int(row[0], 16) % abi.PAGE
    assert [row[5].strip() for row in loads] == ["R", "R E", "RW"]


def test_only_the_boot_section_is_privileged(toolchain: Toolchain, core: Path, tmp_path: Path) -> None:
    image = linked(toolchain, core, tmp_path, HELLO)

    def code(section: str) -> str:
        done = subprocess.run(
            ["objdump", "-d", "-j", section, image], check=True, capture_output=True, text=True
        )
        return done.stdout

    assert PRIVILEGED.findall(code(".boot"))
    text = code(".text")
    assert "entry64" not in text  # stripped
    assert len(text.splitlines()) > 300
    assert PRIVILEGED.findall(text) == []


def test_images_are_the_same_wherever_they_are_built(toolchain: Toolchain, tmp_path: Path) -> None:
    images = []
    for name in ("one", "another-longer-name"):
        folder = tmp_path / name
        folder.mkdir()
        source = shutil.copy(HELLO, folder / "app.c")
        archive = toolchain.core_archive(folder / "core")
        linked(toolchain, archive, folder, Path(source))
        images.append(((folder / "image.elf").read_bytes(), (folder / "image.map").read_text()))
    assert images[0] == images[1]
    assert str(tmp_path) not in images[0][1]
    assert str(tmp_path).encode() not in images[0][0]


@pytest.mark.parametrize(
    ("source", "why"),
    [
        ("int main(void) { return undeclared; }", "app.c:1:25: error: .undeclared. undeclared"),
        ("#include <stdio.h>\nint main(void) { return 0; }", "stdio.h: No such file"),
        ("int other(void);\nint main(void) { return other(); }", "undefined reference to .other."),
        ("int not_main(void) { return 0; }", "undefined reference to .main."),
        ("#include <nx.h>\nint nx_exit(int s) { return s; }\nint main(void) { return 0; }", "nx_exit"),
        ("volatile __thread int x;\nint main(void) { return x++; }", "thread-local variables"),
        (
            "int x;\n__attribute__((constructor)) void c(void) { x = 1; }\nint main(void) { return x; }",
            "constructors",
        ),
    ],
)
def test_what_cannot_be_built_says_why(
    toolchain: Toolchain, core: Path, tmp_path: Path, source: str, why: str
) -> None:
    with pytest.raises(BuildError, match=why) as caught:
        linked(toolchain, core, tmp_path, source)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("app", sorted(path.name for path in HELLO.parent.iterdir()))
def test_every_example_compiles_without_a_warning(toolchain: Toolchain, tmp_path: Path, app: str) -> None:
    toolchain.compile(HELLO.parent / app, tmp_path / "app.o", "-Wall", "-Wextra", "-Werror")


def test_undefined_names_of_a_compiled_file(toolchain: Toolchain, tmp_path: Path) -> None:
    source = tmp_path / "app.c"
    source.write_text("#include <nx.h>\nint main(void) { return nx_listen(7) + nx_close == 0; }")
    source.write_text("#include <nx.h>\nint main(void) { nx_close(nx_listen(7)); return 0; }")
    assert toolchain.undefined(toolchain.compile(source, tmp_path / "app.o")) >= {"nx_listen", "nx_close"}


def test_without_a_compiler(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MissingPartError, match="gcc") as caught:
        Toolchain.find()
    assert "apt install gcc" in caught.value.hint


def test_a_compiler_that_was_removed(toolchain: Toolchain, tmp_path: Path) -> None:
    gone = Toolchain(str(tmp_path / "gcc"), toolchain.ar, toolchain.nm, toolchain.version, toolchain.headers)
    with pytest.raises(MissingPartError, match="does not start"):
        gone.compile(HELLO, tmp_path / "app.o")


def test_the_memory_functions_survive_what_the_optimiser_makes_of_loops(
    toolchain: Toolchain, core: Path, tmp_path: Path
) -> None:
    """Loops that become calls of memset and memcpy, and assignments of structures that do."""
    image = linked(
        toolchain,
        core,
        tmp_path,
        """
        #include <nx.h>
        struct large { unsigned char bytes[5000]; };
        static struct large one, two;
        __attribute__((noinline)) static void clear(unsigned char *at, size_t size)
        {
            for (size_t i = 0; i < size; i++)
                at[i] = 0;
        }
        __attribute__((noinline)) static void copy(unsigned char *to, const unsigned char *from)
        {
            for (size_t i = 0; i < 5000; i++)
                to[i] = from[i];
        }
        int main(void)
        {
            for (size_t i = 0; i < sizeof one; i++)
                one.bytes[i] = (unsigned char)(i * 7);
            two = one;
            clear(one.bytes, sizeof one);
            copy(one.bytes, two.bytes);
            for (size_t i = 0; i < sizeof one; i++)
                if (one.bytes[i] != (unsigned char)(i * 7))
                    return 1;
            return 42;
        }
        """,
    )
    assert loaded(image).status == 42
    assert "libnx.a(memory.c.o)" in (tmp_path / "image.map").read_text()
