# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# What the tests of tracking share: a lab with short timeouts and a small flow table, flows that last (tests/e2e/flows), a
# flood, and the state of slots as the maps have it.

TRACKING_T=5 # idle-timeout, seconds; the least there is

# tracking_service NAME ADDRESS PORT PROTOCOL FAMILY "HOST [FIELD...]"...: a service of these backends.
tracking_service()
{
	local family=$5 host fields backend

	printf '  - {name: %s, address: "%s", port: %s, protocol: %s, backends: [' "$1" "$2" "$3" "$4"
	shift 5
	for backend in "$@"; do
		read -r host fields <<<"$backend"
		printf '{address: "%s"%s}, ' "$(lab_address "$host" "$family")" "${fields:+, $fields}"
	done
	echo ']}'
}

# tracking_config BACKEND...: the configuration in which all services have these backends.
tracking_config()
{
	LAB_TRACKING=changes lab_config_head
	tracking_service web4 "$LAB_VIP4" 80 tcp 4 "$@"
	tracking_service web6 "$LAB_VIP6" 80 tcp 6 "$@"
	tracking_service echo4 "$LAB_VIP4" "$LAB_UDP_PORT" udp 4 "$@"
	tracking_service echo6 "$LAB_VIP6" "$LAB_UDP_PORT" udp 6 "$@"
}

# The file is as the agent finds it when it starts.
tracking_configure()
{
	tracking_config "$@" | sed "s/^services:/  idle-timeout: ${TRACKING_T}s\nlimits: {flows: 4096}\n&/" \
		>"$LAB_CONFIG"
}

tracking_apply()
{
	tracking_configure "$@"
	lab_sluicectl apply "$LAB_CONFIG"
}

# tracking_up BACKEND...
tracking_up()
{
	local host

	lab_up no-sluice
	for host in "${LAB_BACKENDS[@]}"; do
		lab_attach_decap "$host"
	done
	tracking_configure "$@"
	lab_start_sluiced
	# What a flood is answered goes nowhere, quietly.
	lab_ip router route add blackhole 198.18.0.0/15
	lab_ip router route add blackhole 2001:2::/48
}

maps()
{
	tests/e2e/maps "$LAB_PINS/lb" "$@"
}

# ---- flows ---------------------------------------------------------------------------------------------

# flows_start NAME OPTION...: until flows_end; fails unless all get under way.
#
# Each crowd has a thousand client ports of its own, below those that the kernel gives. A port that an earlier connection had
# may be known to another backend for a minute more, if that closed first (TIME-WAIT); and it would answer the packets of
# a flow that is let go with an ACK, where it should reset the connection.
flows_start()
{
	local name=$1 ports=10000

	shift
	[ ! -e "$LAB_RUN/flows-ports" ] || ports=$(($(cat "$LAB_RUN/flows-ports") + 1000))
	echo "$ports" >"$LAB_RUN/flows-ports"
	rm -f "$LAB_RUN/flows-$name.log"
	lab_start client "flows-$name" tests/e2e/flows --ports "$ports" "$LAB_RUN/files/big" "$@"
	lab_wait 20 grep -q 'under way' "$LAB_RUN/flows-$name.log" || {
		cat "$LAB_RUN/flows-$name.log"
		return 1
	}
}

# flows_broken NAME [PATTERN]: how many, so far.
flows_broken()
{
	grep 'broken:' "$LAB_RUN/flows-$1.log" | grep -c -- "${2:-}" || true
}

# flows_show NAME: "BACKEND KIND PORT" of each that is open now.
flows_show()
{
	local log=$LAB_RUN/flows-$1.log from

	from=$(wc -l <"$log")
	lab_signal "flows-$1" USR1
	lab_wait 5 eval "tail -n +$((from + 1)) '$log' | grep -q ' open: '"
	tail -n +$((from + 1)) "$log" | sed -n 's/.* flow: //p'
}

# flows_open NAME BACKEND: how many it has now.
flows_open()
{
	flows_show "$1" | grep -c "^$2 " || true
}

# check_none_broken NAME FLOWS: so far.
check_none_broken()
{
	if [ "$(flows_broken "$2")" = 0 ]; then
		ok "$1"
	else
		not_ok "$1" "$(grep 'broken:' "$LAB_RUN/flows-$2.log" | head -n 20)"
	fi
}

flows_end()
{
	lab_signal "flows-$1" TERM && lab_wait 30 lab_is_gone "flows-$1"
	rm -f "$LAB_RUN/flows-$1.pid"
}

# check_whole NAME FLOWS COUNT: all come to their end as they should.
check_whole()
{
	local count

	flows_end "$2" || true
	count=$(sed -n 's/.* whole: \(.*\); 0 broken$/\1/p' "$LAB_RUN/flows-$2.log" |
		tr , '\n' | awk '{ n += $2 } END { print n + 0 }')
	if [ "$count" = "$3" ]; then
		ok "$1"
	else
		not_ok "$1" "$count of $3 are whole
$(tail -n 20 "$LAB_RUN/flows-$2.log")"
	fi
}

# flood_start ADDRESS PER-SECOND
flood_start()
{
	local mac

	mac=$(lab_ip router -j link show dev client | sed 's/.*"address":"\([^"]*\)".*/\1/')
	lab_start client flood tests/e2e/flood eth0 "$mac" "$@"
}

# ---- slots ---------------------------------------------------------------------------------------------

# Every slot is stable, and no flow has an entry.
is_settled()
{
	local stable moving settling crowded entries

	read -r stable moving settling crowded entries < <(maps slots)
	echo "$stable stable, $moving moving ($crowded crowded), $settling settling, $entries entries"
	[ $((moving + settling + entries)) -eq 0 ]
}

# check_settles NAME: after the last flow a window, two scans and some rounds may pass.
check_settles()
{
	check_within "$1" 45 is_settled
}

has_moving()
{
	local stable moving _

	read -r stable moving _ < <(maps slots)
	[ "$moving" -gt 0 ]
}
