// SPDX-License-Identifier: Apache-2.0
import { address, CLOSED, flag, integer, mac, name, oneOf, reference } from "./common.ts";
import { NewFlowsSchema } from "./flow_guard.ts";
import { OrderSchema } from "./order.ts";
import { PoliceSchema } from "./qos.ts";
import { type Static, Type } from "./typebox.ts";

/** Gateway addresses of an interface that names none: link-local, so that they are right in every network. */
export const DEFAULT_GATEWAYS: readonly string[] = ["169.254.1.1", "fe80::1"];

const port = (description: string) => integer(1, 65_535, description);

const HostServiceSchema = Type.Object(
  {
    name: Type.Optional(Type.String({ maxLength: 63, description: "For people.", expects: "a text" })),
    address: address("What workloads ask for, such as 169.254.169.254; a host route of the VRF leads it to the host."),
    port: port("Destination port."),
    proto: Type.Optional(oneOf(["tcp", "udp"], "Protocol.", "tcp")),
    backend: Type.Object(
      {
        address: address("Address of the host that the process listens to, of the same family; 127.0.0.1 and ::1 too."),
        port: port("Port that it listens to."),
      },
      { ...CLOSED, description: "A process of the host." },
    ),
  },
  { ...CLOSED, description: "A service of the host under an address of its own." },
);

/** A service of the host under an address of its own. */
export type HostService = Static<typeof HostServiceSchema>;

