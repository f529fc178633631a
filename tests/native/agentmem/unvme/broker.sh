#!/bin/busybox sh
# The broker with its cold tier on the guest's bare disk, in its sandbox: what it was given is there after its
# end and its kill, and nothing is damaged.
set -eu
disk=nvme:$(cat /tmp/address)
socket=/tmp/broker/socket
mkdir -m 700 /tmp/broker
start() {
    agentmemd --socket $socket --folder /tmp/broker --cold-on "$disk" --foreground >/tmp/broker/said 2>&1 &
    broker=$!
    for _ in $(seq 200); do
        if grep -q event=serves /tmp/broker/said; then return; fi
        sleep 0.1
    done
    cat /tmp/broker/said
    exit 1
}
stop() {
    kill -TERM $broker
    wait $broker
}
start
grep -o 'landlock=.* seccomp=[a-z]*' /tmp/broker/said
unvme-client put $socket
if agentmemd --check "$disk" 2>/tmp/refused; then exit 1; fi # one broker for a disk
cat /tmp/refused
stop
agentmemd --check "$disk"
start
unvme-client get $socket
stop
agentmemd --check "$disk" | grep -v 'units 0'
