#!/usr/bin/env python3
"""1,000 vsock connections to the echo port of the demonstration enclave, one after the other and then all at once.

usage: connections.py unix PATH | tcp PORT | vsock [PROGRAM ARGUMENT...]

unix: Firecracker's socket at PATH. tcp: the echo port is at 127.0.0.1:PORT. vsock: port 5006 of CID 1.
A program is started first, and waited for until it has written `enclave: ready`.
"""
import socket
import subprocess
import sys

KIND, WHERE = sys.argv[1], sys.argv[2]
COUNT = 1000
LIMIT = 120


def connect():
    if KIND == 'tcp':
        return socket.create_connection(('127.0.0.1', int(WHERE)), LIMIT)
    sock = socket.socket(socket.AF_VSOCK if KIND == 'vsock' else socket.AF_UNIX)
    sock.settimeout(LIMIT)
    sock.connect((1, 5006) if KIND == 'vsock' else WHERE)
    if KIND == 'unix':
        sock.sendall(b'CONNECT 5006\n')
        line = receive(sock, 1)
        while not line.endswith(b'\n'):
            line += receive(sock, 1)
        assert line.startswith(b'OK '), line
    return sock


def receive(sock, size):
    data = b''
    while len(data) < size:
        part = sock.recv(size - len(data))
        assert part, 'the stream ended'
        data += part
    return data


def echoes(sock, index):
    text = b'connection %d' % index
    sock.sendall(text)
    return receive(sock, len(text)) == text


def main():
    if len(sys.argv) > 3:
        program = subprocess.Popen(sys.argv[3:], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
        for line in program.stdout:
            if b'enclave: ready' in line:
                break
    right = 0
    for index in range(COUNT):
        with connect() as sock:
            right += echoes(sock, index)
    print('one after the other', right, flush=True)
    socks = []
    for index in range(COUNT):
        # A connection of TCP or AF_VSOCK to the emulator is made before the guest has taken its own.
        socks.append(connect())
        assert echoes(socks[-1], index)
    print('all at once', sum(echoes(sock, index) for index, sock in enumerate(socks)), flush=True)
    if len(sys.argv) > 3:
        program.kill()
        program.wait()


main()
