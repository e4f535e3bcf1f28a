"""A client of nitro-kms that shares nothing with it: sends OPERATION with the JSON on standard input, prints the reply.

kms_client.py URL OPERATION [CA]: URL is http://HOST:PORT, https://HOST:PORT or http://vsock:CID:PORT.
"""

import http.client
import socket
import ssl
import sys

url, operation, *ca = sys.argv[1:]
scheme, _, where = url.partition("://")
host, _, port = where.rpartition(":")
if host.startswith("vsock"):
    connection = http.client.HTTPConnection("kms")
    connection.sock = socket.socket(socket.AF_VSOCK, socket.SOCK_STREAM)
    connection.sock.connect((int(host.partition(":")[2]), int(port)))
elif scheme == "https":
    name = "kms.us-east-1.amazonaws.com"
    context = ssl.create_default_context(cafile=ca[0])
    raw = socket.create_connection((host, int(port)), timeout=30)
    connection = http.client.HTTPSConnection(name)
    connection.sock = context.wrap_socket(raw, server_hostname=name)
else:
    connection = http.client.HTTPConnection(host, int(port), timeout=30)
headers = {"X-Amz-Target": f"TrentService.{operation}", "Content-Type": "application/x-amz-json-1.1"}
connection.request("POST", "/", sys.stdin.buffer.read(), headers)
sys.stdout.buffer.write(connection.getresponse().read())
