"""Attestation documents by means that share nothing with the product: CBOR written here, X.509 and ECDSA by openssl.

make DIR: writes root.pem and doc (a document with PCR0 aa.., user data "ud", nonce 0102) into DIR.
check DOC ROOT: reads a document, verifies its signature with openssl, its chain with openssl; prints what it says as JSON.
"""

import json
import os
import subprocess
import sys
import time


def openssl(*args, **kwargs):
    return subprocess.run(["openssl", *args], check=True, capture_output=True, **kwargs).stdout


def head(major, n):
    if n < 24:
        return bytes([major << 5 | n])
    for info, size in ((24, 1), (25, 2), (26, 4), (27, 8)):
        if n < 1 << 8 * size:
            return bytes([major << 5 | info]) + n.to_bytes(size, "big")


def encode(value):
    if value is None:
        return b"\xf6"
    if isinstance(value, int):
        return head(0, value) if value >= 0 else head(1, -1 - value)
    if isinstance(value, bytes):
        return head(2, len(value)) + value
    if isinstance(value, str):
        return head(3, len(value.encode())) + value.encode()
    if isinstance(value, list):
        return head(4, len(value)) + b"".join(map(encode, value))
    return head(5, len(value)) + b"".join(encode(k) + encode(v) for k, v in value.items())


def decode(data, at=0):
    major, info = data[at] >> 5, data[at] & 31
    at += 1
    if info >= 24 and major != 7:
        size = 1 << (info - 24)
        info = int.from_bytes(data[at : at + size], "big")
        at += size
    if major == 0:
        return info, at
    if major == 1:
        return -1 - info, at
    if major == 2:
        return data[at : at + info], at + info
    if major == 3:
        return data[at : at + info].decode(), at + info
    if major == 4:
        items = []
        for _ in range(info):
            item, at = decode(data, at)
            items.append(item)
        return items, at
    if major == 5:
        items = {}
        for _ in range(info):
            key, at = decode(data, at)
            items[key], at = decode(data, at)
        return items, at
    assert major == 7 and info == 22
    return None, at


def der_integers(signature):
    """r || s of an ECDSA-Sig-Value."""
    assert signature[0] == 0x30 and signature[1] < 0x80
    out, at = b"", 2
    for _ in range(2):
        assert signature[at] == 2
        size = signature[at + 1]
        out += signature[at + 2 : at + 2 + size].lstrip(b"\0").rjust(48, b"\0")
        at += 2 + size
    return out


def der_signature(raw):
    parts = b""
    for number in (raw[:48], raw[48:]):
        number = number.lstrip(b"\0")
        if number[0] & 0x80:
            number = b"\0" + number
        parts += bytes([2, len(number)]) + number
    return bytes([0x30, len(parts)]) + parts


def certificate(dir, name, issuer, extensions, days):
    path = lambda suffix: os.path.join(dir, name + suffix)
    openssl("ecparam", "-name", "secp384r1", "-genkey", "-noout", "-out", path(".key"))
    subject = f"/C=US/O=Test/CN={name}"
    openssl("req", "-new", "-key", path(".key"), "-subj", subject, "-out", path(".csr"))
    with open(path(".ext"), "w") as file:
        file.write(extensions)
    signer = ["-CA", os.path.join(dir, issuer + ".pem"), "-CAkey", os.path.join(dir, issuer + ".key"), "-CAcreateserial"]
    if issuer == name:
        signer = ["-key", path(".key")]
    openssl("x509", "-req", "-in", path(".csr"), *signer, "-sha384", "-days", str(days), "-extfile", path(".ext"),
            "-out", path(".pem"))
    return openssl("x509", "-in", path(".pem"), "-outform", "DER")


CA = "basicConstraints=critical,CA:TRUE{}\nkeyUsage=critical,digitalSignature,keyCertSign,cRLSign\n"
IDS = "subjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n"


def make(dir):
    root = certificate(dir, "root", "root", CA.format("") + "subjectKeyIdentifier=hash\n", 10)
    upper = certificate(dir, "upper", "root", CA.format(",pathlen:1") + IDS, 5)
    lower = certificate(dir, "lower", "upper", CA.format(",pathlen:0") + IDS, 3)
    leaf = certificate(dir, "leaf", "lower", "basicConstraints=critical,CA:FALSE\nkeyUsage=digitalSignature\n", 1)
    registers = {index: bytes(48) for index in range(16)}
    registers[0] = b"\xaa" * 48
    # Another order of keys than the product's.
    payload = encode({
        "pcrs": registers,
        "nonce": b"\1\2",
        "cabundle": [root, upper, lower],
        "timestamp": int(time.time() * 1000) + 1000,
        "digest": "SHA384",
        "certificate": leaf,
        "user_data": b"ud",
        "module_id": "i-python",
    })
    protected = encode({1: -35})
    signed = encode(["Signature1", protected, b"", payload])
    signature = der_integers(openssl("dgst", "-sha384", "-sign", os.path.join(dir, "leaf.key"), input=signed))
    with open(os.path.join(dir, "doc"), "wb") as file:
        file.write(encode([protected, {}, payload, signature]))


def check(document, root):
    with open(document, "rb") as file:
        (protected, unprotected, payload, signature), end = decode(file.read())
    assert end == os.path.getsize(document) and decode(protected)[0] == {1: -35} and unprotected == {}
    content, end = decode(payload)
    assert end == len(payload)
    dir = os.path.dirname(document)
    def pem(name, der):
        path = os.path.join(dir, name + ".check.pem")
        openssl("x509", "-inform", "DER", "-out", path, input=der)
        return path
    leaf = pem("leaf", content["certificate"])
    untrusted = [arg for i, der in enumerate(content["cabundle"][1:]) for arg in ("-untrusted", pem(f"ca{i}", der))]
    assert openssl("x509", "-in", root, "-outform", "DER") == content["cabundle"][0]
    openssl("verify", "-CAfile", root, *untrusted, leaf)
    for name, data in (
        ("leaf.pub", openssl("x509", "-in", leaf, "-pubkey", "-noout")),
        ("signature.der", der_signature(signature)),
    ):
        with open(os.path.join(dir, name), "wb") as file:
            file.write(data)
    signed = encode(["Signature1", protected, b"", payload])
    openssl("dgst", "-sha384", "-verify", os.path.join(dir, "leaf.pub"), "-signature",
            os.path.join(dir, "signature.der"), input=signed)
    subjects = [openssl("x509", "-in", pem("s", der), "-noout", "-subject").decode().strip()
                for der in content["cabundle"] + [content["certificate"]]]
    show = lambda value: value.hex() if isinstance(value, bytes) else value
    print(json.dumps({
        "subjects": subjects,
        "pcrs": {index: value.hex() for index, value in content["pcrs"].items()},
        **{key: show(content[key]) for key in ("module_id", "user_data", "nonce", "public_key", "timestamp")},
    }))


if __name__ == "__main__":
    {"make": make, "check": check}[sys.argv[1]](*sys.argv[2:])