export const InterfaceSchema = Type.Object(
  {
    name: name("Key, and name of the interface's own next hop. Shares its name space with the next hops."),
    device: Type.Optional(
      Type.String({
        minLength: 1,
        maxLength: 15,
        description: "Name of the kernel's device. Default: the interface's name.",
        expects: "a device name of at most 15 characters",
      }),
    ),
    role: oneOf(
      ["workload", "fabric", "host"],
      "workload: a pod, container or VM is behind it. fabric: the underlay is behind it. host: the node's own stack is; the device, `lo` as a rule, is the one that its processes send by.",
    ),
    parent: Type.Optional(
      reference("Interface whose device carries it, with the tag `vlan`: a VLAN sub-interface. It has no `device`."),
    ),
    vlan: Type.Optional(integer(1, 4094, "VLAN id of a sub-interface (IEEE 802.1Q). Needed with `parent`.")),
    vrf: Type.Optional(
      reference("VRF that it is in. Needed for roles workload and host; a fabric interface is in `underlay`."),
    ),
    hook: Type.Optional(
      oneOf(
        ["auto", "tc", "xdp"],
        "Where its packets are decided. auto: TC on veth-like devices, native XDP on NICs that have it. `status.hook` tells which is in use.",
        "auto",
      ),
    ),
    mac: Type.Optional(mac("MAC of the workload. Left out: learned from what it sends.")),
    addresses: Type.Optional(
      Type.Array(address("An address."), {
        uniqueItems: true,
        maxItems: 64,
        description:
          "Addresses of the workload; each is a host route of the VRF. Role host: of the host within the VRF; those that no device of the host has are put on this one, until the interface goes. Default there: node.underlay.",
        expects: "a list of at most 64 different addresses",
      }),
    ),
    gateways: Type.Optional(
      Type.Array(address("An address."), {
        uniqueItems: true,
        maxItems: 16,
        description: "Addresses that Weir answers ARP, ND and ping for. Default: 169.254.1.1 and fe80::1.",
        expects: "a list of at most 16 different addresses",
      }),
    ),
    netns: Type.Optional(
      Type.String({
        minLength: 1,
        maxLength: 4095,
        description:
          "Network namespace of the veth's peer (a name under /run/netns, or a path), so that Weir can set what the hook needs there, and restore it.",
        expects: "a network namespace's name or path",
      }),
    ),
    policies: Type.Optional(
      Type.Array(reference("Name of a policy."), {
        maxItems: 64,
        description:
          "Policies that new flows from and to the workload, or the host, must pass, in order. Absent: no policy; for role host: nobody begins flows to the host, and the host begins any. Empty: every new flow is asked.",
        expects: "a list of at most 64 policy names",
      }),
    ),
    allowedAddresses: Type.Optional(
      Type.Array(
        Type.Object(
          { address: address("An address that the workload may also send from.") },
          { ...CLOSED, description: "An allowed address." },
        ),
        { maxItems: 256, description: "More source addresses that the source check lets pass.", expects: "a list" },
      ),
    ),
    sourceCheck: Type.Optional(
      flag(
        "Drop what the workload sends from a MAC or address not its own. Default: true where `addresses` or `mac` are given.",
      ),
    ),
    proxyArp: Type.Optional(
      flag("Answer ARP and ND also for addresses that have a route of their own in the VRF.", true),
    ),
    rpf: Type.Optional(
      oneOf(
        ["off", "loose", "strict"],
        "Check of the source address against the routes (RFC 3704). loose: there must be one. strict: it must lead back out of the interface.",
        "off",
      ),
    ),
    learn: Type.Optional(
      flag("Enter the source MACs of its frames into the VRF's bridge table, for `learnAgeSeconds`.", false),
    ),
    learnAgeSeconds: Type.Optional(
      integer(1, 86_400, "Time after the last frame from a learned MAC until its entry goes.", 300),
    ),
    mssClamp: Type.Optional(
      flag("Lower the MSS that TCP SYNs offer to what fits through the tunnel that they go into.", true),
    ),
    mirror: Type.Optional(
      reference("Mirror that gets copies of all that it receives and sends, as if `source` of the mirror named it."),
    ),
    qos: Type.Optional(
      reference("QoS map: the class of what it receives, and the code points of what leaves by it. Default: none."),
    ),
    police: Type.Optional(PoliceSchema),
    newFlows: Type.Optional(NewFlowsSchema),
    tableFull: Type.Optional(
      oneOf(
        ["refuse", "forward"],
        "What becomes of a packet whose new flow finds no room in the flow table. refuse: a counted drop (`flow-table-full`). forward: policy decides on the packet alone, and again on the next one; answers pass only if policy allows them as flows of their own.",
        "refuse",
      ),
    ),
    synGuard: Type.Optional(
      flag(
        "Let the oldest half-open TCP flows give way to newer ones, so that those of all interfaces together never take more than half of the flow table.",
        true,
      ),
    ),
    tune: Type.Optional(
      flag(
        "Let Weir make the settings that the device needs for its hook (MTU, queues, rings, offloads, receive packet steering, interrupts), and restore them when the interface leaves the state and at `down`. `status.tuned` tells which.",
        false,
      ),
    ),
    kernelTable: Type.Optional(
      integer(
        0,
        4_294_967_295,
        "Role host: table of the kernel's that the routes of the VRF are put into, so that the host's own packets get to the device. 0: none, they are made by hand.",
        254,
      ),
    ),
    services: Type.Optional(
      Type.Array(HostServiceSchema, {
        maxItems: 1024,
        description:
          "Role host: services of the host under addresses that it does not have, such as link-local ones for metadata. What policy allows is translated to `backend`, and the answers back.",
        expects: "a list",
      }),
    ),
    optional: Type.Optional(flag("Wait for the device instead of refusing the state while it is not there.", false)),
    replaceXdp: Type.Optional(
      flag(
        "Take the place of another XDP program on the device, unless a link holds it; it is put back when the interface goes. Off: such a state is refused.",
        false,
      ),
    ),
    xdpChain: Type.Optional(
      Type.Object(
        {
          priority: Type.Optional(
            integer(
              0,
              0x7fffffff,
              "Programs with lower ones run first; of equal ones in the order of their names.",
              50,
            ),
          ),
        },
        {
          ...CLOSED,
          description:
            "On the XDP hook: share the device with other XDP programs, behind libxdp's dispatcher. Those behind Weir get what it leaves to the host's stack.",
        },
      ),
    ),
    order: Type.Optional(OrderSchema),
  },
  { ...CLOSED, description: "A device whose packets Weir decides." },
);

/** A device whose packets Weir decides. */
export type Interface = Static<typeof InterfaceSchema>;
