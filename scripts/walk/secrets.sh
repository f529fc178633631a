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
printf '# The gate.\n\npassword = "%s"\n\n\n\n\npassword = "%s"\n' "$(word a 20)" "$(word b 20)" >gate.py
