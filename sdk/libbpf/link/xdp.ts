// SPDX-License-Identifier: Apache-2.0
/** Attaching to XDP (Linux 5.9). */

import type { WeirError } from "../../errors.ts";
import { EBUSY, EEXIST, EINVAL, ENODEV, EOPNOTSUPP, errnoError } from "../../runtime/errno.ts";
import { deviceName } from "../../runtime/libc.ts";
import { captureLog } from "../log.ts";
import { BPF_XDP } from "../names.ts";
import { Packed } from "../packed.ts";
import { describeProgram, type Program } from "../program.ts";
import { linkCreateAttr, xdpQueryOpts } from "../structs.ts";
import { libbpf } from "../symbols.ts";
import { BPF_LINK_CREATE, bpf } from "../syscall.ts";
import { BpfLink, describeDevice } from "./link.ts";

/** Where XDP runs: in the driver, in the stack after an skb was made, or on the card. */
export type XdpMode = "native" | "generic" | "offload";

/** What {@link attachXdp} takes. */
export interface AttachXdpOptions {
  /** Of type `xdp`. */
  readonly program: Program;
  /** Index of the device in the thread's network namespace. */
  readonly ifindex: number;
  /** Name of the device, for messages. Default: looked up. */
  readonly device?: string;
  /** Default: native where the driver can, otherwise generic; ask {@link queryXdp} which it became. */
  readonly mode?: "native" | "generic";
}

/** The program on a device's XDP hook. */
export interface XdpState {
  readonly mode: XdpMode;
  readonly programId: number;
}

/** `XDP_FLAGS_SKB_MODE`, `XDP_FLAGS_DRV_MODE` (linux/if_link.h). */
const flags = { generic: 1 << 1, native: 1 << 2 } as const;

/** `XDP_ATTACHED_*`: other numbers than the flags that are used to attach. */
const attached: Readonly<Record<number, XdpMode>> = { 1: "native", 2: "generic", 3: "offload" };

/**
 * Which program is on the XDP hook of a device and in which mode; `null` if there is none. With programs in
 * several modes it is the one nearest to the wire.
 * @throws WeirError `ENODEV`
 */
export function queryXdp(ifindex: number): XdpState | null {
  const opts = Packed.options(xdpQueryOpts.size);
  const { value } = captureLog(() => libbpf().bpf_xdp_query(ifindex, 0, opts.address));
  if (value < 0) throw errnoError(-value, `ask for the XDP program of ${describeDevice(ifindex)}`);
  const mode = attached[opts.view.getUint8(xdpQueryOpts.attachMode)];
  if (mode !== undefined) return { mode, programId: opts.getU32(xdpQueryOpts.programId) };
  const offload = opts.getU32(xdpQueryOpts.offloadProgramId);
  if (offload !== 0) return { mode: "offload", programId: offload };
  const native = opts.getU32(xdpQueryOpts.nativeProgramId);
  if (native !== 0) return { mode: "native", programId: native };
  const generic = opts.getU32(xdpQueryOpts.genericProgramId);
  if (generic !== 0) return { mode: "generic", programId: generic };
  // libbpf finds nothing on a device that is not there, and calls that success.
  if (deviceName(ifindex) !== undefined) return null;
  throw errnoError(ENODEV, `ask for the XDP program of ${describeDevice(ifindex)}`);
}

function failed(errno: number, options: AttachXdpOptions): WeirError {
  const { program, ifindex, mode, device } = options;
  const operation = `attach XDP program "${program.name}" to ${describeDevice(ifindex, device)}`;
  if (program.type !== "xdp") return errnoError(EINVAL, operation, { reason: `it is of type ${program.type}` });
  if (errno === EBUSY || errno === EEXIST) {
    const other = queryXdp(ifindex);
    if (other !== null) {
      const reason = `program ${describeProgram(other.programId)} is attached in ${other.mode} mode`;
      return errnoError(errno, operation, { reason, hint: "detach it first" });
    }
  }
  if (errno === ENODEV) return errnoError(errno, operation);
  if (errno === EOPNOTSUPP && mode === "native") {
    const reason = "the driver has no native XDP, or not for the device's MTU or features";
    return errnoError(errno, operation, { reason, hint: "lower the MTU, or use generic mode" });
  }
  return errnoError(errno, operation);
}

/**
 * Attaches a program to the XDP hook of a device.
 * @throws WeirError `EBUSY` or `EEXIST` naming the program that is attached already, `ENODEV`, `EOPNOTSUPP`
 * if the driver cannot, `EINVAL` if the program is of another type.
 */
export function attachXdp(options: AttachXdpOptions): BpfLink {
  const { program, ifindex, mode, device } = options;
  const attr = new Packed(linkCreateAttr.size)
    .u32(linkCreateAttr.programFd, program.fd)
    .u32(linkCreateAttr.ifindex, ifindex)
    .u32(linkCreateAttr.attachType, BPF_XDP)
    .u32(linkCreateAttr.flags, mode === undefined ? 0 : flags[mode]);
  const fd = bpf(BPF_LINK_CREATE, attr);
  if (fd < 0) throw failed(-fd, options);
  return new BpfLink({ kind: "xdp", fd, ifindex, device });
}
