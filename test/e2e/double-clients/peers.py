"""A parent's side of vsock in plain Python: `peers.py MODE [argument]`, each printing what it saw as JSON lines."""
import atexit
import json
import os
import select
import signal
import socket
import subprocess
import sys
import time

ANY = 0xFFFFFFFF


def say(*values):
    print(json.dumps(values), flush=True)


def stream():
    return socket.socket(socket.AF_VSOCK, socket.SOCK_STREAM)


def listening(port, cid=ANY):
    server = stream()
    server.bind((cid, port))
    server.listen(1024)
    return server


def wait(sock, events, ms):
    poll = select.poll()
    poll.register(sock, events)
    return [mask for _, mask in poll.poll(ms)]


def run_enclave(client, flags):
    steps = ["open", "create", "huge 64", "region 0 64", "vcpu 0", "vcpu 0", f"start {flags} 0", "sleep 60000"]
    enclave = subprocess.Popen([client, *steps], stdout=subprocess.PIPE)
    atexit.register(enclave.kill)
    return enclave


def heartbeat(client, reply):
    """Answers the enclave's first byte with the byte `reply`; -1: with nothing."""
    server = listening(9000)
    enclave = run_enclave(client, 0)
    sock, peer = server.accept()
    byte = sock.recv(1)
    say("heartbeat", byte[0], peer[0], sock.getsockname(), sock.getpeername() == peer)
    if int(reply) >= 0:
        sock.send(bytes([int(reply)]))
    sock.close()
    time.sleep(0.3)
    enclave.kill()


def console(client, lines):
    """Reads numbered lines slowly at first, checking that none is missing."""
    enclave = run_enclave(client, 1)
    while b"start" not in enclave.stdout.readline():
        pass
    sock = stream()
    sock.connect((0, 10016))
    rest, expected, reads = b"", 0, 0
    while expected < int(lines):
        data = sock.recv(1000)
        if reads % 50 == 0:
            time.sleep(0.002)
        reads += 1
        *whole, rest = (rest + data).split(b"\r\n")
        for line in whole:
            if line != b"console line %08d of the enclave" % expected:
                say("lost", expected, line.decode())
                sys.exit(1)
            expected += 1
    say("lines", expected, rest.decode())
    sock.close()
    again = stream()
    again.connect((0, 10016))
    say("reconnected")
    say(again.recv(100).decode())
    enclave.kill()
    say(again.recv(1).decode())


def connecting(_client, _argument):
    """Connections that do not block: to a port that answers late, to one that refuses late, and again."""
    for port in (7000, 7001):
        sock = stream()
        sock.setblocking(False)
        events = select.POLLIN | select.POLLOUT
        say(port, sock.connect_ex((16, port)), wait(sock, events, 30), sock.connect_ex((16, port)))
        late = wait(sock, events, 10000)
        errors = [sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) for _ in range(2)]
        say(port, bool(late[0] & select.POLLOUT), bool(late[0] & select.POLLERR), errors)
        if port == 7000:
            say(sock.send(b"hello"), wait(sock, select.POLLIN, 10000), sock.recv(100).decode(), sock.getpeername())
        else:
            say(sock.connect_ex((16, 7000)), wait(sock, events, 10000), sock.getsockopt(1, 4))
    blocking = stream()
    say(blocking.connect_ex((16, 7001)), blocking.connect_ex((16, 7000)), blocking.getpeername())


def loopback(_client, cid):
    """The parent connects to itself."""
    server = listening(5000)
    client = stream()
    say(client.connect_ex((int(cid), 5000)))
    sock, peer = server.accept()
    client.sendall(b"ping")
    say(sock.recv(4).decode(), peer[0], sock.getsockname(), client.getpeername())
    client.shutdown(socket.SHUT_WR)
    say(sock.recv(1).decode(), sock.send(b"pong"), client.recv(4).decode())
    server.close()
    say(stream().connect_ex((int(cid), 5000)))


def forks(_client, _argument):
    """A child blocked in accept is killed: the port is free again."""
    child = os.fork()
    if child == 0:
        listening(5001).accept()
    while stream().connect_ex((1, 5001)) != 0 and wait_briefly():
        pass
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    for _ in range(1000):
        try:
            say("bound again", listening(5001).getsockname())
            return
        except OSError:
            time.sleep(0.01)


def wait_briefly():
    time.sleep(0.01)
    return True


def serve(_client, count):
    """Echoes `count` connections at once."""
    server = listening(5002)
    say("listening")
    socks = [server.accept()[0] for _ in range(int(count))]
    say("accepted", len({sock.getpeername() for sock in socks}))
    for sock in reversed(socks):
        sock.sendall(sock.recv(100))
    say("echoed", [sock.recv(1).decode() for sock in socks].count(""))


globals()[sys.argv[1]](*sys.argv[2:])
