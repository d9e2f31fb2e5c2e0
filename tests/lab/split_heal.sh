#!/usr/bin/env bash
# Three hosts; one is cut off while 500 messages are written, then healed (must-show d, real part):
#
#   tests/lab/split_heal.sh [MODE]        MESSAGES=500
set -u
cd "$(dirname "$0")/../.." || exit 1
. tests/netns/lab.sh
lab_need python3 || exit 1
lab_up "${1:-dual}" 3 || exit 1
export LAB_NAME LAB_DIR LAB_MODE
timeout 400 python3 -B tests/lab/split_heal.py
