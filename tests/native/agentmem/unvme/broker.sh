#!/bin/busybox sh
# The broker with its cold tier on the guest's bare disk, in its sandbox: a disk that was not taken is refused,
# one that holds something is taken by its serial number alone, what the broker was given is there after its
# end and after its kill, and nothing is damaged.
set -eu
disk=nvme:$(cat /tmp/address)
socket=/tmp/broker/socket
mkdir -m 700 /tmp/broker
start() {
    agentmemd --socket $socket --folder /tmp/broker --cold-on "$disk" --foreground >/tmp/broker/said 2>&1 &
    broker=$!
    serves 1
}
serves() { # HOW_OFTEN
    for _ in $(seq 300); do
        if [ "$(grep -c event=serves /tmp/broker/said)" = "$1" ]; then return; fi
        sleep 0.1
    done
    cat /tmp/broker/said
    exit 1
}
stop() {
    kill -TERM $broker
    wait $broker
    broker=
}
refused() { # WORDS COMMAND...
    words=$1
    shift
    if "$@" >/tmp/refused 2>&1; then exit 1; fi
    grep -o "$words" /tmp/refused || { cat /tmp/refused; exit 1; }
}
refused "it is empty" agentmemd --socket $socket --folder /tmp/broker --cold-on "$disk" --foreground
refused "it is empty" agentmemd --check "$disk"
agentmemd --take "$disk"
refused "holds a cold log already" agentmemd --take "$disk"
refused "is not the disk another" agentmemd --take "$disk" --erase another
agentmemd --take "$disk" --erase trial
trap 'if [ -n "$broker" ]; then kill -KILL $broker; fi' EXIT
start
grep -o 'landlock=.* seccomp=[a-z]*' /tmp/broker/said
unvme-client put $socket
refused "another process" agentmemd --check "$disk" # one broker for a disk
stop
agentmemd --check "$disk"
start
unvme-client get $socket
child=$(cat /proc/$broker/task/$broker/children)
kill -KILL $child
serves 2
unvme-client get $socket
stop
agentmemd --check "$disk" | grep -v 'units 0'
