"""What AF_VSOCK answers to calls that need no peer, as JSON lines; for the kernel and the double alike."""
import ctypes
import json
import socket
import struct

ANY = 0xFFFFFFFF
libc = ctypes.CDLL(None, use_errno=True)


def attempt(name, function, *arguments):
    try:
        result = function(*arguments)
        error = 0
    except OSError as failure:
        result, error = None, failure.errno
    if isinstance(result, socket.socket):
        result = [result.family, result.type]
    if isinstance(result, tuple) and result[1] > 0x10000 and result[1] != ANY:
        result = [result[0], "chosen"]
    print(json.dumps([name, result, error]))


def stream():
    return socket.socket(socket.AF_VSOCK, socket.SOCK_STREAM)


def option(sock, level, name, size):
    data, length = ctypes.create_string_buffer(size), ctypes.c_uint32(size)
    if libc.getsockopt(sock.fileno(), level, name, data, ctypes.byref(length)) != 0:
        raise OSError(ctypes.get_errno(), "getsockopt")
    return data.raw[: length.value].hex()


def set_option(sock, level, name, value):
    if libc.setsockopt(sock.fileno(), level, name, value, len(value)) != 0:
        raise OSError(ctypes.get_errno(), "setsockopt")


def raw_address(function, sock, *fields, size=16):
    address = ctypes.create_string_buffer(struct.pack("HHII", *fields) + bytes(4))
    if function(sock.fileno(), address, size) != 0:
        raise OSError(ctypes.get_errno(), "address")


first = stream()
attempt("name before bind", first.getsockname)
attempt("peer before connect", first.getpeername)
attempt("bind any", first.bind, (ANY, 9000))
attempt("name after bind", first.getsockname)
attempt("bind twice", first.bind, (ANY, 9001))
attempt("accept before listen", first.accept)
attempt("listen", first.listen, 5)
attempt("listen twice", first.listen, 3)
first.setblocking(False)
attempt("accept with nobody there", first.accept)
attempt("connect a listener", first.connect, (0, 1))
attempt("bind a taken port", stream().bind, (ANY, 9000))
attempt("bind a taken port by CID", stream().bind, (3, 9000))
attempt("bind CID 3", stream().bind, (3, 9002))
attempt("bind CID 2", stream().bind, (2, 9003))
attempt("bind CID 0", stream().bind, (0, 9003))
attempt("bind CID 16", stream().bind, (16, 9003))
low = stream()
attempt("bind a low port", low.bind, (ANY, 80))
chosen = stream()
attempt("bind any port", chosen.bind, (ANY, ANY))
attempt("name of any port", chosen.getsockname)
attempt("listen unbound", stream().listen, 5)
attempt("connect short address", lambda: raw_address(libc.connect, stream(), 40, 0, 5, 4, size=8))
attempt("bind short address", lambda: raw_address(libc.bind, stream(), 40, 0, 5, 4, size=8))
attempt("bind wrong family", raw_address, libc.bind, stream(), 1, 0, 5, 4)
for kind in range(1, 6):
    attempt(f"type {kind}", socket.socket, socket.AF_VSOCK, kind)
for protocol in (1, 40, 5):
    attempt(f"protocol {protocol}", socket.socket, socket.AF_VSOCK, socket.SOCK_STREAM, protocol)
plain = stream()
for name in range(10):
    attempt(f"get option {name}", option, plain, 40, name, 64)
    attempt(f"get option {name} short", option, plain, 40, name, 4)
    attempt(f"set option {name}", set_option, plain, 40, name, struct.pack("qq", 1, 0))
    attempt(f"set option {name} short", set_option, plain, 40, name, b"abcd")
for seconds, micros in ((-1, 0), (0, 0), (0, 2000000), (20, 0)):
    attempt(f"timeout {seconds} {micros}", set_option, plain, 40, 6, struct.pack("qq", seconds, micros))
for name in (3, 4, 30, 38, 39):
    attempt(f"socket option {name}", option, plain, 1, name, 64)
pending = stream()
pending.setblocking(False)
attempt("connect without blocking", pending.connect, (0, 10016))
attempt("connect again meanwhile", pending.connect, (0, 10016))
attempt("name while connecting", pending.getsockname)
attempt("peer while connecting", pending.getpeername)
late = stream()
attempt("set a short timeout", set_option, late, 40, 6, struct.pack("qq", 0, 200000))
attempt("connect unanswered", late.connect, (0, 10017))
attempt("the error is cleared", option, late, 1, 4, 4)
