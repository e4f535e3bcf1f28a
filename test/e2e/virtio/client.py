#!/usr/bin/env python3
"""The host's side of an enclave's vsock in plain Python; the guest is machine.ts, which tells what its ports do.

usage: client.py unix PATH | tcp BASE | vsock

unix: Firecracker's sockets at PATH. tcp: guest port 7000 + i is at 127.0.0.1:BASE + i, host port 5000 + i at BASE + 100 + i.
vsock: the same ports of CID 1. Each step prints one line, `NAME ok` or what went wrong.
"""
import hashlib
import os
import select
import socket
import sys
import threading
import time

KIND, WHERE = sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else ''
LIMIT = 60


def check(condition, *values):
    if not condition:
        raise AssertionError(values)


def connect(port, early=b''):
    """A stream to a guest port."""
    if KIND == 'tcp':
        sock = socket.create_connection(('127.0.0.1', int(WHERE) + port - 7000), LIMIT)
        sock.sendall(early)
        return sock
    if KIND == 'vsock':
        sock = socket.socket(socket.AF_VSOCK)
        sock.settimeout(LIMIT)
        sock.connect((1, port))
        sock.sendall(early)
        return sock
    sock = socket.socket(socket.AF_UNIX)
    sock.settimeout(LIMIT)
    sock.connect(WHERE)
    sock.sendall(b'CONNECT %d\n' % port + early)
    line = b''
    while not line.endswith(b'\n'):
        byte = sock.recv(1)
        if not byte:
            raise ConnectionResetError('closed without an answer')
        line += byte
    words = line.split()
    check(words[0] == b'OK' and int(words[1]) >= 1 << 30, line)
    return sock


def listen(port):
    """A listener that the guest reaches at a port of its parent."""
    if KIND == 'tcp':
        return socket.create_server(('127.0.0.1', int(WHERE) + 100 + port - 5000))
    if KIND == 'vsock':
        server = socket.socket(socket.AF_VSOCK)
        server.bind((socket.VMADDR_CID_ANY, port))
    else:
        server = socket.socket(socket.AF_UNIX)
        server.bind(f'{WHERE}_{port}')
    server.listen(64)
    return server


def drain(sock):
    parts = []
    while part := sock.recv(65536):
        parts.append(part)
    return b''.join(parts)


def echo(size, early=b''):
    data = os.urandom(size)
    sock = connect(7000, early)

    def feed():
        sock.sendall(data)
        sock.shutdown(socket.SHUT_WR)

    feeder = threading.Thread(target=feed)
    feeder.start()
    got = drain(sock)
    feeder.join()
    sock.close()
    check(got == early + data, len(got), len(early) + size)


def streams():
    echo(1_000_000)
    echo(1)
    echo(0)


def early_bytes():
    echo(1000, b'sent with the connection')


def half_close():
    """The guest answers after our end."""
    data = os.urandom(300_000)
    sock = connect(7001)
    sock.sendall(data)
    sock.shutdown(socket.SHUT_WR)
    check(drain(sock) == hashlib.sha256(data).hexdigest().encode())


def refused():
    try:
        sock = connect(7009)
        check(sock.recv(1) == b'', 'data from nobody')
    except ConnectionError:
        pass


def guest_dials():
    server = listen(5000)
    server.settimeout(LIMIT)
    control = connect(7003)
    for size in (0, 1, 500_000):
        control.sendall(b'dial 5000 %d\n' % size)
        sock, _ = server.accept()
        sock.settimeout(LIMIT)
        data = drain(sock)
        check(len(data) == size, len(data), size)
        reply = os.urandom(100_000)
        sock.sendall(reply)
        sock.close()
        answer = control.recv(1000).split()
        check(answer == [hashlib.sha256(what).hexdigest().encode() for what in (data, reply)], answer)
    server.close()
    if KIND == 'unix':
        os.unlink(f'{WHERE}_5000')
    control.sendall(b'dial 5000 10\n')
    check(control.recv(1000).split()[1] == b'reset')


def stuck():
    """A guest socket that reads nothing blocks its own connection and no other."""
    sock = connect(7002)
    sock.setblocking(False)
    sent = 0
    end = time.time() + LIMIT
    while select.select([], [sock], [], 1)[1]:
        sent += sock.send(b'x' * 65536)
        check(sent < 8_000_000 and time.time() < end, 'nothing holds it back', sent)
    started = time.time()
    echo(100_000)
    check(time.time() - started < 20, 'the other connection is slow')
    sock.close()


def many():
    """Connections that are all open at once."""
    count = 1000
    socks = [connect(7000) for _ in range(count)]
    for i, sock in enumerate(socks):
        sock.sendall(b'%d' % i)
    for i, sock in enumerate(socks):
        text = b'%d' % i
        got = b''
        while len(got) < len(text):
            got += sock.recv(100)
        check(got == text, got, text)
    for sock in socks:
        sock.close()
    end = time.time() + LIMIT
    while True:
        # Room again for as many.
        try:
            echo(10)
            return
        except ConnectionError:
            check(time.time() < end, 'no room again')
            time.sleep(0.1)


def main():
    for step in (streams, early_bytes, half_close, refused, guest_dials, stuck, many):
        try:
            step()
            print(f'{step.__name__} ok', flush=True)
        except Exception as error:  # One line a step, whatever happened.
            print(f'{step.__name__} {type(error).__name__} {error}', flush=True)


main()
