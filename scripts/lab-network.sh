# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The hosts of a lab and what connects them (scripts/lab.sh, which reads this).

# lab_segment NUMBER: a bridge in the router's namespace with the router's address on it.
lab_segment()
{
	local bridge=br$1

	lab_ip router link add "$bridge" address "02:00:00:00:0$1:01" type bridge mcast_snooping 0
	lab_ip router link set "$bridge" mtu "$LAB_SEGMENT_MTU" up
	lab_ip router addr add "10.0.$1.1/24" dev "$bridge"
	lab_ip router addr add "2001:db8:$1::1/64" dev "$bridge" nodad
}

# lab_plug HOST DEVICE SEGMENT PORT: connects a device to a segment by a port of that name.
lab_plug()
{
	local host=$1 device=$2 segment=$3 port=$4 number

	number=$(lab_number "$host")
	# From within: Linux 6.12 and older look for another device of that name where ip runs.
	lab_ip "$host" link add "$device" mtu "$LAB_SEGMENT_MTU" type veth \
		peer name "$port" netns "$(lab_namespace router)" mtu "$LAB_SEGMENT_MTU"
	lab_ip router link set "$port" master "br$segment" up
	lab_ip "$host" link set "$device" up
	lab_ip "$host" addr add "10.0.$segment.$number/24" dev "$device"
	lab_ip "$host" addr add "2001:db8:$segment::$number/64" dev "$device" nodad
}

# lab_default_route HOST GATEWAY4 GATEWAY6: the way to clients has their MTU.
lab_default_route()
{
	lab_ip "$1" route add default via "$2" mtu "$LAB_MTU"
	lab_ip "$1" route add default via "$3" mtu "$LAB_MTU"
}

lab_make_hosts()
{
	local host

	for host in "${LAB_HOSTS[@]}"; do
		ip netns add "$(lab_namespace "$host")"
		lab_sysctl "$host" ipv4/conf/{all,default}/rp_filter=0 ipv6/conf/{all,default}/accept_dad=0 \
			ipv6/conf/{all,default}/accept_ra=0 ipv6/conf/{all,default}/disable_ipv6=0 \
			ipv4/ping_group_range='0 2147483647'
		lab_ip "$host" link set lo up
	done
}

lab_make_network()
{
	local backends=1 host vip

	lab_make_hosts
	lab_sysctl router ipv4/ip_forward=1 ipv6/conf/all/forwarding=1
	lab_ip client link add eth0 mtu "$LAB_MTU" type veth \
		peer name client netns "$(lab_namespace router)" mtu "$LAB_MTU"
	lab_ip client link set eth0 up
	lab_ip client addr add "$LAB_CLIENT4/24" dev eth0
	lab_ip client addr add "$LAB_CLIENT6/64" dev eth0 nodad
	lab_ip router link set client up
	lab_ip router addr add 198.51.100.1/24 dev client
	lab_ip router addr add 2001:db8:c::1/64 dev client nodad
	lab_default_route client 198.51.100.1 2001:db8:c::1

	lab_segment 1
	lab_plug lb eth0 1 lb
	lab_default_route lb 10.0.1.1 2001:db8:1::1
	if [ -e "$LAB_RUN/two-armed" ]; then
		backends=2
		lab_segment 2
		lab_plug lb eth1 2 lb2
	fi
	for host in "${LAB_BACKENDS[@]}"; do
		lab_plug "$host" eth0 $backends "$host"
		lab_default_route "$host" "10.0.$backends.1" "2001:db8:$backends::1"
		# The VIP is the balancer's on the wire: no ARP for it here.
		lab_sysctl "$host" ipv4/conf/all/arp_ignore=1 ipv4/conf/all/arp_announce=2
		for vip in "$LAB_VIP4/32" "$LAB_VIP6/128"; do
			lab_ip "$host" addr add "$vip" dev lo
		done
	done
	lab_ip router route add "$LAB_VIP4/32" via 10.0.1.10
	lab_ip router route add "$LAB_VIP6/128" via 2001:db8:1::10
	lab_prepare_xdp
}

# What veth needs so that a balancer behind it sees packets as from a wire, and its own are taken.
lab_prepare_xdp()
{
	local object port

	object=$(lab_pass_object)
	# Checksums that the kernel leaves to a device are wrong once the packet is encapsulated.
	lab_in router ethtool -K lb tx off >/dev/null
	lab_in lb ethtool -K eth0 rxvlan off rx-vlan-stag-hw-parse off >/dev/null
	for port in lb lb2; do
		[ $port = lb ] || [ -e "$LAB_RUN/two-armed" ] || continue
		lab_ip router link set dev $port xdpdrv object "$object" section xdp.frags
	done
}
