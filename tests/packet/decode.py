#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Reads pairs of frames, before and after the balancer, with scapy's dissectors, and checks that the second is
the first one's IP packet, unchanged, in an outer header whose lengths and checksum scapy computes the same.

usage: decode.py CAPTURE PAIRS"""
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


def check(pair, before, after):
    inner, ip = network(before)
    whole, outer = network(after)
    head = 20 if isinstance(outer, IP) else 40
    if whole[head:] != inner:
        fail(pair, "the inner packet was changed")
    proto = outer.proto if isinstance(outer, IP) else outer.nh
    if proto != (4 if isinstance(ip, IP) else 41):
        fail(pair, f"outer protocol {proto}")
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
    if type(decoded) is not type(ip):
        fail(pair, f"scapy finds {type(decoded).__name__} inside")


frames = rdpcap(sys.argv[1])
pairs = int(sys.argv[2])
if len(frames) != 2 * pairs:
    sys.exit(f"{len(frames)} frames, expected {2 * pairs}")
for n in range(pairs):
    check(n, frames[2 * n], frames[2 * n + 1])
