"""Foreign sources: only pinned bytes are unpacked, and only inside their folder."""

from __future__ import annotations

import hashlib
import io
import socket
import tarfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from nexus.core.errors import DownloadError, InvalidInputError, MissingPartError, NotFoundError
from nexus.core.paths import Home
from nexus.unikernel.sources import FOLDER_VARIABLE, SOURCES, Apt, Source, origin, unpacked

REAL_HELPER = Path("/usr/lib/apt/apt-helper")


def pack(path: Path, members: list[tarfile.TarInfo | tuple[str, bytes]]) -> str:
    """Write a .tar.xz; gives its SHA-256."""
    with tarfile.open(path, "w:xz") as tar:
        for member in members:
            if isinstance(member, tarfile.TarInfo):
                tar.addfile(member)
            else:
                info = tarfile.TarInfo(member[0])
                info.size = len(member[1])
                tar.addfile(info, io.BytesIO(member[1]))
    return hashlib.sha256(path.read_bytes()).hexdigest()


def link(name: str, to: str) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = tarfile.SYMTYPE, to
    return info


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home")


@pytest.fixture
def mirror(tmp_path: Path) -> Path:
    (tmp_path / "mirror/pool/main/t/toy").mkdir(parents=True)
    return tmp_path / "mirror"


@pytest.fixture
def toy(mirror: Path) -> Source:
    members: list[tarfile.TarInfo | tuple[str, bytes]] = [
        ("toy-1/a.c", b"int a;\n"),
        ("toy-1/docs/long.txt", b"x"),
        ("toy-1/docs2", b"y"),
        ("toy-1/src/b.c", b"int b;\n"),
    ]
    digest = pack(mirror / "pool/main/t/toy/toy_1+ds.tar.xz", members)
    return Source("toy", "t/toy/toy_1+ds.tar.xz", digest, ("a.c", "docs", "src"))


def script(path: Path, text: str) -> str:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return str(path)


@pytest.fixture
def apt(tmp_path: Path, mirror: Path) -> Apt:
    """apt with one mirror in a folder, and a downloader that copies and counts."""
    get = script(tmp_path / "get", f"echo {mirror}/ main; echo {mirror}/ main; echo {mirror}/ universe")
    helper = script(
        tmp_path / "helper", f'echo "$@" >> {tmp_path}/asked; shift $(($# - 3)); exec cp "$1" "$2"'
    )
    return Apt(get, helper)


def given(folder: Path) -> dict[str, str]:
    return {FOLDER_VARIABLE: str(folder)}


def test_the_pinned_archive_is_fetched_once_and_unpacked_without_its_top_folder(
    home: Home, toy: Source, apt: Apt, tmp_path: Path
) -> None:
    folder = unpacked("toy", home, sources={"toy": toy}, apt=apt, environment={})
    assert (folder / "a.c").read_bytes() == b"int a;\n"
    assert sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()) == [
        "a.c",
        "docs/long.txt",
        "src/b.c",
    ]
    assert folder.is_relative_to(home.cache)
    (home.cache / "unikernel/sources/toy_1+ds.tar.xz").unlink()
    assert unpacked("toy", home, sources={"toy": toy}, apt=apt, environment={}) == folder
    assert len((tmp_path / "asked").read_text().splitlines()) == 1


def test_a_folder_of_archives_is_used_instead_of_the_network(home: Home, toy: Source, mirror: Path) -> None:
    nothing = Apt("/no/apt-get", "/no/apt-helper")
    folder = unpacked(
        "toy", home, sources={"toy": toy}, apt=nothing, environment=given(mirror / "pool/main/t/toy")
    )
    assert (folder / "src/b.c").exists()


def test_what_is_kept_decides_the_folder(home: Home, toy: Source, mirror: Path) -> None:
    environment = given(mirror / "pool/main/t/toy")
    some = unpacked("toy", home, sources={"toy": toy}, environment=environment)
    whole = unpacked(
        "toy", home, sources={"toy": Source(toy.name, toy.pool, toy.sha256)}, environment=environment
    )
    assert some != whole
    assert (whole / "docs2").exists()


def test_other_bytes_than_the_pinned_ones_are_refused(
    home: Home, toy: Source, mirror: Path, apt: Apt
) -> None:
    wrong = Source("toy", toy.pool, "0" * 64)
    for environment in (given(mirror / "pool/main/t/toy"), {}):
        with pytest.raises(InvalidInputError, match="has the SHA-256 " + toy.sha256) as caught:
            unpacked("toy", home, sources={"toy": wrong}, apt=apt, environment=environment)
        assert FOLDER_VARIABLE in caught.value.hint
    left = [path.name for path in (home.cache / "unikernel/sources").iterdir()]
    assert left == []


