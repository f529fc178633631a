#!/usr/bin/env bash
# Feed made-up bytes to what reads foreign ones, guided by coverage (libFuzzer, clang), until one fails or the
# time is over.
#
# Usage: fuzz.sh [SECONDS for each = 600] [TARGET...]     all targets where none is named, all at once
#   gguf tokenizer                   the engine's parsers
#   flowing                          a saved flow
#   am_codec am_pack am_wire am_log  what AgentMem stores, moves, is sent and recovers
#   libos_image                      a LibOS tender's loader: any bytes as a guest's ELF file
#   libos_doorbell                   a LibOS tender's doorbell: any call block anywhere, with any reply of the host
#
# `make fuzz` is all of them for ten minutes; `scripts/fuzz.sh 60 libos_image libos_doorbell` is two for one.
# Ends with 0 where all are clean. build/fuzz/TARGET.log says what was run; bytes that make a target fail are
# left as build/fuzz/TARGET-crash-*, and `build/fuzz/fuzz_TARGET FILE` shows it again. build/fuzz/TARGET keeps
# what was found, from which the next run goes on. Without clang, ctest runs the same checks on inputs of their own.
set -eu
cd "$(dirname "$0")/.."
all=(gguf tokenizer flowing am_codec am_pack am_wire am_log libos_image libos_doorbell)
seconds=${1:-600}
targets=("${@:2}")
[ ${#targets[@]} -gt 0 ] || targets=("${all[@]}")
if [[ ! $seconds =~ ^[1-9][0-9]*$ ]]; then
    echo "fuzz.sh: $seconds is no number of seconds" >&2
    exit 2
fi
for target in "${targets[@]}"; do
    if [[ " ${all[*]} " != *" $target "* ]]; then
        echo "fuzz.sh: $target is not one of ${all[*]}" >&2
        exit 2
    fi
done
if ! command -v clang++ >/dev/null; then
    echo "clang++ is missing: apt-get install clang" >&2
    exit 1
fi
out=build/fuzz
checks=(-g -O1 -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=undefined -DNEXUS_LIBFUZZER)
c=(clang -std=c11 -D_GNU_SOURCE "${checks[@]}")
engine() { # NAME SOURCES...
    clang++ -std=c++20 "${checks[@]}" -Inative -Itests/native/engine "tests/native/engine/fuzz_$1.cpp" "${@:2}" \
        -o "$out/fuzz_$1"
}
agentmem() { # NAME SOURCES...
    "${c[@]}" -Inative/agentmem/{include,lib,broker} "tests/native/agentmem/fuzz_$1.c" "${@:2}" -lzstd -lpthread \
        -o "$out/fuzz_am_$1"
}
libos() { # NAME SOURCES...
    "${c[@]}" -Inative/libos/{include,tenders} -Itests/native/agentmem "tests/native/libos/fuzz_$1.c" "${@:2}" \
        -o "$out/fuzz_libos_$1"
}
coding=(native/agentmem/lib/{blake3*,codec*,sketch,dictionary}.c)
build() { # TARGET
    case $1 in
    gguf) engine gguf native/engine/gguf/*.cpp ;;
    tokenizer) engine tokenizer native/engine/gguf/*.cpp native/engine/tokenizer/*.cpp ;;
    # The loops for AVX2 need flags of their own; NX_FLOWING_PLAIN leaves them out.
    flowing)
        "${c[@]}" -fsanitize=float-cast-overflow -DNX_FLOWING_PLAIN -Inative/flowing/include \
            tests/native/flowing_fuzz.c \
            native/flowing/src/{arrays,contexts,energy,flow,kernels,kernels_plain,memory,states}.c \
            -lm -o "$out/fuzz_flowing"
        ;;
    am_codec) agentmem codec "${coding[@]}" ;;
    am_pack) agentmem pack "${coding[@]}" native/agentmem/lib/pack_*.c ;;
    am_wire) agentmem wire native/agentmem/broker/wire_check.c ;;
    am_log) agentmem log native/agentmem/lib/{blake3,log}*.c ;;
    libos_image) libos image native/libos/tenders/image.c ;;
    libos_doorbell) libos doorbell native/libos/tenders/{calls,channel,memory}.c ;;
    esac
}
longest() { # TARGET: bytes of an input, at most
    case $1 in
    gguf) echo 65536 ;;
    flowing) echo 1024 ;;
    *) echo 4096 ;;
    esac
}
for target in "${targets[@]}"; do
    mkdir -p "$out/$target"
    build "$target"
done
running=()
for target in "${targets[@]}"; do
    # What is found goes into the first folder; the files kept in the repository are only read.
    inputs=("$out/$target")
    [ "$target" != gguf ] || inputs+=(tests/native/engine/corpus/gguf)
    "$out/fuzz_$target" -max_total_time="$seconds" -max_len="$(longest "$target")" -rss_limit_mb=4096 -timeout=20 \
        -print_final_stats=1 -artifact_prefix="$out/$target-" "${inputs[@]}" >"$out/$target.log" 2>&1 &
    running+=($!)
done
failed=0
for process in "${running[@]}"; do
    wait "$process" || failed=1
done
for target in "${targets[@]}"; do
    echo "== $target"
    tail -n 8 "$out/$target.log"
done
exit $failed
