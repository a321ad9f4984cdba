// SPDX-License-Identifier: Apache-2.0
/** Python programs that pods run, as an application would be written: the kernel's own stack at both ends. */

/** `PORT DIRECTORY`: GET serves the directory's files, PUT answers with the SHA-256 of what it got. Both families. */
export const HTTP_SERVER = `
import hashlib, http.server, socket, sys
port, directory = int(sys.argv[1]), sys.argv[2]
class Handler(http.server.SimpleHTTPRequestHandler):
    def __init__(self, *a): super().__init__(*a, directory=directory)
    def log_message(self, *a): pass
    def copyfile(self, source, target):
        while block := source.read(1 << 20): target.write(block)
    def do_PUT(self):
        digest, left = hashlib.sha256(), int(self.headers["Content-Length"])
        if self.headers.get("Expect"): self.send_response_only(100); self.end_headers()
        while left:
            block = self.rfile.read(min(left, 1 << 20))
            if not block: break
            digest.update(block); left -= len(block)
        answer = digest.hexdigest().encode()
        self.send_response(200); self.send_header("Content-Length", str(len(answer))); self.end_headers()
        self.wfile.write(answer)
class Server(http.server.ThreadingHTTPServer):
    address_family = socket.AF_INET6
server = Server(("::", port), Handler)
print("ready")
server.serve_forever()
`;

/** `PORT`: sends every datagram back. Both families. */
export const UDP_ECHO = `
import socket, sys
s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
s.bind(("::", int(sys.argv[1])))
print("ready")
while True:
    data, address = s.recvfrom(65536)
    s.sendto(data, address)
`;

/** `ADDRESS PORT COUNT`: sends numbered datagrams of all sizes, 16 at a time, and prints how many came back unchanged. */
export const UDP_CLIENT = `
import os, socket, sys
address, port, count = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
s = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM)
s.connect((address, port)); s.settimeout(3)
good = 0
# The first one alone: until its flow is decided only three packets may wait.
for first in [0, *range(1, count, 16)]:
    batch = [i.to_bytes(4, "big") + os.urandom(i * 7 % 1400) for i in range(first, 1 if first == 0 else min(first + 16, count))]
    for data in batch: s.send(data)
    try:
        answers = {s.recv(65536) for _ in batch}
    except TimeoutError:
        answers = set()
    good += sum(data in answers for data in batch)
print(good)
`;

/** `PORT SECONDS`: prints the numbers of the datagrams that come, in the order in which they come. */
export const UDP_RECORDER = `
import socket, sys, time
s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
s.bind(("::", int(sys.argv[1])))
print("ready")
end = time.monotonic() + float(sys.argv[2])
while (left := end - time.monotonic()) > 0:
    s.settimeout(left)
    try: print("got", s.recv(2048).decode(), flush=True)
    except TimeoutError: break
`;

/** `ADDRESS PORT SOURCEPORT FIRST COUNT`: sends datagrams that say their number. */
export const UDP_NUMBERS = `
import socket, sys
address, port, source, first, count = sys.argv[1], *map(int, sys.argv[2:6])
s = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind(("", source))
for i in range(first, first + count): s.sendto(str(i).encode(), (address, port))
`;

/** `ADDRESS PORT`: prints the error that a connected UDP socket gets for a datagram, or none. */
export const UDP_ERROR = `
import errno, socket, sys
address, port = sys.argv[1], int(sys.argv[2])
s = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM)
s.connect((address, port)); s.settimeout(1)
try:
    s.send(b"x"); s.recv(10)
    print("answer")
except TimeoutError: print("none")
except OSError as e: print(errno.errorcode[e.errno])
`;

/** `ADDRESS PORT`: prints the error that connecting over TCP ends with, or connected. */
export const TCP_ERROR = `
import errno, socket, sys
address, port = sys.argv[1], int(sys.argv[2])
s = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM)
s.settimeout(0.7)
try:
    s.connect((address, port)); print("connected")
except TimeoutError: print("none")
except OSError as e: print(errno.errorcode[e.errno])
`;