def test_a_damaged_archive_on_the_shelf_is_fetched_again(home: Home, toy: Source, apt: Apt) -> None:
    shelf = home.cache / "unikernel/sources"
    shelf.mkdir(parents=True)
    (shelf / toy.file).write_bytes(b"cut off")
    assert (unpacked("toy", home, sources={"toy": toy}, apt=apt, environment={}) / "a.c").exists()


@pytest.mark.parametrize(
    "evil", [("toy-1/../../escaped", b"x"), link("toy-1/out", "../../.."), link("toy-1/out", "/etc")]
)
def test_an_archive_that_reaches_out_of_its_folder_is_refused(
    home: Home, mirror: Path, tmp_path: Path, evil: tarfile.TarInfo | tuple[str, bytes]
) -> None:
    folder = mirror / "pool/main/t/toy"
    digest = pack(folder / "evil.tar.xz", [("toy-1/a.c", b"int a;\n"), evil])
    source = Source("toy", "t/toy/evil.tar.xz", digest)
    with pytest.raises(InvalidInputError, match=r"evil.tar.xz is not a sound archive"):
        unpacked("toy", home, sources={"toy": source}, environment=given(folder))
    assert list((home.cache / "unikernel/sources").iterdir()) == []
    assert list(tmp_path.rglob("escaped")) == []


def test_an_absolute_path_in_an_archive_stays_inside(home: Home, mirror: Path) -> None:
    folder = mirror / "pool/main/t/toy"
    digest = pack(folder / "odd.tar.xz", [("toy-1//etc/odd", b"x")])
    source = Source("toy", "t/toy/odd.tar.xz", digest)
    made = unpacked("toy", home, sources={"toy": source}, environment=given(folder))
    assert (made / "etc/odd").read_bytes() == b"x"


