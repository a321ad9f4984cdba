// SPDX-License-Identifier: Apache-2.0
/**
 * Layouts of the structs that go into bpf(2) and libbpf, in one place: sizes and offsets in bytes, LP64.
 * libbpf's option structs are always passed in their newest size, the rest zero: older versions accept
 * that (`libbpf_validate_opts`), and refuse a field that they do not know only if it is not zero.
 */

/** `union bpf_attr`, by command (linux/bpf.h). */
export const linkCreateAttr = {
  size: 64,
  programFd: 0,
  ifindex: 4,
  attachType: 8,
  flags: 12,
  relative: 16,
  /** `tracing.target_btf_id`, in place of `relative`. */
  targetBtfId: 16,
  expectedRevision: 24,
} as const;

export const linkUpdateAttr = { size: 16, linkFd: 0, programFd: 4, flags: 8, oldProgramFd: 12 } as const;

export const progQueryAttr = {
  size: 64,
  target: 0,
  attachType: 4,
  queryFlags: 8,
  attachFlags: 12,
  programIds: 16,
  count: 24,
  linkIds: 40,
  revision: 56,
} as const;

export const testRunAttr = {
  size: 80,
  programFd: 0,
  retval: 4,
  dataSizeIn: 8,
  dataSizeOut: 12,
  dataIn: 16,
  dataOut: 24,
  repeat: 32,
  duration: 36,
  contextSizeIn: 40,
  contextSizeOut: 44,
  contextIn: 48,
  contextOut: 56,
  flags: 64,
  cpu: 68,
  batchSize: 72,
} as const;

export const infoAttr = { size: 16, fd: 0, length: 4, info: 8 } as const;

/** `struct bpf_map_info`. */
export const mapInfo = {
  size: 88,
  type: 0,
  id: 4,
  keySize: 8,
  valueSize: 12,
  maxEntries: 16,
  flags: 20,
  name: 24,
  nameSize: 16,
} as const;

/** `struct bpf_prog_info`. */
export const progInfo = {
  size: 232,
  type: 0,
  id: 4,
  tag: 8,
  tagSize: 8,
  mapCount: 52,
  mapIds: 56,
  name: 64,
  nameSize: 16,
  runTimeNs: 192,
  runCount: 200,
  verifiedInstructions: 216,
} as const;

/** `struct bpf_link_info`; `ifindex` of XDP, TCX and netkit links, `attachType` of the last two. */
export const linkInfo = { size: 64, type: 0, id: 4, programId: 8, ifindex: 16, attachType: 20 } as const;

/** `struct bpf_object_open_opts` (libbpf.h). */
export const objectOpenOpts = {
  size: 88,
  objectName: 8,
  kernelLogBuf: 56,
  kernelLogSize: 64,
  kernelLogLevel: 72,
} as const;

/** `struct bpf_map_create_opts` (bpf.h of libbpf). */
export const mapCreateOpts = { size: 80, innerMapFd: 24, flags: 28 } as const;

/** `struct bpf_map_batch_opts`. */
export const mapBatchOpts = { size: 24, elementFlags: 8 } as const;

/** `struct bpf_xdp_query_opts`. */
export const xdpQueryOpts = {
  size: 48,
  programId: 8,
  nativeProgramId: 12,
  offloadProgramId: 16,
  genericProgramId: 20,
  attachMode: 24,
} as const;

/** `struct bpf_xdp_attach_opts`. */
export const xdpAttachOpts = { size: 16, oldProgramFd: 8 } as const;

/** `struct xdp_dispatcher_config` of libxdp's protocol, version 2: the constants of a dispatcher, and its arrays' length. */
export const xdpDispatcherConfig = {
  size: 124,
  magic: 0,
  version: 1,
  count: 2,
  frags: 3,
  actions: 4,
  priorities: 44,
  flags: 84,
  slots: 10,
} as const;

/** `struct bpf_tc_hook`. */
export const tcHook = { size: 32, ifindex: 8, attachPoint: 12 } as const;

/** `struct bpf_tc_opts`. */
export const tcOpts = { size: 32, programFd: 8, flags: 12, programId: 16, handle: 20, priority: 24 } as const;

/** `struct xdp_md`, the context of an XDP program. */
export const xdpMd = { size: 24, data: 0, dataEnd: 4, dataMeta: 8, ingressIfindex: 12, rxQueue: 16 } as const;

/** `struct __sk_buff`, the context of a TC program; the fields that a test run may set. */
export const skBuff = {
  size: 192,
  mark: 8,
  priority: 32,
  ingressIfindex: 36,
  ifindex: 40,
  cb: 48,
  gsoSegs: 164,
  gsoSize: 176,
} as const;
