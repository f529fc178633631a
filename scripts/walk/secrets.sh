#!/usr/bin/env bash
# Files with made secrets in a folder, for the guide on privacy. Usage: secrets.sh FOLDER
set -eu
cd "$1"
word() { echo "$1" | sha256sum | cut -c1-"$2"; }
echo "TOKEN=1" >.env
{
    printf -- '-----%s PRIVATE KEY-----\n' 'BEGIN RSA'
    for line in 1 2 3 4 5 6 7 8; do word $line 64; done
    printf -- '-----%s PRIVATE KEY-----\n' 'END RSA'
} >deploy
{
    echo "# The gate: who may come in, and who has to wait until somebody opens."
    echo
    echo "password = \"$(word a 20)\""
    echo "# The lights are switched by the same program; its times stand in the table below."
    echo "times = {'morning': (6, 9), 'evening': (17, 22), 'night': (22, 6)}"
    echo
    echo "# Of the second gate, which the neighbours share and the post has a key of."
    echo "password = \"$(word b 20)\""
    echo "def may_open(who, hour): return who in RESIDENTS or times['morning'][0] <= hour < times['evening'][1]"
} >gate.py
