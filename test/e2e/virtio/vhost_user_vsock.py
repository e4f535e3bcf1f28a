#!/usr/bin/env python3
"""A vhost-user-vsock back end for tests, after docs/interop/vhost-user.rst of QEMU and <linux/virtio_vsock.h>.

usage: vhost_user_vsock.py SOCKET CID [OPTION...]

Listens at SOCKET for one front end. Guest ports: 5000 echoes, 5001 discards and counts, anything else is refused.
Each line on stdin, `dial PORT TEXT`, connects to a guest port, sends TEXT and its end; `drop` closes the connection
to the front end. On stdout, one JSON object a line: each message of the front end, and what happens to connections.
Options: no-ack (no REPLY_ACK), no-config, refuse=REQUEST (acknowledges that request with a failure), silent=REQUEST
(never answers it), garbage (answers the first request with nonsense).
"""
import json
import mmap
import os
import select
import socket
import struct
import sys

GET_FEATURES, SET_FEATURES, SET_OWNER, SET_MEM_TABLE = 1, 2, 3, 5
SET_VRING_NUM, SET_VRING_ADDR, SET_VRING_BASE, GET_VRING_BASE = 8, 9, 10, 11
SET_VRING_KICK, SET_VRING_CALL, SET_VRING_ERR = 12, 13, 14
GET_PROTOCOL_FEATURES, SET_PROTOCOL_FEATURES, GET_QUEUE_NUM, SET_VRING_ENABLE, GET_CONFIG = 15, 16, 17, 18, 24
NAMES = {value: name for name, value in list(globals().items()) if name.isupper() and isinstance(value, int)}
F_PROTOCOL, F_VERSION_1, F_INDIRECT = 1 << 30, 1 << 32, 1 << 28
P_REPLY_ACK, P_CONFIG = 1 << 3, 1 << 9
REQUEST, RESPONSE, RST, SHUTDOWN, RW, CREDIT_UPDATE, CREDIT_REQUEST = range(1, 8)
BUFFER = 65536


def say(**event):
    print(json.dumps(event), flush=True)


class Vring:
    def __init__(self):
        self.size = self.base = 0
        self.desc = self.used = self.avail = 0
        self.kick = self.call = -1
        self.enabled = False

    @property
    def live(self):
        return self.kick >= 0 and self.enabled


