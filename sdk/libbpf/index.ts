// SPDX-License-Identifier: Apache-2.0
/**
 * `weir/bpf`: object files, maps, programs and attachments over the system's libbpf (1.1 or newer) and bpf(2).
 *
 * ```ts
 * import { attachXdp, CollectionSpec } from "weir/bpf";
 *
 * const spec = CollectionSpec.fromFile("filter.o");
 * using collection = spec.load();
 * using link = attachXdp({ program: collection.program("filter"), ifindex: 3, mode: "native" });
 * for (const { key, value } of collection.map("hits").entries()) console.log(key, value);
 * ```
 *
 * @module
 */

export {
  Btf,
  type BtfArray,
  type BtfDataSection,
  type BtfEnum,
  type BtfFloat,
  type BtfInteger,
  type BtfMember,
  type BtfOther,
  type BtfReference,
  type BtfStruct,
  type BtfType,
  type BtfVariable,
} from "./btf.ts";
export { Collection, Variable } from "./collection.ts";
export type { Constants, VariableSpec } from "./constants.ts";
export { type ElfSection, type ElfSymbol, elfSections, elfSymbols, readElfSection } from "./elf.ts";
export { type Anchor, after, before, head, type Neighbour, tail } from "./link/anchor.ts";
export {
  type AttachClsactOptions,
  attachClsact,
  CLSACT_HANDLE,
  CLSACT_PRIORITY,
  type ClsactLink,
  queryClsact,
} from "./link/clsact.ts";
export type { ClsactPlace } from "./link/clsact_pin.ts";
export { type Filter, listFilters } from "./link/filters.ts";
export { BpfLink, type BpfLinkInit, type Direction, type Link, type LinkInfo, type LinkKind } from "./link/link.ts";
export { attachTc, linkFromPin } from "./link/tc.ts";
export { type AttachTcxOptions, attachTcx, queryTcx, type TcxState, tcxSupported } from "./link/tcx.ts";
export { type AttachXdpOptions, attachXdp, queryXdp, type XdpMode, type XdpState } from "./link/xdp.ts";
export { putXdp, type TakenXdp, takeXdp } from "./link/xdp_bare.ts";
export { BpfMap, type CreateMapOptions, type MapBytes, type UpdateMode } from "./map.ts";
export { Mapping, mappingBytes } from "./map_memory.ts";
export type { MapInfo, MapShape } from "./map_shape.ts";
export {
  BPF_F_MMAPABLE,
  BPF_F_NO_PREALLOC,
  BPF_F_RDONLY_PROG,
  type MapType,
  mapTypes,
  type ProgramType,
  programTypes,
} from "./names.ts";
export { ensureBpffs, type ObjectKind } from "./pin.ts";
export { Program, type ProgramInfo } from "./program.ts";
export { type RecordHandler, RingBuffer, type RingBufferOptions } from "./ring_buffer.ts";
export { CollectionSpec, type LoadOptions, type MapSpec, type ProgramSpec } from "./spec.ts";
export { libbpfVersion, possibleCpus } from "./symbols.ts";
export {
  type SkbContext,
  skbContext,
  syscallRunner,
  type TestRunOptions,
  type TestRunResult,
  type XdpContext,
  xdpContext,
} from "./test_run.ts";
export { decisiveLine, VerifierError } from "./verifier.ts";
export { type ChainEntry, type Component, chainOn, changeChain } from "./xdp_chain/chain.ts";
export type { SlotSettings } from "./xdp_chain/dispatcher.ts";
export { loadExtension } from "./xdp_chain/extension.ts";
export { type AttachXdpChainOptions, attachXdpChain, XdpChainLink } from "./xdp_chain/link.ts";
