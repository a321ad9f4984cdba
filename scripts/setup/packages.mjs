// SPDX-License-Identifier: Apache-2.0
/** The system packages that each npm script needs, and how to see that they are there. */

import { existsSync } from "node:fs";
import { join } from "node:path";

const LIBRARIES = ["/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/lib64", "/usr/lib"];
const PROGRAMS = ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"];

/** Is there, in one of the system's own folders (PATH may lack the sbin ones). */
const program = (name) => () => PROGRAMS.some((folder) => existsSync(join(folder, name)));
const library = (name) => () => LIBRARIES.some((folder) => existsSync(join(folder, name)));
const file = (path) => () => existsSync(path);

/**
 * @typedef {object} Requirement
 * @property {() => boolean} present
 * @property {readonly string[]} packages names that bring it; the first that the distribution has is taken
 * @property {boolean} [optional] tests skip with a reason, or use something else, where it cannot be had
 */

/** @type {readonly Requirement[]} */
const BUILD = [
  { present: program("clang"), packages: ["clang"] },
  { present: file("/usr/include/bpf/bpf_helpers.h"), packages: ["libbpf-dev"] },
  { present: file("/usr/include/linux/bpf.h"), packages: ["linux-libc-dev"] },
];

/** @type {readonly Requirement[]} */
const RUN = [
  ...BUILD,
  { present: library("libbpf.so.1"), packages: ["libbpf1"] },
  { present: program("ip"), packages: ["iproute2"] },
  { present: program("ping"), packages: ["iputils-ping"] },
  { present: program("curl"), packages: ["curl"] },
];

/** @type {readonly Requirement[]} */
const CHECK = [
  ...BUILD,
  // Each major version formats a little differently: all machines use the same one.
  { present: program("clang-format-14"), packages: ["clang-format-14", "clang-format"] },
  { present: program("shellcheck"), packages: ["shellcheck"] },
];

/** @type {readonly Requirement[]} */
const TEST = [
  ...RUN,
  { present: program("ethtool"), packages: ["ethtool"] },
  { present: program("iperf3"), packages: ["iperf3"] },
  { present: program("tcpdump"), packages: ["tcpdump"] },
  { present: program("tshark"), packages: ["tshark"] },
  { present: file("/usr/lib/python3/dist-packages/scapy"), packages: ["python3-scapy"] },
  { present: program("nsenter"), packages: ["util-linux"] },
  { present: program("bird"), packages: ["bird2"] },
  { present: program("xdp-loader"), packages: ["xdp-tools"] },
  // On Ubuntu the program comes with the kernel's own tools.
  { present: program("bpftool"), packages: ["bpftool", "linux-tools-generic"], optional: true },
];

/** @type {readonly Requirement[]} */
const BENCH = [
  ...TEST,
  { present: file("/usr/include/xdp/xsk.h"), packages: ["libxdp-dev"], optional: true },
  // The rivals in setting up flows.
  { present: program("nft"), packages: ["nftables"], optional: true },
  { present: program("ovs-vswitchd"), packages: ["openvswitch-switch"], optional: true },
];

/** @type {readonly Requirement[]} */
const KERNELS = [
  ...TEST,
  { present: program("qemu-system-x86_64"), packages: ["qemu-system-x86"] },
  { present: file("/usr/lib/qemu/virtiofsd"), packages: ["qemu-system-common"] },
  { present: program("busybox"), packages: ["busybox-static"] },
  { present: program("cpio"), packages: ["cpio"] },
  { present: program("depmod"), packages: ["kmod"] },
  { present: program("lz4"), packages: ["lz4"] },
  { present: program("xz"), packages: ["xz-utils"] },
  { present: program("python3"), packages: ["python3"] },
];

/** By the purpose that is given to setup.mjs. @type {Readonly<Record<string, readonly Requirement[]>>} */
export const REQUIREMENTS = {
  build: BUILD,
  start: RUN,
  check: CHECK,
  test: TEST,
  bench: BENCH,
  kernels: KERNELS,
};
