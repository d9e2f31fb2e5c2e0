#!/usr/bin/env bash
# A writes, meets only B, who is no member; B is killed and restarted, meets only C; C reads it.
# B's disk, memory and wire show nothing of it (must-show c).
set -u
cd "$(dirname "$0")/../.." || exit 1
. tests/netns/lab.sh
lab_need tcpdump python3 || exit 1
lab_up "${1:-dual}" 3 || exit 1
export LAB_NAME LAB_DIR LAB_MODE
timeout 300 python3 -B tests/lab/blind_carrier.py
