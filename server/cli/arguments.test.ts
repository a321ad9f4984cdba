// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from "bun:test";
import { parseCommandLine } from "./arguments.ts";

describe("the command line", () => {
  test("has its common flags anywhere", () => {
    for (const argv of [
      ["--name", "n1", "get", "vrfs", "-o", "json"],
      ["get", "vrfs", "--name=n1", "-o", "json"],
      ["get", "vrfs", "-o", "json", "--name", "n1"],
    ]) {
      expect(parseCommandLine(argv)).toMatchObject({
        command: "get",
        args: ["vrfs", "-o", "json"],
        instance: "n1",
        endpoint: { type: "unix", path: "/run/weir/n1.sock" },
      });
    }
  });

  test("talks to another address where told", () => {
    const { endpoint } = parseCommandLine(["--connect", "127.0.0.1:8080", "drops"]);
    expect(endpoint).toEqual({ type: "tcp", host: "127.0.0.1", port: 8080 });
  });

  test("leaves what follows -- alone", () => {
    expect(parseCommandLine(["get", "--", "--name"]).args).toEqual(["--", "--name"]);
  });

  test("may be empty, or ask for help or the version", () => {
    expect(parseCommandLine([]).command).toBeUndefined();
    expect(parseCommandLine(["apply", "-h"])).toMatchObject({ command: "apply", help: true, args: [] });
    expect(parseCommandLine(["--version"]).version).toBe(true);
  });

  test("is refused with a flag that has no value, a name that is none, an address that is none", () => {
    expect(() => parseCommandLine(["get", "--name"])).toThrow("--name lacks its value");
    expect(() => parseCommandLine(["--name", "../x", "get"])).toThrow("is no name");
    expect(() => parseCommandLine(["--connect", "nowhere", "get"])).toThrow("neither unix:PATH nor HOST:PORT");
    expect(() => parseCommandLine(["--frob", "get"])).toThrow("unknown flag --frob");
  });
});
