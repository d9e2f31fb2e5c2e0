#!/usr/bin/env bash
# Random and mutated bytes at every door of a node: TCP, QUIC, mDNS, control socket (must-show f):
#
#   HOSTILE_MIB=1024 tests/lab/hostile.sh        default 64
#
# While they come, two honest nodes talk with the one under attack.
set -u
cd "$(dirname "$0")/../.." || exit 1
. tests/netns/lab.sh
lab_need python3 || exit 1
lab_up "${1:-dual}" 4 || exit 1
export LAB_NAME LAB_DIR LAB_MODE
timeout $((300 + ${HOSTILE_MIB:-64} * 5)) python3 -B tests/lab/hostile.py
