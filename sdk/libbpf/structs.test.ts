// SPDX-License-Identifier: Apache-2.0
/** The layouts against the system's own headers, as far as these know the fields. */

import { expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as structs from "./structs.ts";

/** C name of each field, as our table calls it. */
const fields: readonly (readonly [offset: number, type: string, field: string])[] = [
  [structs.linkCreateAttr.programFd, "union bpf_attr", "link_create.prog_fd"],
  [structs.linkCreateAttr.ifindex, "union bpf_attr", "link_create.target_ifindex"],
  [structs.linkCreateAttr.attachType, "union bpf_attr", "link_create.attach_type"],
  [structs.linkCreateAttr.flags, "union bpf_attr", "link_create.flags"],
  [structs.linkUpdateAttr.programFd, "union bpf_attr", "link_update.new_prog_fd"],
  [structs.progQueryAttr.programIds, "union bpf_attr", "query.prog_ids"],
  [structs.progQueryAttr.count, "union bpf_attr", "query.prog_cnt"],
  [structs.testRunAttr.retval, "union bpf_attr", "test.retval"],
  [structs.testRunAttr.dataSizeIn, "union bpf_attr", "test.data_size_in"],
  [structs.testRunAttr.dataSizeOut, "union bpf_attr", "test.data_size_out"],
  [structs.testRunAttr.dataIn, "union bpf_attr", "test.data_in"],
  [structs.testRunAttr.dataOut, "union bpf_attr", "test.data_out"],
  [structs.testRunAttr.repeat, "union bpf_attr", "test.repeat"],
  [structs.testRunAttr.duration, "union bpf_attr", "test.duration"],
  [structs.testRunAttr.contextSizeIn, "union bpf_attr", "test.ctx_size_in"],
  [structs.testRunAttr.contextSizeOut, "union bpf_attr", "test.ctx_size_out"],
  [structs.testRunAttr.contextIn, "union bpf_attr", "test.ctx_in"],
  [structs.testRunAttr.contextOut, "union bpf_attr", "test.ctx_out"],
  [structs.testRunAttr.flags, "union bpf_attr", "test.flags"],
  [structs.testRunAttr.cpu, "union bpf_attr", "test.cpu"],
  [structs.testRunAttr.batchSize, "union bpf_attr", "test.batch_size"],
  [structs.infoAttr.info, "union bpf_attr", "info.info"],
  [structs.mapInfo.flags, "struct bpf_map_info", "map_flags"],
  [structs.mapInfo.name, "struct bpf_map_info", "name"],
  [structs.progInfo.tag, "struct bpf_prog_info", "tag"],
  [structs.progInfo.name, "struct bpf_prog_info", "name"],
  [structs.progInfo.runTimeNs, "struct bpf_prog_info", "run_time_ns"],
  [structs.progInfo.runCount, "struct bpf_prog_info", "run_cnt"],
  [structs.progInfo.verifiedInstructions, "struct bpf_prog_info", "verified_insns"],
  [structs.linkInfo.programId, "struct bpf_link_info", "prog_id"],
  [structs.linkInfo.ifindex, "struct bpf_link_info", "xdp.ifindex"],
  [structs.objectOpenOpts.objectName, "struct bpf_object_open_opts", "object_name"],
  [structs.objectOpenOpts.kernelLogBuf, "struct bpf_object_open_opts", "kernel_log_buf"],
  [structs.objectOpenOpts.kernelLogSize, "struct bpf_object_open_opts", "kernel_log_size"],
  [structs.mapCreateOpts.innerMapFd, "struct bpf_map_create_opts", "inner_map_fd"],
  [structs.mapCreateOpts.flags, "struct bpf_map_create_opts", "map_flags"],
  [structs.xdpQueryOpts.programId, "struct bpf_xdp_query_opts", "prog_id"],
  [structs.xdpQueryOpts.genericProgramId, "struct bpf_xdp_query_opts", "skb_prog_id"],
  [structs.xdpQueryOpts.attachMode, "struct bpf_xdp_query_opts", "attach_mode"],
  [structs.tcHook.ifindex, "struct bpf_tc_hook", "ifindex"],
  [structs.tcHook.attachPoint, "struct bpf_tc_hook", "attach_point"],
  [structs.tcOpts.programFd, "struct bpf_tc_opts", "prog_fd"],
  [structs.tcOpts.programId, "struct bpf_tc_opts", "prog_id"],
  [structs.tcOpts.handle, "struct bpf_tc_opts", "handle"],
  [structs.tcOpts.priority, "struct bpf_tc_opts", "priority"],
  [structs.xdpMd.dataMeta, "struct xdp_md", "data_meta"],
  [structs.xdpMd.ingressIfindex, "struct xdp_md", "ingress_ifindex"],
  [structs.xdpMd.rxQueue, "struct xdp_md", "rx_queue_index"],
  [structs.skBuff.mark, "struct __sk_buff", "mark"],
  [structs.skBuff.priority, "struct __sk_buff", "priority"],
  [structs.skBuff.ingressIfindex, "struct __sk_buff", "ingress_ifindex"],
  [structs.skBuff.ifindex, "struct __sk_buff", "ifindex"],
  [structs.skBuff.cb, "struct __sk_buff", "cb"],
  [structs.skBuff.gsoSegs, "struct __sk_buff", "gso_segs"],
  [structs.skBuff.gsoSize, "struct __sk_buff", "gso_size"],
];

test.skipIf(!existsSync("/usr/include/bpf/libbpf.h"))("every offset is the one in the C headers", () => {
  const directory = mkdtempSync(join(tmpdir(), "weir-structs-"));
  try {
    const asserts = fields.map(([offset, type, field]) => {
      return `_Static_assert(__builtin_offsetof(${type}, ${field}) == ${offset}, "${type} ${field}");`;
    });
    const includes = ["linux/bpf.h", "bpf/bpf.h", "bpf/libbpf.h"].map((header) => `#include <${header}>`);
    const source = join(directory, "structs.c");
    writeFileSync(source, [...includes, ...asserts].join("\n"));
    const { stderr } = spawnSync("clang", ["-fsyntax-only", source], { encoding: "utf8" });
    expect(stderr).toBe("");
  } finally {
    rmSync(directory, { recursive: true });
  }
});
