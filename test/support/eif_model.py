"""An independent model of the Enclave Image Format, written from the format's description with struct, zlib, hashlib.

Reads one JSON request from standard input, writes one JSON answer:
  build   {sections: [[type, base64 or {"zeros": n}], ...], flags, version, path}: writes an image -> {crc32, size}
  wrap    {kernel, initrd, append, flags, path}: writes the image QEMU assembles from these files -> {crc32, size}
  measure {path}: -> {pcr0, pcr1, pcr2, pcr8} in hex
"""
import base64, hashlib, json, re, struct, sys, zlib

MIB = 1 << 20


def write(path, sections, flags=0, version=4):
    """sections: [(type, size, iterable of chunks)]"""
    offset, offsets, sizes = 548, [], []
    for _, size, _ in sections:
        offsets.append(offset)
        sizes.append(size)
        offset += 12 + size
    pad = [0] * (32 - len(sections))
    header = struct.pack('>4sHHQQHH32Q32QI', b'.eif', version, flags, 0, 0, 0, len(sections),
                         *(offsets + pad), *(sizes + pad), 0)
    assert len(header) == 544
    crc = zlib.crc32(header)
    with open(path, 'wb') as out:
        out.write(header + b'\0\0\0\0')
        for kind, size, chunks in sections:
            head = struct.pack('>HHQ', kind, 0, size)
            crc = zlib.crc32(head, crc)
            out.write(head)
            for chunk in chunks:
                crc = zlib.crc32(chunk, crc)
                if chunk.count(0) == len(chunk):
                    out.seek(len(chunk), 1)
                else:
                    out.write(chunk)
        out.truncate(offset)
        out.seek(544)
        out.write(struct.pack('>I', crc))
    return {'crc32': crc, 'size': offset}


def content(kind, value):
    if isinstance(value, dict):
        size = value['zeros']
        return kind, size, (bytes(min(MIB, size - at)) for at in range(0, size, MIB))
    data = base64.b64decode(value)
    return kind, len(data), [data]


def wrap(request):
    data = [open(request['kernel'], 'rb').read(), request['append'].encode(),
            open(request['initrd'], 'rb').read() if request['initrd'] else b'', b'{}']
    parts = [(kind, len(part), [part]) for kind, part in zip([1, 2, 3, 5], data)]
    return write(request['path'], parts, request['flags'])


def item(data, at):
    major, info = data[at] >> 5, data[at] & 31
    if info < 24:
        return major, info, at + 1
    width = 1 << (info - 24)
    return major, int.from_bytes(data[at + 1:at + 1 + width], 'big'), at + 1 + width


def value(data, at):
    major, count, at = item(data, at)
    if major == 0:
        return count, at
    if major == 3:
        return data[at:at + count].decode(), at + count
    if major == 4:
        values = []
        for _ in range(count):
            one, at = value(data, at)
            values.append(one)
        return values, at
    assert major == 5
    pairs = {}
    for _ in range(count):
        key, at = value(data, at)
        pairs[key], at = value(data, at)
    return pairs, at


def measure(path):
    data = open(path, 'rb').read()
    image, boot, app, ramdisks, signer = b'', b'', b'', 0, None
    for slot in range(struct.unpack_from('>H', data, 26)[0]):
        offset = struct.unpack_from('>Q', data, 28 + 8 * slot)[0]
        kind, _, size = struct.unpack_from('>HHQ', data, offset)
        payload = data[offset + 12:offset + 12 + size]
        if kind in (1, 2, 3):
            image += payload
        if kind in (1, 2) or kind == 3 and ramdisks == 0:
            boot += payload
        elif kind == 3:
            app += payload
        if kind == 3:
            ramdisks += 1
        if kind == 4:
            pem = bytes(value(payload, 0)[0][0]['signing_certificate']).decode()
            body = re.search('-----BEGIN CERTIFICATE-----(.*?)-----END', pem, re.S).group(1)
            signer = base64.b64decode(''.join(body.split()))
    extend = lambda content: hashlib.sha384(bytes(48) + hashlib.sha384(content).digest()).hexdigest()
    return {'pcr0': extend(image), 'pcr1': extend(boot), 'pcr2': extend(app),
            'pcr8': '00' * 48 if signer is None else extend(signer)}


request = json.load(sys.stdin)
if request['do'] == 'build':
    sections = [content(kind, value) for kind, value in request['sections']]
    answer = write(request['path'], sections, request['flags'], request['version'])
elif request['do'] == 'wrap':
    answer = wrap(request)
else:
    answer = measure(request['path'])
json.dump(answer, sys.stdout)
