#!/bin/sh
# PSS of the agent's two processes, beside the bare imports of their libraries, in kB. Pages shared
# with other processes count by share, so no other Python may run meanwhile: this is why it is a shell script.
# usage: memory.sh PYTHON ROOT MODEL_FILE   → lines "name kB"
set -eu
python=$1
root=$2
model=$3

pss() {
    sed -n 's/^Pss: *\([0-9]*\) kB/\1/p' "/proc/$1/smaps_rollup"
}

# A process that has run some imports and waits; $1 is what it runs.
bare() {
    mkfifo "$folder/fifo"
    "$python" -c "$1
print('there', flush=True)
import time; time.sleep(600)" > "$folder/fifo" &
    pid=$!
    read -r _ < "$folder/fifo"
    pss "$pid"
    kill "$pid"
    wait "$pid" 2> /dev/null || true
    rm "$folder/fifo"
}

state() {
    sed -n 's/.*"state":"\([a-z]*\)".*/\1/p' "$root/run/status.json" 2> /dev/null || true
}

number() {
    sed -n "s/.*\"$1\":\([0-9]*\).*/\1/p" "$root/run/status.json"
}

folder=$(mktemp -d)
agent=
trap 'test -z "$agent" || kill "$agent" 2> /dev/null; rm -rf "$folder"' EXIT INT TERM

echo "supervisor_imports $(bare 'import argparse, asyncio, ctypes, logging, msgspec, sqlite3, subprocess, paho.mqtt.client, httptools')"
echo "worker_imports $(bare "
import msgspec, numpy
from ai_edge_litert.interpreter import Interpreter
interpreter = Interpreter('$model', num_threads=1)
interpreter.allocate_tensors()
interpreter.invoke()")"

rm -f "$root/run/status.json"
"$(dirname "$python")/edge-agent" run --root "$root" 2> "$folder/log" &
agent=$!
tries=0
until [ "$(state)" = running ]; do
    tries=$((tries + 1))
    [ "$tries" -lt 300 ] || { cat "$folder/log" >&2; exit 1; }
    sleep 0.1
done
sleep 3
worker=$(number worker_pid)
echo "supervisor_beside_worker $(pss "$agent")"
echo "worker $(pss "$worker")"
kill -STOP "$agent" # so that it starts no other worker while it is measured alone
kill -KILL "$worker"
sleep 0.2
echo "supervisor_alone $(pss "$agent")"
kill -CONT "$agent"
