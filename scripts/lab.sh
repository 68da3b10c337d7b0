# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The lab: six hosts as network namespaces, shared by scripts/lab, scripts/demo and tests/e2e.
#
#	client --- router ===+=== lb          203.0.113.10 and 2001:db8:f::10 are routed to lb;
#	                     +=== b1          b1-b3 have them on lo and answer through the router
#	                     +=== b2
#	                     +=== b3
#
# The segment is a bridge in the router's namespace, so lb answers by XDP_TX. With `two-armed` the backends
# have a second segment, so lb redirects to its other interface.
#
# A lab has an instance name, and several can stand side by side. What it owns is found by that name: namespaces
# sl-[INSTANCE-]HOST, $LAB_RUN (configurations, logs, one pid file a server) and $LAB_PINS (bpffs).
#
# Functions return non-zero on failure and say why on standard error. They are made for `set -e` scripts, which
# take the lab down in an EXIT trap.

LAB_SOURCE=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
BUILD=${BUILD:-build}
case $BUILD in
/*) LAB_BUILD=$BUILD ;;
*) LAB_BUILD=$LAB_SOURCE/$BUILD ;;
esac

LAB_HOSTS=(client router lb b1 b2 b3)
LAB_BACKENDS=(b1 b2 b3)
LAB_VIP4=203.0.113.10
LAB_VIP6=2001:db8:f::10
LAB_CLIENT4=198.51.100.2
LAB_CLIENT6=2001:db8:c::2
LAB_MTU=${LAB_MTU:-1500} # of the way between client and servers
LAB_SEGMENT_MTU=$((LAB_MTU + 100)) # an inner packet and the largest outer header
LAB_UDP_PORT=5300
LAB_BPFFS=/sys/fs/bpf
LAB_TRACKING=${LAB_TRACKING:-changes} # of the configurations made here; or never

# Chooses the lab that all other functions work on.
lab_select()
{
	LAB_INSTANCE=${1:-default}
	if [[ ! $LAB_INSTANCE =~ ^[a-z0-9]{1,20}$ ]]; then
		lab_say "'$LAB_INSTANCE' is not a lab's name: use 1 to 20 of a-z and 0-9"
		return 2
	fi
	LAB_RUN=/run/sluice-lab/$LAB_INSTANCE
	LAB_PINS=$LAB_BPFFS/sluice-lab/$LAB_INSTANCE
	LAB_SOCKET=$LAB_RUN/sluiced.sock
	LAB_STATE=$LAB_RUN/state
	LAB_CONFIG=$LAB_RUN/sluice.yaml
	LAB_SLUICED_OPTIONS=(-c "$LAB_CONFIG" --socket "$LAB_SOCKET" --pin-dir "$LAB_PINS/lb"
		--state-dir "$LAB_STATE")
}

# shellcheck source=scripts/lab-config.sh
. "$LAB_SOURCE/scripts/lab-config.sh"
# shellcheck source=scripts/lab-network.sh
. "$LAB_SOURCE/scripts/lab-network.sh"

lab_say()
{
	echo "lab: $*" >&2
}

# ---- hosts ---------------------------------------------------------------------------------------------

lab_namespace()
{
	if [ "$LAB_INSTANCE" = default ]; then
		echo "sl-$1"
	else
		echo "sl-$LAB_INSTANCE-$1"
	fi
}

# lab_in HOST COMMAND...: runs a command on a host. (`ip netns exec` would hide the BPF file system.)
lab_in()
{
	local host=$1

	shift
	nsenter --net="/run/netns/$(lab_namespace "$host")" -- "$@"
}

lab_ip()
{
	local host=$1

	shift
	ip -n "$(lab_namespace "$host")" "$@"
}

# lab_sysctl HOST KEY=VALUE...: keys below /proc/sys/net.
lab_sysctl()
{
	local host=$1

	shift
	# The script is the argument of sh -c, to be expanded there.
	# shellcheck disable=SC2016
	lab_in "$host" sh -c '
		for setting in "$@"; do
			echo "${setting#*=}" >"/proc/sys/net/${setting%%=*}" || exit 1
		done' sh "$@"
}

# lab_number HOST: the last part of its address on the segment.
lab_number()
{
	case $1 in
	lb) echo 10 ;;
	b*) echo 1"${1#b}" ;;
	esac
}

# lab_address HOST 4|6: its address on the segment where backends are reached.
lab_address()
{
	local segment=1

	[ ! -e "$LAB_RUN/two-armed" ] || segment=2
	case $2 in
	4) echo "10.0.$segment.$(lab_number "$1")" ;;
	6) echo "2001:db8:$segment::$(lab_number "$1")" ;;
	esac
}

# lab_device_count HOST DEVICE rx_bytes|rx_packets|tx_bytes|tx_packets
lab_device_count()
{
	# /proc/net is that of the reader's namespace, unlike /sys/class/net.
	# shellcheck disable=SC2016
	lab_in "$1" awk -v device="$2:" -v what="$3" '
		BEGIN { column["rx_bytes"] = 2; column["rx_packets"] = 3
			column["tx_bytes"] = 10; column["tx_packets"] = 11 }
		$1 == device { print $column[what] }' /proc/net/dev
}

# ---- servers -------------------------------------------------------------------------------------------
# A pid file holds the pid and the process's start time, so that no other process is ever ended.

# Prints when a process started, in ticks since boot; nothing when it is gone, also while init has yet to reap it.
lab_start_time()
{
	local stat
	local -a fields

	{ read -r stat <"/proc/$1/stat"; } 2>/dev/null || return 0
	# The command's name, in parentheses, may hold blanks.
	read -ra fields <<<"${stat##*) }"
	[ "${fields[0]}" = Z ] || echo "${fields[19]}"
}

# lab_start HOST NAME COMMAND...: starts a server; its output goes to $LAB_RUN/NAME.log.
lab_start()
{
	local host=$1 name=$2 pid

	shift 2
	if lab_alive "$name"; then
		lab_say "$name runs already"
		return 1
	fi
	# A session of its own: Ctrl-C in the terminal is for the script, which stops its servers itself.
	setsid nsenter --net="/run/netns/$(lab_namespace "$host")" -- "$@" \
		</dev/null >>"$LAB_RUN/$name.log" 2>&1 &
	pid=$!
	disown "$pid"
	echo "$pid $(lab_start_time "$pid")" >"$LAB_RUN/$name.pid"
}

# lab_pid NAME: prints the pid of a server that runs, else nothing and returns 1. The server `owner` is the script itself.
lab_pid()
{
	local pid='' start='' file=$LAB_RUN/$1.pid

	[ "$1" != owner ] || file=$LAB_RUN/owner
	[ -r "$file" ] || return 1
	read -r pid start <"$file" || return 1
	[ -n "$start" ] && [ "$(lab_start_time "$pid")" = "$start" ] || return 1
	echo "$pid"
}

lab_alive()
{
	lab_pid "$1" >/dev/null
}

# lab_signal NAME SIGNAL
lab_signal()
{
	local pid

	pid=$(lab_pid "$1") || return 1
	kill -s "$2" "$pid"
}

# lab_stop NAME: by SIGTERM, and by SIGKILL after five seconds.
lab_stop()
{
	if lab_signal "$1" TERM 2>/dev/null && ! lab_wait 5 lab_is_gone "$1"; then
		lab_say "$1 ignored SIGTERM for 5 s and is killed"
		lab_signal "$1" KILL || true
		lab_wait 5 lab_is_gone "$1"
	fi
	rm -f "$LAB_RUN/$1.pid"
}

lab_kill()
{
	lab_signal "$1" KILL && lab_wait 5 lab_is_gone "$1"
}

lab_is_gone()
{
	! lab_alive "$1"
}

# lab_wait SECONDS COMMAND...: until the command succeeds; returns 1 when it has not in time. A machine that is known to be
# so many times slower has LAB_SLOWNESS.
lab_wait()
{
	local deadline=$((SECONDS + $1 * ${LAB_SLOWNESS:-1} + 1))

	shift
	until "$@"; do
		[ $SECONDS -lt $deadline ] || return 1
		sleep 0.05
	done
}

# ---- programs ------------------------------------------------------------------------------------------

lab_sluicectl()
{
	"$LAB_BUILD/sluicectl" --socket "$LAB_SOCKET" "$@"
}

# lab_sluiced [OPTION...]: runs sluiced on lb in the foreground.
lab_sluiced()
{
	lab_in lb "$LAB_BUILD/sluiced" "${LAB_SLUICED_OPTIONS[@]}" "$@"
}

lab_start_sluiced()
{
	lab_start lb sluiced "$LAB_BUILD/sluiced" "${LAB_SLUICED_OPTIONS[@]}"
	if ! lab_wait 15 lab_sluiced_answers_or_died || ! lab_alive sluiced; then
		lab_say "sluiced did not come up; the end of $LAB_RUN/sluiced.log:"
		tail -n 20 "$LAB_RUN/sluiced.log" >&2
		return 1
	fi
}

lab_sluiced_answers_or_died()
{
	lab_is_gone sluiced || lab_sluicectl status >/dev/null 2>&1
}

# Attaches sluice-decap on a backend.
lab_attach_decap()
{
	lab_in "$1" "$LAB_BUILD/sluice-decap" attach eth0 --from "$(lab_address lb 4)" \
		--from "$(lab_address lb 6)" --pin-dir "$LAB_PINS/$1" >>"$LAB_RUN/decap-$1.log" 2>&1 || {
		lab_say "sluice-decap did not attach on $1:"
		tail -n 20 "$LAB_RUN/decap-$1.log" >&2
		return 1
	}
}

# lab_for_people HOST COMMAND...: as lab_in, and sluicectl is found and knows its socket, sluice-decap its pins.
lab_for_people()
{
	local host=$1

	shift
	LAB_HOST=$host PATH=$LAB_RUN/bin:$LAB_BUILD:$PATH lab_in "$host" "$@"
}

lab_make_tools()
{
	mkdir -p "$LAB_RUN/bin"
	printf '#!/bin/sh\nexec "%s" --socket "%s" "$@"\n' "$LAB_BUILD/sluicectl" "$LAB_SOCKET" \
		>"$LAB_RUN/bin/sluicectl"
	# shellcheck disable=SC2016
	printf '#!/bin/sh\nexec "%s" "$@" --pin-dir "%s/$LAB_HOST"\n' "$LAB_BUILD/sluice-decap" "$LAB_PINS" \
		>"$LAB_RUN/bin/sluice-decap"
	chmod +x "$LAB_RUN"/bin/*
}

# ---- backends ------------------------------------------------------------------------------------------

lab_start_nginx()
{
	local home=$LAB_RUN/$1

	lab_start "$1" "nginx-$1" nginx -p "$home" -e "$home/error.log" -c "$home/nginx.conf"
}

lab_start_backend()
{
	local host=$1 home=$LAB_RUN/$1

	mkdir -p "$home/uploads"
	chown nobody:nogroup "$home/uploads"
	lab_nginx_config "$host" >"$home/nginx.conf"
	lab_start_nginx "$host"
	lab_start "$host" "echo-$host" python3 "$LAB_SOURCE/scripts/udp-echo" "$host" $LAB_UDP_PORT
}

lab_backend_answers()
{
	[ "$(lab_in "$1" curl -sS -m 1 "http://$(lab_address "$1" 4)/" 2>&1)" = "$1" ]
}

# ---- up and down ---------------------------------------------------------------------------------------

# lab_require [OPTION...]: whether a lab with lab_up's options can be made here. Asked before anything is touched:
# whoever is refused has nothing to clean up.
lab_require()
{
	local tool program
	local -a absent=()

	if [ "$(id -u)" -ne 0 ]; then
		lab_say 'network namespaces and BPF programs need root; run this by sudo'
		return 1
	fi
	for tool in ip nsenter setsid mount ethtool nginx curl python3 ${LAB_PASS_OBJECT:-clang}; do
		command -v "$tool" >/dev/null || [ -e "$tool" ] || absent+=("$tool")
	done
	if [ ${#absent[@]} -gt 0 ]; then
		lab_say "not found: ${absent[*]}; run scripts/install-deps demo"
		return 1
	fi
	for program in sluiced sluice-prober sluicectl sluice-decap; do
		[[ " $* " == *' no-sluice '* ]] || [ -x "$LAB_BUILD/$program" ] || {
			lab_say "$LAB_BUILD/$program is missing: run make first"
			return 1
		}
	done
	lab_is_free
}

# Whether no other script is making this lab or showing something in it.
lab_is_free()
{
	local pid

	pid=$(lab_pid owner) || return 0
	[ "$pid" != $$ ] || return 0
	lab_say "the lab '$LAB_INSTANCE' is in use by process $pid; wait for its end, or take a lab of your own by" \
		"another name (LAB_INSTANCE=NAME, or scripts/lab --instance NAME)"
	return 1
}

lab_mount_bpffs()
{
	[ "$(stat -f -c %T $LAB_BPFFS 2>/dev/null)" != bpf_fs ] || return 0
	if ! mount -t bpf bpf $LAB_BPFFS; then
		lab_say "$LAB_BPFFS is no BPF file system and cannot be made one: does this kernel have BPF?"
		return 1
	fi
}

# A program that passes all. Where there is no compiler, LAB_PASS_OBJECT names one that is made already.
lab_pass_object()
{
	local source=$LAB_SOURCE/scripts/pass.bpf.c object=$LAB_BUILD/lab/pass.bpf.o

	if [ -n "${LAB_PASS_OBJECT:-}" ]; then
		echo "$LAB_PASS_OBJECT"
		return
	fi
	if [ ! "$object" -nt "$source" ]; then
		mkdir -p "$LAB_BUILD/lab"
		clang -O2 -g -target bpf -Wall -Werror "-I/usr/include/$(uname -m)-linux-gnu" -c "$source" \
			-o "$object.$$"
		mv "$object.$$" "$object"
	fi
	echo "$object"
}

lab_make_files()
{
	mkdir -p "$LAB_RUN/files"
	head -c 32M /dev/urandom >"$LAB_RUN/files/big"
	sha256sum <"$LAB_RUN/files/big" | cut -d' ' -f1 >"$LAB_RUN/files/big.sha256"
}

# lab_up [no-sluice] [two-armed]: anything that a lab of this name has left behind goes first.
lab_up()
{
	local option host

	umask 022 # nginx's workers and, where there is one, user sluice read what is made here
	lab_require "$@"
	lab_mount_bpffs
	lab_down
	mkdir -p "$LAB_RUN" "$LAB_PINS"
	echo "$$ $(lab_start_time $$)" >"$LAB_RUN/owner"
	for option in "$@"; do
		touch "$LAB_RUN/$option"
	done
	lab_make_network
	lab_make_files
	lab_make_tools
	for host in "${LAB_BACKENDS[@]}"; do
		lab_start_backend "$host"
	done
	for host in "${LAB_BACKENDS[@]}"; do
		if ! lab_wait 10 lab_backend_answers "$host"; then
			lab_say "nginx on $host does not answer; see $LAB_RUN/nginx-$host.log and $LAB_RUN/$host/error.log"
			return 1
		fi
	done
	lab_config >"$LAB_CONFIG"
	if [ ! -e "$LAB_RUN/no-sluice" ]; then
		for host in "${LAB_BACKENDS[@]}"; do
			lab_attach_decap "$host"
		done
		lab_start_sluiced
	fi
	touch "$LAB_RUN/up"
}

# Whether lab_up has succeeded for this instance.
lab_is_up()
{
	[ -e "$LAB_RUN/up" ]
}

# Takes away all that a lab of this name has; idempotent, and goes on after a failure.
lab_down()
{
	local file host namespace

	for file in "$LAB_RUN"/*.pid; do
		[ -e "$file" ] || continue
		file=${file##*/}
		lab_stop "${file%.pid}"
	done
	# Unpinning a link detaches its program.
	rm -rf "$LAB_PINS"
	rmdir "${LAB_PINS%/*}" 2>/dev/null || true
	for host in "${LAB_HOSTS[@]}"; do
		namespace=$(lab_namespace "$host")
		[ ! -e "/run/netns/$namespace" ] || ip netns del "$namespace" || true
	done
	rm -rf "$LAB_RUN"
	rmdir "${LAB_RUN%/*}" 2>/dev/null || true
}

lab_select "${LAB_INSTANCE:-default}"
