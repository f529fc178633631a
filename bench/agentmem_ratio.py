"""How small does AgentMem's codec make what agents hold, and what does it cost?

    NEXUS_DATA=folder python bench/agentmem_ratio.py [--hash] [--json FILE]

Compiles native/agentmem/lib with the C compiler of this machine and codes real data with it. Every unit is
decoded again and compared. Sessions: SpecStory's and SWE-agent's (agents/specstory-claude-code and
agents/swe-agent), each a unit, each once however often it was stored. Short chats: tau-bench
(agents/tau-bench), each a unit, with and without its system prompt, which the store holds once, and each
message a unit. A dictionary is trained on half of the conversations and used for the other half, then the
other way round, so that none is read with what was learnt from it; its own bytes count as stored.
Near-identical prompts: SWE-agent's prompt and tool definitions with a block about the environment that is
another in each of 100 variants; the first is stored whole, the others as a delta against the one that its
sketch is most like. "Delta or dictionary" is what the broker does. CPU seconds are of one core, for 100 MB
of raw bytes, with the calls from Python in them. --hash measures BLAKE3 too, beside the PyPI package blake3
where it is installed.
"""

from __future__ import annotations

import argparse
import ctypes
import functools
import importlib
import itertools
import json
import os
import random
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import record

LIBRARY = Path(__file__).resolve().parents[1] / "native" / "agentmem"
SOURCES = ("blake3*.c", "codec*.c", "dictionary.c", "sketch.c")
ALIKE = 2  # AM_SKETCH_ALIKE
SMALLEST = 2000  # bytes of a session that counts as one
SAMPLE = 8192  # sessions are cut into pieces of this for training
TAUGHT = 16 << 20  # at most this much is trained on
VARIANTS = 100
MOST_COMPARED = 1000  # units whose sketches are compared one by one, in Python
BOTH = "delta or dictionary, level 3"
Size = ctypes.c_size_t


class Codec:
    """The C library, with what it has taken so far: stored bytes, CPU seconds of coding and decoding."""

    def __init__(self, folder: Path) -> None:
        sources = [str(path) for pattern in SOURCES for path in sorted((LIBRARY / "lib").glob(pattern))]
        made = folder / "libagentmem_ratio.so"
        include = [f"-I{LIBRARY / 'include'}", f"-I{LIBRARY / 'lib'}"]
        flags = ["-std=c11", "-O3", "-fPIC", "-shared", "-D_GNU_SOURCE"]
        subprocess.run(["cc", *flags, *include, *sources, "-o", str(made), "-lzstd", "-lpthread"], check=True)
        self.c = ctypes.CDLL(str(made))
        for name in ("am_encode", "am_encode_delta", "am_stored_bound"):
            getattr(self.c, name).restype = Size
        for name in ("am_dictionary_train", "am_dictionary_bytes"):
            getattr(self.c, name).restype = ctypes.c_void_p
        self.clear()

    def clear(self) -> None:
        """Begin to count anew."""
        self.raw = self.stored = 0
        self.encoding = self.decoding = 0.0

    def store(
        self, raw: bytes, level: int = 3, dictionary: int | None = None, base: bytes | None = None
    ) -> int:
        """Bytes stored for this unit. Raises `AssertionError` when it does not come back as it was."""
        out = ctypes.create_string_buffer(self.c.am_stored_bound(Size(len(raw))))
        back = ctypes.create_string_buffer(len(raw))
        start = time.process_time()
        if base is not None:
            identity = bytes(32)
            stored = self.c.am_encode_delta(raw, Size(len(raw)), base, Size(len(base)), identity, out)
        else:
            stored = self.c.am_encode(raw, Size(len(raw)), ctypes.c_void_p(dictionary), level, out)
        middle = time.process_time()
        used = base if out.raw[0] == 2 else None
        status = self.c.am_decode(
            out, Size(stored), used, Size(len(used or b"")), ctypes.c_void_p(dictionary), back, Size(len(raw))
        )
        self.decoding += time.process_time() - middle
        self.encoding += middle - start
        if stored == 0 or status != 0 or back.raw != raw:
            raise AssertionError(f"a unit of {len(raw)} bytes did not come back: status {status}")
        self.raw += len(raw)
        self.stored += stored
        return int(stored)

    def train(self, units: Sequence[bytes]) -> int:
        """A dictionary from pieces of these units, by address; its bytes count as stored."""
        pieces = [unit[at : at + SAMPLE] for unit in units for at in range(0, len(unit), SAMPLE)]
        random.Random(1).shuffle(pieces)
        while sum(map(len, pieces)) > TAUGHT:
            pieces.pop()
        lengths = (Size * len(pieces))(*map(len, pieces))
        made = self.c.am_dictionary_train(b"".join(pieces), lengths, Size(len(pieces)), 1)
        if made is None:
            raise AssertionError(f"nothing was learnt from {len(pieces)} pieces")
        length = Size()
        self.c.am_dictionary_bytes(ctypes.c_void_p(made), ctypes.byref(length))
        self.stored += length.value
        return int(made)

    def sketch(self, raw: bytes) -> tuple[int, ...]:
        """The eight numbers of a text."""
        out = (ctypes.c_uint64 * 8)()
        self.c.am_sketch(raw, Size(len(raw)), out)
        return tuple(out)

    def result(self) -> dict[str, float]:
        """What was counted since `clear`."""
        return {
            "raw_mb": round(self.raw / 1e6, 2),
            "stored_mb": round(self.stored / 1e6, 3),
            "ratio": round(self.raw / self.stored, 2),
            "encode_cpu_s_per_100_mb": round(100e6 * self.encoding / self.raw, 3),
            "decode_cpu_s_per_100_mb": round(100e6 * self.decoding / self.raw, 3),
        }


