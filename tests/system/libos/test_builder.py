"""Building through the cache: one image for equal inputs, another for everything that makes a difference."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from nexus.core.errors import MissingPartError, NotFoundError, StorageError
from nexus.unikernel import builder, cache, lwip, port
from nexus.unikernel.images import opened
from nexus.unikernel.toolchain import BuildError, Toolchain, libos
from tests.libos_guest import loaded, needs_gcc

pytestmark = needs_gcc
HELLO = libos() / "apps" / "hello.c"


@pytest.fixture(autouse=True)
def home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("NEXUS_HOME", str(folder))
    return folder


def app(folder: Path, text: str) -> Path:
    path = folder / "app.c"
    path.write_text(text)
    return path


def test_an_image_is_built_and_kept(home: Path) -> None:
    image = builder.build_c(HELLO)
    assert (image.kind, image.folder) == ("c", cache.root() / image.key)
    assert sorted(path.name for path in image.folder.iterdir()) == ["image.elf", "image.json", "image.map"]
    assert opened(image.folder) == image
    assert loaded(image.elf).stdout == b"hello from the LibOS\n"
    before = image.elf.stat()
    assert builder.build_c(HELLO) == image
    assert image.elf.stat() == before


def test_what_an_image_is_made_of_decides_on_its_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "local.h").write_text("#define STATUS 1\n")
    source = app(tmp_path, '#include "local.h"\nint main(void) { return STATUS; }\n')
    first = builder.build_c(source)
    (tmp_path / "local.h").write_text("#define STATUS 2\n")
    second = builder.build_c(source)
    assert (loaded(first.elf).status, loaded(second.elf).status) == (1, 2)
    source.write_text('#include "local.h"\n/* another comment */\nint main(void) { return STATUS; }\n')
    assert builder.build_c(source) == second
    monkeypatch.setattr(Toolchain, "inputs", ("another compiler",))
    assert builder.build_c(source).key != second.key


def test_into_a_folder(tmp_path: Path) -> None:
    folder = tmp_path / "made" / "here"
    image = builder.build_c(HELLO, folder)
    assert image.folder == folder
    assert opened(folder) == image
    (folder / "main.py").write_text("of an image that lay here before")
    again = builder.build_c(HELLO, folder)
    assert again.main is None
    assert loaded(again.elf).status == 0


def test_an_app_that_does_not_compile(tmp_path: Path) -> None:
    source = app(tmp_path, "int main(void) { return missing(); }")
    for _ in range(2):
        with pytest.raises(BuildError, match="missing") as caught:
            builder.build_c(source)
    assert caught.value.http_status == 422
    assert [path for path in cache.root().iterdir() if (path / "image.json").exists()] == []


def test_no_such_app(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match=r"nothing\.c"):
        builder.build_c(tmp_path / "nothing.c")
    with pytest.raises(NotFoundError, match="no file"):
        builder.build_c(tmp_path)


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="cannot write"):
        builder.build_c(HELLO, tmp_path / "file")


def test_the_network_is_made_only_for_who_calls_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a network of one function instead of lwIP, whose source a test does not have."""
    made = []

    def archive(toolchain: Toolchain, folder: Path) -> Path:
        made.append(folder)
        source = folder / "sockets.c"
        source.write_text("#include <nx.h>\nint nx_listen(uint16_t port) { return port + 1; }")
        return toolchain.archive([toolchain.compile(source, folder / "sockets.c.o")], folder / "libnet.a")

    monkeypatch.setattr(lwip, "archive", archive)
    builder.build_c(HELLO)
    assert made == []
    image = builder.build_c(app(tmp_path, "#include <nx.h>\nint main(void) { return nx_listen(7); }"))
    assert loaded(image.elf).status == 8
    assert "libnet.a(sockets.c.o)" in image.map.read_text()
    builder.build_c(app(tmp_path, "#include <nx.h>\nint main(void) { return nx_listen(8); }"))
    assert len(made) == 1


@pytest.fixture
def built(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """A build of the Python image that only writes its files; the folders it wrote to."""
    folders: list[Path] = []

    def build(folder: Path, toolchain: Toolchain) -> None:
        folders.append(folder)
        (folder / "objects").mkdir()
        for name in ("image.elf", "image.map", "library.nxa"):
            (folder / name).write_text(name)

    monkeypatch.setattr(port, "build", build)
    return folders


def test_the_python_image(built: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(NotFoundError, match="not built yet") as caught:
        builder.python_image()
    assert "nexus unikernel build" in caught.value.hint
    image = builder.python_image(build=True)
    assert (image.kind, image.library) == ("python", image.folder / "library.nxa")
    assert not (image.folder / "objects").exists()
    assert builder.python_image(build=True) == builder.python_image() == image
    assert len(built) == 1
    monkeypatch.setenv("PATH", "")  # no compiler is needed to find it
    assert builder.python_image() == image
    with pytest.raises(MissingPartError):
        builder.python_image(build=True)


def test_a_python_image_of_other_sources_is_not_taken(built: list[Path]) -> None:
    image = builder.python_image(build=True)
    about = image.folder / "image.json"
    about.write_text(json.dumps(json.loads(about.read_text()) | {"sources": "others"}))
    with pytest.raises(NotFoundError):
        builder.python_image()
    about.write_text("[1]")
    with pytest.raises(NotFoundError):
        builder.python_image()


def test_a_python_image_in_another_cache(built: list[Path], tmp_path: Path) -> None:
    image = builder.python_image(build=True, base=tmp_path / "elsewhere")
    assert image.folder.parent == tmp_path / "elsewhere"
    assert builder.python_image(base=tmp_path / "elsewhere") == image
    with pytest.raises(NotFoundError):
        builder.python_image()


def test_a_python_app(built: list[Path], tmp_path: Path) -> None:
    source = tmp_path / "app.py"
    source.write_text("print('hello')\n")
    plain = builder.build_python()
    image = builder.build_python(source)
    assert plain.main is None
    assert image.main is not None
    assert image.main.read_text() == "print('hello')\n"
    assert image.library is not None
    assert image.key != plain.key
    copy = builder.build_python(source, tmp_path / "copy")
    assert copy.main == tmp_path / "copy" / "main.py"
    assert len(built) == 1


@pytest.mark.parametrize(
    ("code", "why"),
    [(b"def f(:\n", "app.py:1: "), (b"x = '\xff'\n", "app.py"), (b"x = 1\0\n", "app.py: ")],
)
def test_a_python_app_that_is_not_python(built: list[Path], tmp_path: Path, code: bytes, why: str) -> None:
    (tmp_path / "app.py").write_bytes(code)
    with pytest.raises(BuildError, match=why):
        builder.build_python(tmp_path / "app.py")
    with pytest.raises(NotFoundError):
        builder.build_python(tmp_path / "none.py")
