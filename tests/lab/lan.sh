#!/usr/bin/env bash
# Three nodes on one network without Internet find each other and talk, a fourth arrives, one goes
# and comes back (must-show b), in each address mode:
#
#   tests/lab/lan.sh [MODE…]        default: dual v4 v6 ll
#
# TRIES: arrivals of a newcomer; default 10 in dual, 5 otherwise.
set -u
cd "$(dirname "$0")/../.." || exit 1
. tests/netns/lab.sh
lab_need python3 tcpdump avahi-daemon avahi-browse dbus-daemon || exit 1
[ $# -gt 0 ] || set -- dual v4 v6 ll
failed=0
for mode in "$@"; do
    lab_up "$mode" 4 || exit 1
    export LAB_NAME LAB_DIR LAB_MODE
    timeout 240 python3 -B tests/lab/lan.py &
    python=$!
    # The nodes run while Avahi, in the fourth host's place, lists them.
    for _ in $(seq 600); do
        [ -e "$LAB_DIR/running" ] && break
        kill -0 "$python" 2>/dev/null || break
        sleep 0.1
    done
    lab_avahi 4 timeout 20 avahi-browse -prt _sovereign._tcp >"$LAB_DIR/avahi.txt" 2>"$LAB_DIR/avahi.err"
    touch "$LAB_DIR/listed"
    wait "$python" || failed=1
    lab_down
done
exit $failed
