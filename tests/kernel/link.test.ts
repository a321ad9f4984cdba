// SPDX-License-Identifier: Apache-2.0
/** The contract of links, for each kind. */

import { afterAll, expect, test } from "bun:test";
import { attachClsact, attachTc, attachTcx, attachXdp, linkFromPin, tcxSupported } from "../../sdk/libbpf/index.ts";
import { describeLink } from "./link_contract.ts";
import { disposeObjects, objects, PINS } from "./link_objects.ts";
import { VethPair } from "./veth_pair.ts";

afterAll(disposeObjects);

const xdp = { programs: ["xdp_one", "xdp_two", "tc_one"], end: "right" } as const;
const tc = { programs: ["tc_one", "tc_two", "xdp_one"] } as const;

describeLink("native XDP link", {
  ...xdp,
  make: (_, program, ifindex) => attachXdp({ program, ifindex, mode: "native" }),
});
describeLink("generic XDP link", {
  ...xdp,
  make: (_, program, ifindex) => attachXdp({ program, ifindex, mode: "generic" }),
});
describeLink("clsact ingress link", {
  ...tc,
  end: "right",
  make: (_, program, ifindex) => attachClsact({ program, ifindex, direction: "ingress" }),
});
describeLink("clsact egress link", {
  ...tc,
  end: "left",
  make: (_, program, ifindex) => attachClsact({ program, ifindex, direction: "egress" }),
});
if (tcxSupported()) {
  describeLink("TCX ingress link", {
    ...tc,
    end: "right",
    make: (_, program, ifindex) => attachTcx({ program, ifindex, direction: "ingress" }),
  });
  describeLink("TCX egress link", {
    ...tc,
    end: "left",
    make: (_, program, ifindex) => attachTcx({ program, ifindex, direction: "egress" }),
  });
}

test("TC is attached with TCX where the kernel has it, and with clsact elsewhere", () => {
  using pair = new VethPair();
  pair.in(() => {
    using link = attachTc({ program: objects().program("tc_one"), ifindex: pair.right, direction: "ingress" });
    expect(link.kind).toBe(tcxSupported() ? "tcx" : "clsact");
  });
});

test("a pin of another kind is no link", () => {
  objects().program("tc_one").pin(`${PINS}/program`);
  expect(() => linkFromPin(`${PINS}/program`)).toThrow("it is a program");
  objects().program("tc_one").unpin();
});
