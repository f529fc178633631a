#!/usr/bin/env bash
# Feed made-up bytes to the parsers of the engine, to a saved flow, to what AgentMem reads, and to what a LibOS
# tender gets of its guest, guided by coverage (libFuzzer, clang), until one fails or the time is over.
# Usage: fuzz.sh [seconds for each parser = 600]. A failure leaves the bytes that cause it in build/fuzz.
set -eu
cd "$(dirname "$0")/.."
seconds=${1:-600}
if ! command -v clang++ >/dev/null; then
    echo "clang++ is missing: apt-get install clang" >&2
    exit 1
fi
out=build/fuzz
mkdir -p "$out/gguf" "$out/tokenizer" "$out/flowing" "$out/am_codec" "$out/am_pack" "$out/am_log" "$out/am_wire"
mkdir -p "$out/libos_image" "$out/libos_doorbell"
compile() { # NAME SOURCES...
    clang++ -std=c++20 -g -O1 -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=undefined -DNEXUS_LIBFUZZER \
        -Inative -Itests/native/engine "tests/native/engine/fuzz_$1.cpp" "${@:2}" -o "$out/fuzz_$1"
}
compile gguf native/engine/gguf/*.cpp
compile tokenizer native/engine/gguf/*.cpp native/engine/tokenizer/*.cpp
# The loops for AVX2 need flags of their own; NX_FLOWING_PLAIN leaves them out.
clang -std=c11 -g -O1 -fsanitize=fuzzer,address,undefined,float-cast-overflow -fno-sanitize-recover=undefined \
    -DNEXUS_LIBFUZZER -DNX_FLOWING_PLAIN -Inative/flowing/include tests/native/flowing_fuzz.c \
    native/flowing/src/{arrays,contexts,energy,flow,kernels,kernels_plain,memory,states}.c -lm -o "$out/fuzz_flowing"
compile_agentmem() { # NAME SOURCES...
    clang -std=c11 -g -O1 -D_GNU_SOURCE -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=undefined -DNEXUS_LIBFUZZER \
        -Inative/agentmem/{include,lib,broker} "tests/native/agentmem/fuzz_$1.c" "${@:2}" -lzstd -lpthread -o "$out/fuzz_am_$1"
}
coding=(native/agentmem/lib/{blake3*,codec*,sketch,dictionary}.c)
compile_agentmem codec "${coding[@]}"
compile_agentmem pack "${coding[@]}" native/agentmem/lib/pack_*.c
compile_agentmem wire native/agentmem/broker/wire_check.c
compile_agentmem log native/agentmem/lib/{blake3,log}*.c
compile_libos() { # NAME SOURCES...
    clang -std=c11 -g -O1 -D_GNU_SOURCE -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=undefined \
        -DNEXUS_LIBFUZZER -Inative/libos/{include,tenders} -Itests/native/agentmem \
        "tests/native/libos/fuzz_$1.c" "${@:2}" -o "$out/fuzz_libos_$1"
}
compile_libos image native/libos/tenders/image.c
compile_libos doorbell native/libos/tenders/{calls,channel,memory}.c
# What is found goes into the first folder; the files kept in the repository are only read.
options=(-max_total_time="$seconds" -rss_limit_mb=4096 -timeout=20 -print_final_stats=1 -artifact_prefix="$out/")
"$out/fuzz_gguf" "${options[@]}" -max_len=65536 "$out/gguf" tests/native/engine/corpus/gguf >"$out/gguf.log" 2>&1 &
gguf=$!
"$out/fuzz_flowing" "${options[@]}" -max_len=1024 "$out/flowing" >"$out/flowing.log" 2>&1 &
flowing=$!
agentmem=()
for name in codec pack wire log; do
    "$out/fuzz_am_$name" "${options[@]}" -max_len=4096 "$out/am_$name" >"$out/am_$name.log" 2>&1 &
    agentmem+=($!)
done
libos=()
for name in image doorbell; do
    "$out/fuzz_libos_$name" "${options[@]}" -max_len=4096 "$out/libos_$name" >"$out/libos_$name.log" 2>&1 &
    libos+=($!)
done
"$out/fuzz_tokenizer" "${options[@]}" -max_len=4096 "$out/tokenizer" >"$out/tokenizer.log" 2>&1 &
failed=0
wait $! || failed=1
wait $gguf || failed=1
wait $flowing || failed=1
for process in "${agentmem[@]}" "${libos[@]}"; do
    wait "$process" || failed=1
done
tail -n 8 "$out/gguf.log" "$out/tokenizer.log" "$out/flowing.log" "$out"/am_*.log "$out"/libos_*.log
exit $failed
