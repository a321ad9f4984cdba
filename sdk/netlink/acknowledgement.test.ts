// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from "bun:test";
import type { WeirError } from "../errors.ts";
import { acknowledgedError } from "./acknowledgement.ts";
import { regionOf } from "./attribute.ts";
import { NLM_F_ACK_TLVS, NLM_F_CAPPED, NLMSG_DONE, NLMSG_ERROR } from "./constants.ts";

const HEADER = 16;

/** An acknowledgement: errno, the quoted request of `quoted` bytes (0: none), an explanation. */
function acknowledge(type: number, flags: number, errno: number, quoted: number, text: string): WeirError | undefined {
  const bytes = new Uint8Array(256);
  const region = regionOf(bytes);
  region.view.setInt32(HEADER, -errno, true);
  let end = HEADER + 4;
  if (quoted > 0) {
    region.view.setUint32(end, quoted, true);
    end += (flags & NLM_F_CAPPED) === 0 ? (quoted + 3) & ~3 : HEADER;
  }
  if (text !== "") {
    const encoded = new TextEncoder().encode(text);
    region.view.setUint16(end, 4 + encoded.byteLength + 1, true);
    region.view.setUint16(end + 2, 1, true);
    bytes.set(encoded, end + 4);
    end += 4 + encoded.byteLength + 1;
  }
  return acknowledgedError({ ...region, type, flags, sequence: 1, start: HEADER, end }, "do it");
}

describe("an acknowledgement", () => {
  test("of success is no error", () => {
    expect(acknowledge(NLMSG_ERROR, NLM_F_CAPPED, 0, 32, "")).toBeUndefined();
    expect(acknowledge(NLMSG_DONE, 0, 0, 0, "")).toBeUndefined();
  });

  test("names the errno and what was tried", () => {
    const error = acknowledge(NLMSG_ERROR, NLM_F_CAPPED, 17, 32, "");
    expect(error?.code).toBe("EEXIST");
    expect(error?.message).toBe("Cannot do it: EEXIST (it exists)");
  });

  test("gives the kernel's explanation, without its full stop, where the request is quoted in full or in part", () => {
    for (const [type, flags, quoted] of [
      [NLMSG_ERROR, NLM_F_ACK_TLVS | NLM_F_CAPPED, 70],
      [NLMSG_ERROR, NLM_F_ACK_TLVS, 70],
      [NLMSG_DONE, NLM_F_ACK_TLVS, 0],
    ] as const) {
      expect(acknowledge(type, flags, 22, quoted, "Peer MTU is too large.")?.message).toBe(
        "Cannot do it: EINVAL (Peer MTU is too large)",
      );
    }
  });

  test("of missing rights says who may", () => {
    expect(acknowledge(NLMSG_ERROR, NLM_F_CAPPED, 1, 32, "")?.hint).toContain("root");
  });
});