def files(folder: Path, ending: str) -> list[bytes]:
    """The distinct files of this kind, in an order that is the same in every run."""
    found = {path.read_bytes() for path in sorted(folder.rglob(f"*{ending}")) if path.is_file()}
    units = sorted(unit for unit in found if len(unit) >= SMALLEST)
    random.Random(0).shuffle(units)
    return units


def alone(codec: Codec, units: Sequence[bytes], level: int) -> None:
    """Each unit by itself."""
    for unit in units:
        codec.store(unit, level)


def held_out(codec: Codec, units: Sequence[bytes], level: int) -> None:
    """Each half with a dictionary learnt from the other."""
    first, second = units[: len(units) // 2], units[len(units) // 2 :]
    for half, other in ((first, second), (second, first)):
        dictionary = codec.train(other)
        for unit in half:
            codec.store(unit, level, dictionary)
        codec.c.am_dictionary_free(ctypes.c_void_p(dictionary))


def by_sketch(codec: Codec, units: Sequence[bytes]) -> int:
    """Each against the earlier whole one that it is most like, where there is one; how many leaned on one."""
    whole: list[tuple[tuple[int, ...], bytes]] = []
    leaning = 0
    for unit in units:
        mine = codec.sketch(unit)
        base = likest(mine, whole)
        if base is not None:
            codec.store(unit, base=base)
            leaning += 1
        else:
            codec.store(unit)
            whole.append((mine, unit))
    return leaning


def likest(mine: tuple[int, ...], others: Sequence[tuple[tuple[int, ...], bytes]]) -> bytes | None:
    """Of these the one whose sketch agrees most, if it agrees enough."""
    agreed = [(sum(a == b != 0 for a, b in zip(mine, other, strict=True)), base) for other, base in others]
    most, base = max(agreed, key=lambda pair: pair[0], default=(0, b""))
    return base if most >= ALIKE else None


def as_stored(codec: Codec, units: Sequence[bytes]) -> int:
    """As the broker does it: the dictionary of the other half, or a delta against the likest if less."""
    middle = len(units) // 2
    dictionaries = [codec.train(units[middle:]), codec.train(units[:middle])]
    whole: list[tuple[tuple[int, ...], bytes]] = []
    leaning = 0
    for number, unit in enumerate(units):
        mine = codec.sketch(unit)
        base = likest(mine, whole)
        raw, stored = codec.raw, codec.stored
        taken = codec.store(unit, 3, dictionaries[number >= middle])
        leans = False if base is None else (shorter := codec.store(unit, base=base)) < taken
        if leans:
            taken = shorter
            leaning += 1
        else:
            whole.append((mine, unit))
        codec.raw, codec.stored = raw + len(unit), stored + taken
    for made in dictionaries:
        codec.c.am_dictionary_free(ctypes.c_void_p(made))
    return leaning


def environment(number: int) -> bytes:
    """What tells one agent's prompt from another's."""
    pick = random.Random(number)
    branch = pick.choice(["main", "develop", "fix-login", f"issue-{pick.randrange(9000)}"])
    changed = "\n".join(f" M src/{pick.randrange(1 << 24):06x}.py" for _ in range(pick.randrange(4)))
    return (
        f"<env>\nWorking directory: /srv/agents/project-{number}\nGit branch: {branch}\n{changed}\n"
        f"Platform: linux\nToday's date: 2026-{pick.randrange(1, 13):02}-{pick.randrange(1, 29):02}\n</env>\n"
    ).encode()


def prompts(data: Path) -> dict[str, list[bytes]]:
    """100 variants of a prompt with its tools, by where they differ."""
    folder = data / "agents" / "swe-agent"
    paths = [folder / "config" / "default.yaml", *sorted((folder / "tools").rglob("*.yaml"))]
    prompt = b"\n".join(path.read_bytes() for path in paths)
    places = {"front": [0], "middle": [len(prompt) // 2], "end": [len(prompt)]}
    places["all three"] = [place[0] for place in places.values()]
    made: dict[str, list[bytes]] = {}
    for name, at in places.items():
        cuts = [0, *at, len(prompt)]
        pieces = [prompt[a:b] for a, b in itertools.pairwise(cuts)]
        made[name] = [environment(number).join(pieces) for number in range(VARIANTS)]
    return made


def chats(data: Path) -> dict[str, list[bytes]]:
    """tau-bench's conversations: as they are sent, without their system prompt, and each message, once."""
    loaded = json.loads((data / "agents" / "tau-bench" / "gpt-4o-airline.json").read_bytes())
    talks = [entry["traj"] for entry in loaded]
    random.Random(0).shuffle(talks)
    said = [[message for message in talk if message["role"] != "system"] for talk in talks]
    cut = [talks, said, [message for talk in talks for message in talk]]
    whole, bare, messages = [
        [json.dumps(piece, ensure_ascii=False).encode() for piece in pieces] for pieces in cut
    ]
    return {
        "tau-bench chats": whole,
        "tau-bench chats without their system prompt": bare,
        "tau-bench messages": list(dict.fromkeys(messages)),
    }


def quickest(work: Callable[[], object], repeats: int) -> float:
    """Microseconds of CPU for one call, the best of some rounds of so many calls."""
    best = float("inf")
    for _ in range(5 if repeats == 1 else 50):
        start = time.process_time()
        for _ in range(repeats):
            work()
        best = min(best, (time.process_time() - start) / repeats)
    return round(best * 1e6, 3)


def digest(theirs: Any, data: bytes, key: bytes) -> bytes:
    """The PyPI package's hash."""
    made: bytes = theirs(data, key=key).digest()
    return made


def hashing(codec: Codec) -> dict[str, Any]:
    """Microseconds of CPU for a hash, the best of many, ours by path and the PyPI package's."""
    try:
        theirs = importlib.import_module("blake3").blake3
    except ImportError:
        print("the PyPI package blake3 is not installed: ours stands alone")
        theirs = None
    results: dict[str, Any] = {}
    key, out = bytes(range(32)), ctypes.create_string_buffer(32)
    for size in (64, 1024, 65536, 1 << 20, 50 << 20):
        data = random.Random(size).randbytes(size)
        repeats = max(1, 100_000 // size)
        row: dict[str, float] = {}

        ours = functools.partial(codec.c.am_unit_id, key, 1, 1, data, Size(size), out)
        for path in (b"avx512", b"avx2", b"plain"):
            if codec.c.am_blake3_use(path) == 0:
                row[path.decode()] = quickest(ours, repeats)
                if theirs and theirs(bytes([1, 1, 0, 0, 0, 0, 0, 0]) + data, key=key).digest() != out.raw:
                    raise AssertionError(f"{path!r} hashes {size} bytes in another way")
        if theirs:
            row["PyPI blake3"] = quickest(functools.partial(digest, theirs, data, key), repeats)
        results[str(size)] = row
        print(f"{size:>10} bytes  " + "  ".join(f"{name} {spent:.3f} us" for name, spent in row.items()))
    return results


def main() -> None:
    """Store, read back, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--hash", action="store_true", help="measure BLAKE3, too")
    parser.add_argument("--json", type=Path, help="write the results here, too")
    options = parser.parse_args()
    data = Path(os.environ["NEXUS_DATA"])
    results: dict[str, Any] = {}
    sets = {
        "SpecStory sessions": files(data / "agents" / "specstory-claude-code", ".md"),
        "SWE-agent sessions": files(data / "agents" / "swe-agent", ".traj"),
    } | chats(data)
    with tempfile.TemporaryDirectory() as folder:
        codec = Codec(Path(folder))
        ways: dict[str, Callable[[Sequence[bytes]], object]] = {
            "alone, level 3": lambda units: alone(codec, units, 3),
            "alone, level 6": lambda units: alone(codec, units, 6),
            "dictionary, level 3": lambda units: held_out(codec, units, 3),
            "dictionary, level 6": lambda units: held_out(codec, units, 6),
            "delta by sketch, level 3": lambda units: by_sketch(codec, units),
            BOTH: lambda units: as_stored(codec, units),
        }
        for name, units in sets.items():
            size = sum(map(len, units))
            print(f"\n{name}: {len(units)} units, {size / 1e6:.2f} MB, mean {size / len(units) / 1e3:.1f} kB")
            results[name] = {"units": len(units)}
            for way, work in ways.items():
                if len(units) > MOST_COMPARED and work in (ways["delta by sketch, level 3"], ways[BOTH]):
                    continue
                codec.clear()
                leaning = work(units)
                results[name][way] = row = codec.result()
                if leaning is not None:
                    row["leaning"] = float(str(leaning))
                print(
                    f"  {way:<30}{row['ratio']:>7.2f}x   coding {row['encode_cpu_s_per_100_mb']:.2f}, "
                    f"decoding {row['decode_cpu_s_per_100_mb']:.3f} CPU s for 100 MB"
                )
        print("\n100 variants of a prompt with its tools, delta by sketch")
        for place, units in prompts(data).items():
            codec.clear()
            leaning = by_sketch(codec, units)
            row = codec.result() | {"leaning": leaning, "mean_bytes": len(units[0])}
            row["encode_us"] = round(codec.encoding / VARIANTS * 1e6, 1)
            row["decode_us"] = round(codec.decoding / VARIANTS * 1e6, 1)
            results[f"variants, {place}"] = row
            print(
                f"  {place:<10}{row['ratio']:>8.1f}x   {leaning} leaning, {len(units[0])} bytes each; coding "
                f"{row['encode_us']:.0f} us, decoding {row['decode_us']:.0f} us"
            )
        if options.hash:
            print("\nBLAKE3, a unit's id:")
            results["blake3, microseconds"] = hashing(codec)
    record.write(results, options.json)


if __name__ == "__main__":
    main()
