#!/usr/bin/env bash
# What a node does with files: export and import without a network, backup, restore and wipe, a held
# directory, a full disk, a damaged store; and what its logs must not hold (MSG-12, ID-8, OPS-2).
set -u
cd "$(dirname "$0")/../.." || exit 1
. tests/netns/lab.sh
lab_need python3 unshare || exit 1
lab_up "${1:-dual}" 3 || exit 1
export LAB_NAME LAB_DIR LAB_MODE
# The small disk is mounted where nobody else sees it, and goes with the process.
timeout 300 unshare --mount --propagation private python3 -B tests/lab/files.py
