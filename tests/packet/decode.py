#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Reads pairs of frames, before and after the balancer, with scapy's dissectors, and checks that the second is
the first one's IP packet, unchanged, in an outer header whose lengths and checksums scapy computes the same.

usage: decode.py ipip|gue|l2 CAPTURE PAIRS"""
import struct
import sys

from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import Ether
from scapy.utils import rdpcap


def network(frame):
    """The frame's IP packet as raw bytes, cut to the length that its header gives, and as scapy sees it."""
    ip = frame.payload
    length = ip.len if isinstance(ip, IP) else 40 + ip.plen
    return bytes(ip)[:length], ip


def fail(pair, text):
    sys.exit(f"pair {pair}: {text}")


def check_gue(pair, outer, payload, version):
    """The UDP header and GUE's four bytes; what comes after them."""
    udp = outer.payload
    if not isinstance(udp, UDP):
        fail(pair, f"scapy finds {type(udp).__name__} where UDP should be")
    if udp.dport != 6080 or udp.sport < 49152 or udp.len != len(payload):
        fail(pair, f"UDP from {udp.sport} to {udp.dport}, length {udp.len} of {len(payload)}")
    if isinstance(outer, IP) and udp.chksum:
        fail(pair, "a UDP checksum over IPv4")
    if udp.chksum:
        again = outer.copy()
        del again[UDP].chksum
        again = type(again)(bytes(again))
        if again[UDP].chksum != udp.chksum:
            fail(pair, f"UDP checksum {udp.chksum:#x}, scapy: {again[UDP].chksum:#x}")
    if payload[8:12] != struct.pack("!BBH", 0, 4 if version is IP else 41, 0):
        fail(pair, f"GUE header {payload[8:12].hex()}")
    return payload[12:], bool(udp.chksum)


def check(kind, pair, before, after):
    """Returns whether there is a UDP checksum."""
    inner, ip = network(before)
    whole, outer = network(after)
    if kind == "l2":
        if (before.src, before.dst) == (after.src, after.dst) or before.type != after.type or whole != inner:
            fail(pair, "more or less than the MAC addresses was changed")
        return False
    head = 20 if isinstance(outer, IP) else 40
    payload, has_sum = whole[head:], False
    proto = outer.proto if isinstance(outer, IP) else outer.nh
    if kind == "gue":
        payload, has_sum = check_gue(pair, outer, payload, type(ip))
    if payload != inner:
        fail(pair, "the inner packet was changed")
    if proto != (17 if kind == "gue" else 4 if isinstance(ip, IP) else 41):
        fail(pair, f"outer protocol {proto}")
    inner = whole[head:]
    again = outer.copy()
    if isinstance(outer, IP):
        del again.chksum, again.len
    else:
        del again.plen
    again.remove_payload()
    again = type(again)(bytes(again / inner))
    if isinstance(outer, IP) and (again.chksum, again.len) != (outer.chksum, outer.len):
        fail(pair, f"checksum {outer.chksum:#x} length {outer.len}, scapy: {again.chksum:#x} {again.len}")
    if isinstance(outer, IPv6) and again.plen != outer.plen:
        fail(pair, f"payload length {outer.plen}, scapy: {again.plen}")
    tos = ip.tos if isinstance(ip, IP) else ip.tc
    if (outer.tos if isinstance(outer, IP) else outer.tc) != tos:
        fail(pair, "DSCP or ECN differ")
    decoded = outer.payload
    if kind == "ipip" and type(decoded) is not type(ip):
        fail(pair, f"scapy finds {type(decoded).__name__} inside")
    return has_sum


kind = sys.argv[1]
frames = rdpcap(sys.argv[2])
pairs = int(sys.argv[3])
if len(frames) != 2 * pairs:
    sys.exit(f"{len(frames)} frames, expected {2 * pairs}")
sums = [check(kind, n, frames[2 * n], frames[2 * n + 1]) for n in range(pairs)]
if kind == "gue" and sum(sums) < 10:
    sys.exit(f"only {sum(sums)} UDP checksums")