def test_unpacking_asks_no_newer_python_than_debian_12_has(
    home: Home, toy: Source, mirror: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Its Python is 3.11.2; tarfile's filters, and the copy of an entry with another name, came with 3.11.4.
    monkeypatch.delattr(tarfile, "data_filter", raising=False)
    monkeypatch.delattr(tarfile.TarInfo, "replace", raising=False)
    folder = mirror / "pool/main/t/toy"
    made = unpacked("toy", home, sources={"toy": toy}, environment=given(folder))
    assert (made / "src/b.c").read_bytes() == b"int b;\n"


def test_a_program_in_an_archive_can_be_run(home: Home, mirror: Path) -> None:
    folder = mirror / "pool/main/t/toy"
    program = tarfile.TarInfo("toy-1/configure")
    program.mode = 0o755
    digest = pack(folder / "programs.tar.xz", [("toy-1/a.c", b"int a;\n"), program])
    source = Source("toy", "t/toy/programs.tar.xz", digest)
    made = unpacked("toy", home, sources={"toy": source}, environment=given(folder))
    assert [(made / name).stat().st_mode & 0o777 for name in ("a.c", "configure")] == [0o644, 0o755]


def test_a_cut_archive_is_refused_even_where_its_hash_is_pinned(
    home: Home, toy: Source, mirror: Path
) -> None:
    folder = mirror / "pool/main/t/toy"
    cut = (folder / toy.file).read_bytes()[:-90]
    (folder / "cut.tar.xz").write_bytes(cut)
    source = Source("toy", "t/toy/cut.tar.xz", hashlib.sha256(cut).hexdigest())
    with pytest.raises(InvalidInputError, match="not a sound archive"):
        unpacked("toy", home, sources={"toy": source}, environment=given(folder))


def test_errors_name_the_file_and_the_remedy(home: Home, toy: Source, tmp_path: Path, apt: Apt) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(MissingPartError, match=r"has no toy_1\+ds.tar.xz") as caught:
        unpacked("toy", home, sources={"toy": toy}, environment=given(tmp_path / "empty"))
    assert toy.sha256 in caught.value.hint
    nowhere = Apt(script(tmp_path / "silent", "exit 0"), apt.helper)
    with pytest.raises(MissingPartError, match="no mirror") as caught:
        unpacked("toy", home, sources={"toy": toy}, apt=nowhere, environment={})
    assert FOLDER_VARIABLE in caught.value.hint
    with pytest.raises(MissingPartError, match="through apt"):
        unpacked("toy", home, sources={"toy": toy}, apt=Apt(apt.get, "/no/helper"), environment={})
    broken = Apt(apt.get, script(tmp_path / "broken", "echo 'E: 404 gone' >&2; exit 100"))
    with pytest.raises(DownloadError, match="404 gone"):
        unpacked("toy", home, sources={"toy": toy}, apt=broken, environment={})
    with pytest.raises(NotFoundError, match="known: micropython, lwip"):
        unpacked("linux", home)


def test_where_a_source_comes_from_is_told_without_fetching_it(
    home: Home, apt: Apt, mirror: Path, tmp_path: Path
) -> None:
    assert origin("lwip", home, apt, {}) == f"lwip would come through apt, from {mirror}/"
    assert not (tmp_path / "asked").exists()
    with pytest.raises(MissingPartError, match="has no lwip_") as caught:
        origin("lwip", home, apt, given(tmp_path))
    assert SOURCES["lwip"].sha256 in caught.value.hint
    (tmp_path / SOURCES["lwip"].file).touch()
    assert origin("lwip", home, apt, given(tmp_path)).startswith(f"lwip is {tmp_path}")
    with pytest.raises(MissingPartError, match="through apt"):
        origin("lwip", home, Apt("/no/apt-get", apt.helper), {})
    shelf = home.cache / "unikernel/sources"
    shelf.mkdir(parents=True)
    (shelf / SOURCES["lwip"].file).touch()
    assert origin("lwip", home, Apt("/no/apt-get", apt.helper), {}) == f"lwip is in {shelf}"


def test_many_at_once_get_one_folder(home: Home, toy: Source, mirror: Path) -> None:
    environment = given(mirror / "pool/main/t/toy")

    def get(_: int) -> Path:
        return unpacked("toy", home, sources={"toy": toy}, environment=environment)

    with ThreadPoolExecutor(8) as pool:
        folders = set(pool.map(get, range(16)))
    assert len(folders) == 1
    assert list((home.cache / "unikernel/sources").iterdir()) == [folders.pop()]


@pytest.mark.skipif(not REAL_HELPER.exists(), reason="this machine has no apt")
def test_apt_itself_fetches_and_refuses_other_bytes(tmp_path: Path, mirror: Path, toy: Source) -> None:
    address = f"file:{mirror}/pool/main/{toy.pool}"
    assert Apt().download(address, tmp_path / "got", toy.sha256) == ""
    assert hashlib.sha256((tmp_path / "got").read_bytes()).hexdigest() == toy.sha256
    assert "toy_1+ds" in Apt().download(address, tmp_path / "other", "0" * 64)


def test_a_mirror_that_never_answers_is_given_up(
    home: Home, toy: Source, apt: Apt, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nexus.unikernel.sources._DOWNLOAD_SECONDS", 0.2)
    silent = Apt(apt.get, script(tmp_path / "silent", f'echo "$@" >> {tmp_path}/asked; exec sleep 60'))
    with pytest.raises(
        DownloadError, match=r"pool/main/t/toy/toy_1\+ds.tar.xz: not there after 0 s"
    ) as caught:
        unpacked("toy", home, sources={"toy": toy}, apt=silent, environment={})
    assert FOLDER_VARIABLE in caught.value.hint
    assert len((tmp_path / "asked").read_text().splitlines()) == 1  # the time was for all mirrors
    assert list((home.cache / "unikernel/sources").iterdir()) == []


@pytest.mark.skipif(not REAL_HELPER.exists(), reason="this machine has no apt")
def test_apt_gives_up_a_connection_on_which_nothing_comes(
    tmp_path: Path, toy: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nexus.unikernel.sources._SILENT_SECONDS", 1)
    with socket.create_server(("127.0.0.1", 0)) as server:  # takes connections and says nothing
        address = f"http://127.0.0.1:{server.getsockname()[1]}/pool/main/{toy.pool}"
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
            monkeypatch.delenv(name, raising=False)
        why = Apt().download(address, tmp_path / "got", toy.sha256, 60)
    assert "not there after" not in why
    assert address.partition("+")[0] in why


def test_apt_that_fails_has_no_mirrors(tmp_path: Path) -> None:
    assert Apt(get=script(tmp_path / "get", "echo http://x main; exit 1")).mirrors() == []
    assert Apt(get="/no/such/program").mirrors() == []


def test_only_the_components_that_have_the_archives_are_asked(tmp_path: Path) -> None:
    lists = "echo http://x main; echo http://y stable; echo http://x universe; echo http://x main"
    assert Apt(get=script(tmp_path / "get", lists)).mirrors() == [
        ("http://x", "main"),
        ("http://x", "universe"),
    ]


def test_pins_are_whole() -> None:
    for name, source in SOURCES.items():
        assert source.name == name
        assert len(bytes.fromhex(source.sha256)) == 32
        assert source.file.endswith(".tar.xz")
