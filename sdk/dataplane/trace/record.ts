// SPDX-License-Identifier: Apache-2.0
import { formatMac } from "../../address.ts";
import { traceRecordCodec as codec, type RawFlowKey, type TraceStage, traceStages } from "../../layout/index.ts";
import { tunnelOf } from "../flows/codec.ts";

/** A step as the kernel programs wrote it (bpf/trace_abi.h, struct trace_record). */
export interface TraceRecord {
  readonly stage: TraceStage;
  /** By stage, see bpf/trace_abi.h, enum trace_stage. */
  readonly code: number;
  readonly id: number;
  readonly other: number;
  readonly key: RawFlowKey;
  readonly l3Offset: number;
  /** VRF in which the destination is looked up. */
  readonly routeVrf: number;
  readonly nexthop: number;
  readonly reverseNexthop: number;
  /** Label or VNI as one number (sdk/dataplane/kernel/label_tag.ts). */
  readonly tag: number;
  /** Next hop of the tunnel that it came out of; 0: none, or of none. */
  readonly tunnel: number;
  readonly interface: number;
  readonly outInterface: number;
  readonly destinationMac: string;
  readonly sourceMac: string;
  /** The beginning of the frame as it was then, without a VLAN tag beside it. */
  readonly frame: Uint8Array | undefined;
}

/** @param frameOf gives the frame of a number. */
export function readRecord(bytes: Uint8Array, frameOf: (number: number) => Uint8Array | undefined): TraceRecord {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return {
    stage: traceStages[codec.stage.get(view, 0)] ?? "none",
    code: codec.code.get(view, 0),
    id: codec.id.get(view, 0),
    other: codec.other.get(view, 0),
    key: {
      family: codec.family.get(view, 0) === 6 ? 6 : 4,
      vrf: codec.vrf.get(view, 0),
      protocol: codec.protocol.get(view, 0),
      source: codec.source.bytes(bytes, 0),
      destination: codec.destination.bytes(bytes, 0),
      sourcePort: codec.sourcePort.get(view, 0),
      destinationPort: codec.destinationPort.get(view, 0),
    },
    l3Offset: codec.l3Offset.get(view, 0),
    routeVrf: codec.routeVrf.get(view, 0),
    nexthop: codec.nexthop.get(view, 0),
    reverseNexthop: codec.reverseNexthop.get(view, 0),
    tag: codec.label.get(view, 0),
    tunnel: tunnelOf(codec.ingress.get(view, 0)),
    interface: codec.interface.get(view, 0),
    outInterface: codec.outInterface.get(view, 0),
    destinationMac: formatMac(codec.destinationMac.bytes(bytes, 0)),
    sourceMac: formatMac(codec.sourceMac.bytes(bytes, 0)),
    frame: frameOf(codec.frame.get(view, 0)),
  };
}
