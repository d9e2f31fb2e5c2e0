#!/usr/bin/env bash
# Measures discovery on the local network (LOC-1, must-show b) in every address mode:
#
#   cargo build -p sovereign-node --example lan_probe
#   sudo tests/netns/discovery.sh target/debug/examples/lan_probe [TRIES] [MODE…]
#
# Fails when a node is not seen, when Avahi does not list us with our TXT record, or when we choke
# on a foreign service. Times are printed; with STRICT=1 they are judged as well (all pairs within
# 1,500 ms of the first start; newcomer's median within 500 ms).
set -u
cd "$(dirname "$0")/../.." || exit 1
. tests/netns/lab.sh
probe=$(realpath "${1:?path of lan_probe}")
tries=${2:-10}
shift 2 2>/dev/null || shift $#
[ $# -gt 0 ] || set -- dual v4 v6 ll
failed=0

bad() {
    echo "FAILED: $*" >&2
    failed=1
}

# Waits until the log has as many matching lines, ten seconds at most.
await() {
    local log=$1 pattern=$2 count=$3
    for _ in $(seq 200); do
        [ "$(grep -cE "$pattern" "$log")" -ge "$count" ] && return 0
        sleep 0.05
    done
    bad "$pattern, $count times, in $(basename "$log"): $(cat "$log")"
    return 1
}

# When a log first names an id in a sighting, milliseconds.
first() { awk -v id="$2" '$2 == "sighted" && $3 == id { print $1; exit }' "$1"; }

# When a node's program started.
started() { awk '$2 == "start" { print $1; exit }' "$1"; }

node_id() { printf '%016x' "$((0xabcd0000 + $1))"; }

median() { sort -n | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'; }

measure() {
    local mode=$1 i j t0 t worst=0 saw=() seen=() log out
    lab_up "$mode" 3 || exit 1
    out=$LAB_DIR
    for i in 1 2 3; do : >"$out/$i.log"; done
    for i in 1 2 3; do lab_exec "$i" "$probe" 900 "$(node_id "$i")" >"$out/$i.log" 2>&1 & done
    for i in 1 2 3; do
        for j in 1 2 3; do [ "$i" = "$j" ] || await "$out/$i.log" "sighted $(node_id "$j")" 1; done
    done
    t0=$(for i in 1 2 3; do started "$out/$i.log"; done | sort -n | head -1)
    for i in 1 2 3; do
        for j in 1 2 3; do
            [ "$i" = "$j" ] && continue
            t=$(($(first "$out/$i.log" "$(node_id "$j")") - t0))
            [ "$t" -le "$worst" ] || worst=$t
        done
    done
    echo "$mode: cold start, three at once, last of all pairs after $worst ms"
    [ "${STRICT:-0}" = 0 ] || [ "$worst" -le 1500 ] || bad "$mode: cold start"

    lab_add || exit 1
    for t in $(seq "$tries"); do
        sleep "$((1 + RANDOM % 3)).$((RANDOM % 10))"
        j=$((100 + t)) log=$out/new$t.log
        : >"$log"
        lab_exec 4 "$probe" 3 "$(node_id "$j")" >"$log" 2>&1 &
        for i in 1 2 3; do
            await "$log" "sighted $(node_id "$i")" 1
            await "$out/$i.log" "sighted $(node_id "$j")" 1
        done
        t0=$(started "$log")
        saw+=($(($(for i in 1 2 3; do first "$log" "$(node_id "$i")"; done | sort -n | tail -1) - t0)))
        seen+=($(($(for i in 1 2 3; do first "$out/$i.log" "$(node_id "$j")"; done | sort -n | tail -1) - t0)))
        for i in 1 2 3; do await "$out/$i.log" "lost $(node_id "$j")" 1; done
    done
    i=$(printf '%s\n' "${saw[@]}" | median) j=$(printf '%s\n' "${seen[@]}" | median)
    echo "$mode: newcomer, $tries tries: sees all others after $i ms (median; all: ${saw[*]})"
    echo "$mode: newcomer, $tries tries: seen by all others after $j ms (median; all: ${seen[*]})"
    [ "${STRICT:-0}" = 0 ] || { [ "$i" -le 500 ] && [ "$j" -le 500 ]; } || bad "$mode: newcomer"

    lab_avahi 4 bash -c '
        avahi-publish -s foreign _sovereign._tcp 9999 pid=12D3av v=2 "=broken" & p=$!
        sleep 3; timeout 10 avahi-browse -prt _sovereign._tcp; kill $p' >"$out/avahi.txt" 2>"$out/avahi.err"
    for i in 1 2 3; do
        grep "^=" "$out/avahi.txt" | grep "$(node_id "$i")" | grep -q "\"d=$(node_id "$i")\"" ||
            bad "$mode: Avahi does not list node $i: $(cat "$out/avahi.txt" "$out/avahi.err")"
    done
    grep -q "foreign" "$out/avahi.txt" || bad "$mode: Avahi's own service is not out"
    echo "$mode: Avahi lists: $(grep "^=" "$out/avahi.txt" | grep "$(node_id 1)" | head -1)"

    # Still well after the foreign service: a newcomer is seen, a killed node's goodbye as well.
    lab_exec 4 "$probe" 3 "$(node_id 99)" >"$out/after.log" 2>&1 &
    for i in 1 2 3; do
        await "$out/$i.log" "sighted $(node_id 99)" 1
        grep -E "foreign|panicked" "$out/$i.log" && bad "$mode: node $i choked"
    done
    # shellcheck disable=SC2046
    kill -INT $(ip netns pids "$(lab_ns 1)")
    for i in 2 3; do await "$out/$i.log" "lost $(node_id 1)" 1; done
    echo "$mode: node 1 after Ctrl-C: goodbye heard by all"
    lab_down
}

for mode in "$@"; do measure "$mode"; done
exit $failed
