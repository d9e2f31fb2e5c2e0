#!/usr/bin/env bash
# A local network of network namespaces, to be sourced:
#
#   . tests/netns/lab.sh
#   lab_up dual 3              # namespaces 1 2 3 on a bridge, which has a namespace of its own
#   lab_exec 2 sovereign …     # runs a command in one of them
#   lab_add                    # one more; its number is in $LAB_SIZE
#   lab_avahi 1 avahi-browse -prt _sovereign._tcp    # with an avahi-daemon of its own
#   lab_down                   # also on exit, INT and TERM
#
# Modes: dual (IPv4 and a ULA), v4, v6 (ULA), ll (fe80 only). IPv6 interfaces have fe80 as well.
# The host's interfaces and routes are not touched. Names carry the process id, so runs in parallel
# do not collide. What still runs in a namespace is ended by lab_down. Needs root and iproute2.
#
# Duplicate address detection is off, so that addresses are there when lab_up returns; LAB_DAD=1
# leaves it on, as on a real network.

LAB_NAME=
LAB_SIZE=0
LAB_MODE=
LAB_DIR=

lab_fail() {
    echo "lab: $*" >&2
    return 1
}

# Says loudly what is missing.
lab_need() {
    local tool missing=
    for tool in "$@"; do
        command -v "$tool" >/dev/null || missing+=" $tool"
    done
    [ -z "$missing" ] || lab_fail "MISSING TOOLS:$missing (Debian: iproute2 procps avahi-daemon avahi-utils dbus)"
}

lab_up() {
    local mode=$1 size=$2
    [ -z "$LAB_NAME" ] || { lab_fail "already up"; return 1; }
    [ "$(id -u)" = 0 ] || { lab_fail "NOT ROOT: network namespaces cannot be made"; return 1; }
    lab_need ip sysctl || return 1
    case $mode in dual | v4 | v6 | ll) ;; *) lab_fail "mode is dual, v4, v6 or ll"; return 1 ;; esac
    LAB_NAME=sov$BASHPID LAB_MODE=$mode LAB_SIZE=0
    LAB_DIR=$(mktemp -d -t sovereign-lab.XXXXXX) || return 1
    trap lab_down EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM
    ip netns add "$LAB_NAME-sw" || return 1
    ip -n "$LAB_NAME-sw" link add br0 type bridge || return 1
    ip -n "$LAB_NAME-sw" link set br0 up || return 1
    while [ "$LAB_SIZE" -lt "$size" ]; do lab_add || return 1; done
}

# One more namespace, on the bridge and with addresses.
lab_add() {
    local i=$((LAB_SIZE + 1)) ns off=0 dad=${LAB_DAD:-0}
    ns=$(lab_ns "$i")
    ip netns add "$ns" || return 1
    LAB_SIZE=$i
    [ "$LAB_MODE" != v4 ] || off=1
    ip netns exec "$ns" sysctl -qw "net.ipv6.conf.default.disable_ipv6=$off" \
        "net.ipv6.conf.all.disable_ipv6=$off" "net.ipv6.conf.default.accept_dad=$dad" || return 1
    ip link add eth0 netns "$ns" type veth peer name "p$i" netns "$LAB_NAME-sw" || return 1
    ip -n "$LAB_NAME-sw" link set "p$i" master br0 up || return 1
    case $LAB_MODE in dual | v4) ip -n "$ns" addr add "10.77.$((i / 250)).$((i % 250 + 1))/16" dev eth0 || return 1 ;; esac
    case $LAB_MODE in dual | v6) ip -n "$ns" addr add "fd77::$i/64" dev eth0 || return 1 ;; esac
    ip -n "$ns" link set lo up || return 1
    ip -n "$ns" link set eth0 up || return 1
}

lab_ns() { echo "$LAB_NAME-$1"; }

lab_exec() {
    local i=$1
    shift
    ip netns exec "$(lab_ns "$i")" "$@"
}

lab_down() {
    [ -n "$LAB_NAME" ] || return 0
    local i ns pids
    trap - EXIT
    for i in $(seq "$LAB_SIZE"); do
        pids=$(ip netns pids "$(lab_ns "$i")" 2>/dev/null)
        # shellcheck disable=SC2086
        [ -z "$pids" ] || kill $pids 2>/dev/null
    done
    for i in $(seq 20); do
        [ -n "$(for i in $(seq "$LAB_SIZE"); do ip netns pids "$(lab_ns "$i")" 2>/dev/null; done)" ] || break
        sleep 0.1
    done
    for i in $(seq "$LAB_SIZE") sw; do
        ns=$LAB_NAME-$i
        pids=$(ip netns pids "$ns" 2>/dev/null)
        # shellcheck disable=SC2086
        [ -z "$pids" ] || kill -9 $pids 2>/dev/null
        ip netns del "$ns" 2>/dev/null
    done
    rm -rf "$LAB_DIR"
    LAB_NAME= LAB_SIZE=0
    return 0
}

# lab_avahi I COMMAND…: runs the command in namespace I beside an avahi-daemon and a D-Bus of its
# own, in a private mount namespace. The command's exit code.
lab_avahi() {
    local i=$1 dir
    shift
    lab_need avahi-daemon avahi-browse avahi-publish dbus-daemon unshare || return 1
    dir=$(mktemp -d -p "$LAB_DIR") || return 1
    cat >"$dir/bus.conf" <<'C'
<busconfig><type>system</type><listen>unix:path=/run/dbus/system_bus_socket</listen>
<policy context="default"><allow user="*"/><allow own="*"/><allow send_type="method_call"/>
<allow send_destination="*"/><allow receive_sender="*"/></policy></busconfig>
C
    cat >"$dir/avahi.conf" <<C
[server]
host-name=avahi-$i
use-ipv4=$([ "$LAB_MODE" = v6 ] || [ "$LAB_MODE" = ll ] && echo no || echo yes)
use-ipv6=$([ "$LAB_MODE" = v4 ] && echo no || echo yes)
allow-interfaces=eth0
[wide-area]
enable-wide-area=no
[publish]
publish-workstation=no
publish-hinfo=no
[rlimits]
C
    # shellcheck disable=SC2016
    lab_exec "$i" unshare -m bash -c '
        dir=$1; shift
        mount --make-rprivate / && mount -t tmpfs none /run && mkdir -p /run/dbus /run/avahi-daemon || exit 1
        dbus-daemon --config-file="$dir/bus.conf" --nofork --nopidfile >"$dir/bus.log" 2>&1 & bus=$!
        for _ in $(seq 100); do [ -S /run/dbus/system_bus_socket ] && break; sleep 0.05; done
        avahi-daemon -f "$dir/avahi.conf" --no-drop-root --no-chroot --no-rlimits --no-proc-title \
            >"$dir/avahi.log" 2>&1 & avahi=$!
        for _ in $(seq 100); do grep -q "startup complete" "$dir/avahi.log" && break; sleep 0.05; done
        "$@"; code=$?
        kill $avahi $bus; wait
        exit $code' lab "$dir" "$@"
}