class Peer:
    def __init__(self, conn, cid, options):
        self.conn, self.cid, self.options = conn, cid, options
        self.regions = []
        self.rings = [Vring(), Vring()]
        self.features = 0
        self.streams = {}
        self.out = []
        self.next_port = 1 << 30
        self.acks = False

    # guest memory

    def at(self, user, length):
        """The memory at an address of the front end."""
        for _, size, start, offset, memory in self.regions:
            if start <= user and user + length <= start + size:
                begin = user - start + offset
                return memoryview(memory)[begin:begin + length]
        raise ValueError(f'{length} bytes at {user:#x} are nowhere')

    def guest(self, address, length):
        for start, size, user, _, _ in self.regions:
            if start <= address and address + length <= start + size:
                return self.at(user + address - start, length)
        raise ValueError(f'guest address {address:#x}')

    # rings

    def pop(self, ring):
        """(head, readable bytes, writable views) of the next chain, or None."""
        (index,) = struct.unpack_from('<H', self.at(ring.avail, 4), 2)
        if index == ring.base:
            return None
        (head,) = struct.unpack('<H', self.at(ring.avail + 4 + 2 * (ring.base % ring.size), 2))
        ring.base = (ring.base + 1) & 0xffff
        readable, writable, entry, table = b'', [], head, self.at(ring.desc, 16 * ring.size)
        while True:
            addr, length, flags, following = struct.unpack_from('<QIHH', table, 16 * entry)
            if flags & 4:
                table, entry = self.guest(addr, length), 0
                continue
            if flags & 2:
                writable.append(self.guest(addr, length))
            else:
                readable += bytes(self.guest(addr, length))
            if not flags & 1:
                return head, readable, writable
            entry = following

    def push(self, ring, head, written):
        (index,) = struct.unpack_from('<H', self.at(ring.used, 4), 2)
        struct.pack_into('<II', self.at(ring.used + 4 + 8 * (index % ring.size), 8), 0, head, written)
        struct.pack_into('<H', self.at(ring.used, 4), 2, (index + 1) & 0xffff)
        os.eventfd_write(ring.call, 1)

    def serve(self):
        rx, tx = self.rings
        while tx.live and (chain := self.pop(tx)):
            head, readable, _ = chain
            self.push(tx, head, 0)
            self.packet(readable)
        while rx.live and self.out and (chain := self.pop(rx)):
            head, _, writable = chain
            packet, written = self.out.pop(0), 0
            for view in writable:
                part = packet[written:written + len(view)]
                view[:len(part)] = part
                written += len(part)
            if written < len(packet):
                raise ValueError('a receive buffer is too small')
            self.push(rx, head, written)

    # vsock

    def send(self, key, op, payload=b'', flags=0):
        stream = self.streams.get(key)
        local, port, guest = key
        got = stream['got'] & 0xffffffff if stream else 0
        for at in range(0, len(payload) or 1, 3000):
            part = payload[at:at + 3000]
            self.out.append(struct.pack('<QQIIIHHIII', local, self.cid, port, guest, len(part), 1, op, flags, BUFFER, got) + part)

    def packet(self, data):
        src, dst, sport, dport, length, kind, op, flags, alloc, fwd = struct.unpack_from('<QQIIIHHIII', data)
        payload = data[44:44 + length]
        key = (dst, dport, sport)
        stream = self.streams.get(key)
        if kind != 1 or src != self.cid:
            say(event='foreign', src=src, type=kind)
        elif op == REQUEST and dport in (5000, 5001):
            self.streams[key] = {'got': 0, 'guest': sport, 'port': dport}
            say(event='accepted', cid=dst, port=dport)
            self.send(key, RESPONSE)
        elif stream is None:
            if op != RST:
                self.send(key, RST)
        elif op == RESPONSE:
            self.send(key, RW, stream['text'])
            self.send(key, SHUTDOWN, flags=2)
        elif op == RW:
            stream['got'] += length
            if stream['port'] == 5000:
                self.send(key, RW, payload)
            elif stream['port'] != 5001:
                say(event='data', port=stream['port'], text=payload.decode('latin1'))
            if stream['port'] != 5000:
                self.send(key, CREDIT_UPDATE)
        elif op == SHUTDOWN:
            if flags & 3 == 3:
                say(event='closed', port=stream['port'], got=stream['got'])
                self.send(key, RST)
                del self.streams[key]
            elif flags & 2 and stream['port'] == 5000:
                self.send(key, SHUTDOWN, flags=2)
        elif op == CREDIT_REQUEST:
            self.send(key, CREDIT_UPDATE)
        elif op == RST:
            say(event='reset', port=stream['port'], got=stream['got'])
            del self.streams[key]

    def dial(self, port, text):
        self.next_port += 1
        key = (2, self.next_port, port)
        self.streams[key] = {'got': 0, 'port': port, 'text': text.encode()}
        self.send(key, REQUEST)
        self.serve()

    # the protocol

    def reply(self, request, payload):
        self.conn.sendall(struct.pack('<III', request, 5, len(payload)) + payload)

    def receive(self, size):
        data, fds = b'', []
        while len(data) < size:
            part, passed, _, _ = socket.recv_fds(self.conn, size - len(data), 16)
            if not part:
                return None, fds
            data += part
            fds += passed
        return data, fds

    def message(self):
        header, fds = self.receive(12)
        if header is None:
            return False
        request, flags, size = struct.unpack('<III', header)
        payload, more = self.receive(size) if size else (b'', [])
        fds += more
        name = NAMES.get(request, str(request))
        say(event='message', request=name, flags=flags, payload=payload.hex(), fds=len(fds))
        if 'garbage' in self.options:
            self.conn.sendall(b'\xff' * 64)
            return True
        if f'silent={name}' in self.options:
            return True
        answer = self.handle(request, payload, fds)
        if answer is not None:
            self.reply(request, answer)
        elif flags & 8 and self.acks:
            self.reply(request, struct.pack('<Q', 1 if f'refuse={name}' in self.options else 0))
        self.serve()
        return True

    def handle(self, request, payload, fds):
        if request == GET_FEATURES:
            return struct.pack('<Q', F_VERSION_1 | F_INDIRECT | F_PROTOCOL)
        if request == GET_PROTOCOL_FEATURES:
            ack = 0 if 'no-ack' in self.options else P_REPLY_ACK
            return struct.pack('<Q', ack | (0 if 'no-config' in self.options else P_CONFIG))
        if request == SET_PROTOCOL_FEATURES:
            (features,) = struct.unpack('<Q', payload)
            self.acks = bool(features & P_REPLY_ACK)
            return None
        if request == GET_QUEUE_NUM:
            return struct.pack('<Q', 2)
        if request == GET_CONFIG:
            offset, size, flags = struct.unpack_from('<III', payload)
            return struct.pack('<III', offset, size, flags) + struct.pack('<Q', self.cid)[offset:offset + size].ljust(size, b'\0')
        if request == SET_FEATURES:
            (self.features,) = struct.unpack('<Q', payload)
        elif request == SET_MEM_TABLE:
            (count,) = struct.unpack_from('<I', payload)
            self.regions = []
            for i, fd in zip(range(count), fds):
                start, size, user, offset = struct.unpack_from('<QQQQ', payload, 8 + 32 * i)
                self.regions.append((start, size, user, offset, mmap.mmap(fd, size + offset)))
                os.close(fd)
        elif request == SET_VRING_ADDR:
            index, _, desc, used, avail, _ = struct.unpack('<IIQQQQ', payload)
            ring = self.rings[index]
            ring.desc, ring.used, ring.avail = desc, used, avail
        elif request in (SET_VRING_NUM, SET_VRING_BASE, SET_VRING_ENABLE):
            index, value = struct.unpack('<II', payload)
            setattr(self.rings[index], {SET_VRING_NUM: 'size', SET_VRING_BASE: 'base', SET_VRING_ENABLE: 'enabled'}[request], value)
        elif request in (SET_VRING_KICK, SET_VRING_CALL, SET_VRING_ERR):
            (word,) = struct.unpack('<Q', payload)
            if request == SET_VRING_KICK:
                self.rings[word & 0xff].kick = fds[0]
            elif request == SET_VRING_CALL:
                self.rings[word & 0xff].call = fds[0]
        elif request == GET_VRING_BASE:
            (index, _) = struct.unpack('<II', payload)
            ring = self.rings[index]
            ring.kick, ring.enabled = -1, False
            return struct.pack('<II', index, ring.base)
        return None


def main():
    path, cid, options = sys.argv[1], int(sys.argv[2]), sys.argv[3:]
    server = socket.socket(socket.AF_UNIX)
    server.bind(path)
    server.listen(1)
    say(event='listening')
    conn, _ = server.accept()
    peer = Peer(conn, cid, options)
    while True:
        kicks = [ring.kick for ring in peer.rings if ring.kick >= 0]
        ready, _, _ = select.select([conn, sys.stdin, *kicks], [], [])
        if conn in ready and not peer.message():
            say(event='disconnected')
            return
        for kick in kicks:
            if kick in ready:
                os.eventfd_read(kick)
                peer.serve()
        if sys.stdin in ready:
            words = sys.stdin.readline().split(None, 2)
            if not words or words[0] == 'drop':
                return
            peer.dial(int(words[1]), words[2].rstrip('\n'))


main()
