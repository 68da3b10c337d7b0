# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# For the parts of a guest that make the lab: the end-to-end tests' words (tests/e2e/lib.sh), on a slow machine.
export LAB_SLOWNESS=8
export LAB_PASS_OBJECT=$BUILD/lab/pass.bpf.o
LAB_INSTANCE=kernels

# shellcheck source=tests/e2e/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../../e2e/lib.sh"

# Requests are few: what is asked is whether packets are understood at all.
GUEST_REQUESTS=12

# check_all NAME URL: every request is answered.
check_all()
{
	check "$1" all_answer $GUEST_REQUESTS "$2"
}

# check_datagrams NAME ADDRESS: likewise every datagram.
check_datagrams()
{
	check "$1" all_datagrams $GUEST_REQUESTS "$2" --size 1400
}

# received_by DEVICE: whether at least as many packets as requests came in by it, on all backends together: with so few
# flows one backend may get none.
received_by()
{
	local host sum=0

	for host in "${LAB_BACKENDS[@]}"; do
		sum=$((sum + $(lab_device_count "$host" "$1" rx_packets)))
	done
	echo "$sum"
	[ $sum -ge $GUEST_REQUESTS ]
}

# kernel_tunnels HOST: the kernel's own decapsulators take from anybody once their devices are up. t6 takes both IPv4 and
# IPv6 in IPv6; the module's own ip6tnl0 takes IPv6 alone.
kernel_tunnels()
{
	local device

	lab_ip "$1" link add t6 type ip6tnl mode any local "$(lab_address "$1" 6)" remote ::
	for device in tunl0 sit0 t6; do
		lab_ip "$1" link set dev $device up
		lab_sysctl "$1" ipv4/conf/$device/rp_filter=0
	done
}

# upload URL: 4 MiB in full-sized packets arrive as they were sent.
upload()
{
	local name=$RANDOM headers host

	headers=$(lab_in client curl -gsS --fail -m 120 -D - -o /dev/null -T "$E2E_TEMP/upload" "$1uploads/$name")
	host=$(tr -d '\r' <<<"$headers" | sed -n 's/^X-Backend: //p' | tail -n 1)
	cmp "$E2E_TEMP/upload" "$LAB_RUN/$host/uploads/$name"
}

# card MAC: the device's name now.
card()
{
	ip -o link show | awk -F': ' -v mac="$1" 'index($0, mac) { print $2 }'
}

# by_virtio: the balancer's wire is going to be virtio-net, a card at each end; all others are veth as ever. The cards go back
# to the guest's own namespace at the lab's end.
by_virtio()
{
	modprobe -a virtio_pci virtio_net
	CARD_HOST=$(card 52:54:00:00:00:00)
	CARD_ROUTER=$(card 52:54:00:00:00:01)
	# What a part before this one has attached by netlink came back with the card.
	ip link set dev "$CARD_HOST" xdp off
	ip link set dev "$CARD_ROUTER" xdp off
	eval "plug_veth() $(declare -f lab_plug | tail -n +2)"
	lab_plug()
	{
		local host=$1 device=$2 segment=$3 port=$4

		if [ "$host" != lb ]; then
			plug_veth "$@"
			return
		fi
		ip link set "$CARD_HOST" netns "$(lab_namespace lb)"
		ip link set "$CARD_ROUTER" netns "$(lab_namespace router)"
		lab_ip lb link set "$CARD_HOST" name "$device" mtu "$LAB_SEGMENT_MTU"
		lab_ip router link set "$CARD_ROUTER" name "$port" mtu "$LAB_SEGMENT_MTU"
		lab_ip router link set "$port" master "br$segment" up
		lab_ip lb link set "$device" up
		lab_ip lb addr add "10.0.$segment.$(lab_number lb)/24" dev "$device"
		lab_ip lb addr add "2001:db8:$segment::$(lab_number lb)/64" dev "$device" nodad
	}
}
head -c 4M /dev/urandom >"$E2E_TEMP/upload"
