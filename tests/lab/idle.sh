#!/usr/bin/env bash
# One idle node, alone on its network: memory, wake-ups and bytes a minute (must-show j):
#
#   IDLE_SECONDS=600 tests/lab/idle.sh        default 60
set -u
cd "$(dirname "$0")/../.." || exit 1
. tests/netns/lab.sh
lab_need python3 || exit 1
lab_up "${1:-dual}" 1 || exit 1
export LAB_NAME LAB_DIR LAB_MODE
timeout $((${IDLE_SECONDS:-60} + 120)) python3 -B tests/lab/idle.py
