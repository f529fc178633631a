"""pathlib, glob, fnmatch, shutil and tempfile in guests as in CPython."""

from __future__ import annotations

from .conftest import Same


def test_paths_and_folders(same: Same) -> None:
    same(
        r"""
        import fnmatch, glob, shutil, tempfile, os
        from pathlib import Path, PurePath, PurePosixPath


        def ascii_(v):
            return v.encode() if isinstance(v, str) else v


        def show(f):
            try:
                print(ascii_(f()))
            except Exception as e:
                print(type(e).__name__, str(e).encode())


        for n in ("abc.txt", "a", "", ".x", "a]b", "a-b", "[a]", "abcabc", "ABC"):
            print(
                [
                    fnmatch.fnmatchcase(n, p)
                    for p in (
                        "*",
                        "*.txt",
                        "a?*",
                        "[abc]",
                        "[!a]*",
                        "",
                        "[]a]*",
                        "a[-x]b",
                        "[[]a]",
                        "*b*c",
                        "a*c",
                        "[a-c]*",
                        "[",
                        ".*",
                        "**c",
                    )
                ]
            )
        print(fnmatch.filter(["a.py", "b.txt", ".py"], "*.py"))
        for a in (
            "",
            "/",
            "//a",
            "///a",
            "a/b.c",
            "/a/b/",
            ".",
            "a/./b//c",
            ".bashrc",
            "x.tar.gz",
            "..",
            "../a",
            "x.",
            "...x",
            "a.b.",
        ):
            p = PurePosixPath(a)
            print(
                repr(p),
                str(p),
                p.parts,
                p.name,
                p.stem,
                p.suffix,
                p.suffixes,
                p.parent,
                list(p.parents),
                p.is_absolute(),
                p.root,
                p.anchor,
                bool(p),
            )
        p = Path("/a/b/c.txt")
        print(
            p / "d",
            "x" / Path("y"),
            p / "/e",
            Path("a", "b", "c"),
            Path(Path("q"), "r"),
            p.with_name("z.q"),
            p.with_suffix(".md"),
            p.with_suffix(""),
            p.with_stem("k"),
            p.relative_to("/a"),
            p.is_relative_to("/b"),
            p.match("*.txt"),
            p.match("b/*"),
            p.match("/a/*"),
            p.match("/*/b/*.txt"),
            p.parents[1],
            len(p.parents),
            p.joinpath("..", "x"),
            p.as_posix(),
        )
        for f in (
            lambda: p.relative_to("/b"),
            lambda: Path("/").with_name("a"),
            lambda: p.with_suffix("x"),
            lambda: p.with_name("a/b"),
            lambda: Path(3),
            lambda: p.parents[9],
            lambda: p.match(""),
        ):
            show(f)
        print(
            Path("a") == Path("a/"),
            Path("a") == "a",
            Path("a") < Path("b"),
            hash(Path("a")) == hash(Path("./a")),
            {Path("a"): 1}[Path("a")],
            sorted([Path("b"), Path("a/c"), Path("a-b")]),
            Path("a") != Path("b"),
            repr(Path("a")),
            type(p).__name__ in ("Path", "PosixPath"),
        )
        b = Path("/tmp/nexus_paths")
        shutil.rmtree(b, ignore_errors=True)
        b.mkdir()
        (b / "s" / "t").mkdir(parents=True)
        print(
            (b / "f.txt").write_text("héllo\n"),
            (b / "g.bin").write_bytes(b"\x00\x01"),
            (b / "s" / "u.txt").write_text("u"),
        )
        (b / "s" / "t" / "v.py").touch()
        print(
            (b / "f.txt").read_text().encode(),
            (b / "g.bin").read_bytes(),
            (b / "f.txt").exists(),
            b.is_dir(),
            (b / "f.txt").is_file(),
            (b / "no").exists(),
            (b / "g.bin").stat().st_size,
        )
        print(
            sorted(b.iterdir()),
            sorted(b.glob("*.txt")),
            sorted(b.rglob("*.txt")),
            sorted(b.glob("**/*")),
            sorted(b.glob("*/*")),
            sorted(b.glob("**")),
            sorted(b.glob("s/*.txt")),
        )
        with (b / "f.txt").open() as f:
            print(len(f.readline()))
        print(
            sorted(glob.glob("/tmp/nexus_paths/*")),
            sorted(glob.glob("/tmp/nexus_paths/**", recursive=True)),
            sorted(glob.glob("/tmp/nexus_paths/**/*.txt", recursive=True)),
            glob.glob("/tmp/nexus_paths/*/*.txt"),
            glob.glob("/tmp/nexus_paths/f.txt"),
            glob.glob("/tmp/nexus_paths/no*"),
            glob.glob("f*", root_dir="/tmp/nexus_paths"),
            glob.escape("a*b[c"),
            sorted(glob.glob("/tmp/nexus_paths/*/")),
            glob.has_magic("a"),
        )
        show(b.mkdir)
        show(lambda: (b / "x" / "y").mkdir())
        show(lambda: b.mkdir(exist_ok=True))
        show((b / "no").unlink)
        show(lambda: (b / "no").unlink(missing_ok=True))
        show(b.rmdir)
        show((b / "no").read_text)
        show(lambda: list((b / "no").iterdir()))
        show(lambda: (b / "f.txt").write_text(3))
        show(lambda: (b / "f.txt").mkdir(exist_ok=True))
        show(lambda: list(b.glob("")))
        show(lambda: b.resolve())
        show(lambda: Path("/a/../b").resolve())
        print(
            (b / "f.txt").rename(b / "h.txt"),
            shutil.copy("/tmp/nexus_paths/h.txt", "/tmp/nexus_paths/s"),
            shutil.copyfile(b / "h.txt", b / "i.txt"),
            shutil.move("/tmp/nexus_paths/i.txt", "/tmp/nexus_paths/s"),
            shutil.copytree(b / "s", b / "w"),
            sorted(os.listdir(b / "w")),
        )
        show(lambda: shutil.copyfile("/tmp/nexus_paths/h.txt", "/tmp/nexus_paths/h.txt"))
        show(lambda: shutil.move("/tmp/nexus_paths/h.txt", "/tmp/nexus_paths/s"))
        show(lambda: shutil.rmtree("/tmp/nexus_paths/nnn"))
        show(lambda: shutil.copy("/tmp/nexus_paths/nnn", "/tmp/nexus_paths/q"))
        shutil.rmtree("/tmp/nexus_paths")
        print(b.exists())
        with tempfile.NamedTemporaryFile("w+", suffix=".txt") as f:
            f.write("q\nr")
            f.flush()
            f.seek(0)
            print(f.read(), f.name.startswith("/tmp/tmp"), f.name.endswith(".txt"), os.path.exists(f.name))
            n = f.name
        print(os.path.exists(n))
        with tempfile.TemporaryDirectory() as d:
            print(os.path.isdir(d), os.listdir(d))
            open(os.path.join(d, "a"), "w").write("x")
            os.mkdir(d + "/k")
        print(os.path.exists(d), tempfile.gettempdir())
        d = tempfile.mkdtemp(prefix="zz")
        print(os.path.basename(d)[:2])
        os.rmdir(d)
        with tempfile.TemporaryFile() as f:
            f.write(b"abc")
            f.seek(1)
            print(f.read())
        """
    )
