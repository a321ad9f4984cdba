# SPDX-License-Identifier: Apache-2.0
"""extract_vmlinux.py VMLINUZ OUTPUT: writes the ELF kernel that a compressed image holds."""

import lzma
import re
import subprocess
import sys
import zlib


def run(*command):
    return lambda data: subprocess.run(command, input=data, capture_output=True, check=False).stdout


# Magic number of each compression, and what undoes it (the payload is followed by other bytes).
FORMATS = (
    (b"\xfd7zXZ\0", lambda data: lzma.LZMADecompressor().decompress(data)),
    (b"\x1f\x8b\x08", lambda data: zlib.decompressobj(31).decompress(data)),
    (b"\x28\xb5\x2f\xfd", run("zstd", "-dc")),
    (b"\x02\x21\x4c\x18", run("lz4", "-dc")),
)

with open(sys.argv[1], "rb") as file:
    image = file.read()

for magic, decompress in FORMATS:
    for match in re.finditer(re.escape(magic), image):
        try:
            kernel = decompress(image[match.start() :])
        except (lzma.LZMAError, zlib.error):
            continue  # the same bytes by chance
        if kernel[:4] == b"\x7fELF":
            with open(sys.argv[2], "wb") as output:
                output.write(kernel)
            sys.exit(0)
sys.exit(f"Cannot find a compressed kernel in {sys.argv[1]}")
