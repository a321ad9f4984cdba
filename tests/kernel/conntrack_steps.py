# SPDX-License-Identifier: Apache-2.0
"""Sends frames through a namespace that tracks connections, and tells the state after each.

Arguments: paths of the namespace with the ends "a" and "b", and of the one that tracks.
Standard input: a JSON list of cases, each a list of [end, frame in hexadecimal digits].
Standard output: a JSON list of lists: the state in nf_conntrack's table, "" for no entry.
"""

import ctypes
import json
import os
import socket
import sys
import time

CLONE_NEWNET = 0x40000000
ETH_P_ALL = 0x0003
libc = ctypes.CDLL(None, use_errno=True)


def enter(path):
    fd = os.open(path, os.O_RDONLY)
    if libc.setns(fd, CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "setns " + path)
    os.close(fd)


def entries():
    with open("/proc/thread-self/net/nf_conntrack", encoding="ascii") as table:
        return table.read().splitlines()


def state(ports):
    """ipv4 2 tcp 6 431999 ESTABLISHED src=..."""
    for line in entries():
        if all(port in line for port in ports):
            return line.split()[5]
    return ""


def ports_of(frame):
    at = 34
    return ["port=%d" % int.from_bytes(frame[at : at + 2], "big"), "port=%d" % int.from_bytes(frame[at + 2 : at + 4], "big")]


def main():
    ends, tracker = sys.argv[1:]
    enter(ends)
    sockets = {}
    watch = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
    for end in ("a", "b"):
        sockets[end] = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        sockets[end].bind((end, 0))
    watch.settimeout(5)
    enter(tracker)
    results = []
    for steps in json.load(sys.stdin):
        ports = ports_of(bytes.fromhex(steps[0][1]))
        states = []
        for end, text in steps:
            frame = bytes.fromhex(text)
            sockets[end].send(frame)
            other = "b" if end == "a" else "a"
            # It is forwarded once it has been tracked: the same packet, to the other end.
            while True:
                got, address = watch.recvfrom(65535)
                if address[0] == other and address[2] != socket.PACKET_OUTGOING and got[26:34] == frame[26:34]:
                    break
            states.append(state(ports))
        results.append(states)
    json.dump(results, sys.stdout)


main()
