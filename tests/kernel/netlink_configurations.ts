// SPDX-License-Identifier: Apache-2.0
/** Configurations of a namespace, as commands of ip(8). */

/** One of them, on top of {@link SET_UP}. */
export interface Configuration {
  readonly name: string;
  /** `{other}` stands for a second namespace. */
  readonly commands: readonly string[];
  /** What small kernels lack; the configuration is then left out. */
  readonly needs?: string;
}

/** A veth pair with both ends here, addresses on both but no link-local ones, which take their time. */
export const SET_UP: readonly string[] = [
  "link set lo up",
  "link add v0 mtu 1500 numtxqueues 3 numrxqueues 2 type veth peer name v1",
  "link set v0 addrgenmode none up",
  "link set v1 addrgenmode none up",
  "addr add 10.1.0.1/24 dev v0",
  "addr add 10.2.0.1/24 dev v1",
  "-6 addr add fd00:1::1/64 dev v0 nodad",
  "-6 addr add fd00:2::1/64 dev v1 nodad",
];

const links: readonly Configuration[] = [
  { name: "a device that is down", commands: ["link set v0 down"] },
  { name: "a device without carrier", commands: ["link set v1 down"] },
  { name: "a chosen MAC and MTU", commands: ["link set v0 address 02:00:00:00:00:77 mtu 9000"] },
  { name: "an alias", commands: ["link set v0 alias towards-rack-7"] },
  {
    name: "alternative names",
    commands: [
      "link property add dev v0 altname an-alternative-name-of-some-length",
      "link property add dev v0 altname another",
    ],
  },
  { name: "another transmit queue length", commands: ["link set v0 txqueuelen 77"] },
  { name: "promiscuous and all-multicast mode", commands: ["link set v0 promisc on", "link set v1 allmulticast on"] },
  { name: "a device without ARP and multicast", commands: ["link set v0 arp off multicast off"] },
  { name: "limits of packets", commands: ["link set v0 gso_max_size 30000 gro_max_size 20000"] },
  {
    name: "a bridge with two ports",
    commands: [
      "link add br0 type bridge",
      "link set v0 master br0",
      "link set v1 master br0",
      "link set br0 addrgenmode none up",
    ],
  },
  { name: "a bridge with spanning tree", commands: ["link add br0 type bridge stp_state 1"] },
  { name: "a VLAN-aware bridge", commands: ["link add br0 type bridge vlan_filtering 1"], needs: "VLAN filtering" },
  { name: "a veth whose peer is in another namespace", commands: ["link set v1 netns {other}"] },
  {
    name: "a macvlan of each mode",
    commands: [
      "link add m0 link v0 type macvlan mode bridge",
      "link add m1 link v0 type macvlan mode vepa",
      "link add m2 link v0 type macvlan mode private",
    ],
    needs: "macvlan",
  },
  {
    name: "a VXLAN device",
    commands: ["link add x0 type vxlan id 77 remote 10.1.0.9 local 10.1.0.1 dstport 4789 dev v0 ttl 9"],
  },
  {
    name: "a VXLAN device of a multicast group",
    commands: ["link add x0 type vxlan id 16777215 group 239.1.1.1 dstport 4789 dev v0 nolearning"],
  },
  {
    name: "a VXLAN device over IPv6",
    commands: ["link add x0 type vxlan id 8 remote fd00:1::9 local fd00:1::1 dstport 8472"],
  },
  {
    name: "an external VXLAN device",
    commands: ["link add x0 type vxlan external dstport 4790", "link set x0 addrgenmode none up"],
  },
  {
    name: "a VRF device with a member",
    commands: ["link add red type vrf table 1010", "link set red up", "link set v0 master red"],
    needs: "VRF devices",
  },
  {
    name: "VLAN devices of both tags",
    commands: [
      "link add link v0 name v0.7 type vlan id 7",
      "link add link v0 name v0.8 type vlan protocol 802.1ad id 8",
    ],
    needs: "VLAN devices",
  },
  { name: "a dummy device", commands: ["link add d0 mtu 4000 type dummy", "link set d0 up"], needs: "dummy devices" },
];

const addresses: readonly Configuration[] = [
  { name: "several addresses in one prefix", commands: ["addr add 10.1.0.2/24 dev v0", "addr add 10.1.0.3/24 dev v0"] },
  {
    name: "an address with a peer",
    commands: ["addr add 192.0.2.1 peer 192.0.2.2 dev v0", "-6 addr add fd00:8::1 peer fd00:8::2 dev v0 nodad"],
  },
  {
    name: "an address with broadcast, label and scope",
    commands: ["addr add 10.9.0.1/24 broadcast 10.9.0.255 label v0:one scope site dev v0"],
  },
  {
    name: "addresses with lifetimes",
    commands: [
      "addr add 10.9.0.1/24 dev v0 valid_lft 3600 preferred_lft 1800",
      "-6 addr add fd00:9::1/64 dev v0 nodad valid_lft 7200 preferred_lft 600",
    ],
  },
  {
    name: "deprecated addresses",
    commands: [
      "addr add 10.9.0.1/24 dev v0 valid_lft 3600 preferred_lft 0",
      "-6 addr add fd00:9::1/64 dev v0 nodad preferred_lft 0",
    ],
  },
  {
    name: "an address without a route to its prefix",
    commands: ["addr add 10.9.0.1/24 noprefixroute dev v0", "-6 addr add fd00:9::1/64 dev v0 nodad noprefixroute"],
  },
  {
    name: "addresses of link and host scope",
    commands: [
      "addr add 169.254.7.7/16 scope link dev v0",
      "addr add 127.0.0.9/8 scope host dev lo",
      "-6 addr add fec0::7/64 dev v0 nodad",
    ],
  },
  { name: "an IPv4-mapped IPv6 address", commands: ["-6 addr add ::ffff:192.0.2.1/128 dev v0 nodad"] },
];

const routes: readonly Configuration[] = [
  {
    name: "a route through a gateway",
    commands: ["route add 10.3.0.0/16 via 10.1.0.2", "-6 route add fd00:3::/48 via fd00:1::2"],
  },
  { name: "a default route", commands: ["route add default via 10.1.0.2", "-6 route add default via fe80::1 dev v0"] },
  { name: "a host route on the link", commands: ["route add 10.4.0.1 dev v0", "-6 route add fd00:4::1 dev v0"] },
  {
    name: "routes of several metrics",
    commands: [
      "route add 10.3.0.0/16 via 10.1.0.2",
      "route add 10.3.0.0/16 via 10.2.0.2 metric 50",
      "-6 route add fd00:3::/64 dev v0 metric 7",
      "-6 route add fd00:3::/64 dev v1 metric 8",
    ],
  },
  {
    name: "routes of one metric behind each other",
    commands: ["route add 10.3.0.0/16 via 10.1.0.2", "route append 10.3.0.0/16 via 10.2.0.2"],
  },
  {
    name: "routes in other tables",
    commands: [
      "route add 10.8.0.0/16 via 10.1.0.2 table 100",
      "route add 10.9.0.0/16 via 10.1.0.2 table 100000",
      "-6 route add fd00:8::/64 via fd00:1::2 table 4294967294",
    ],
  },
  {
    name: "routes of routing daemons",
    commands: [
      "route add 10.3.0.0/16 via 10.1.0.2 proto bird",
      "route add 10.4.0.0/16 via 10.1.0.2 proto bgp",
      "-6 route add fd00:3::/64 via fd00:1::2 proto zebra",
      "route add 10.5.0.0/16 via 10.1.0.2 proto 87",
    ],
  },
  { name: "blackholes", commands: ["route add blackhole 10.6.0.0/16", "-6 route add blackhole fd00:6::/64"] },
  {
    name: "unreachable destinations",
    commands: ["route add unreachable 10.6.0.0/16", "-6 route add unreachable fd00:6::/64"],
  },
  {
    name: "prohibited destinations",
    commands: ["route add prohibit 10.6.0.0/16", "-6 route add prohibit fd00:6::/64"],
  },
  { name: "throw routes", commands: ["route add throw 10.6.0.0/16 table 7", "-6 route add throw fd00:6::/64 table 7"] },
  {
    name: "local and multicast routes",
    commands: [
      "route add local 10.6.0.0/16 dev lo table local",
      "route add multicast 239.0.0.0/8 dev v0",
      "-6 route add local fd00:6::/64 dev lo",
    ],
  },
  { name: "an anycast route", commands: ["-6 route add anycast fd00:6::/64 dev lo"] },
  { name: "a broadcast route", commands: ["route add broadcast 10.6.0.255 dev v0 table 7"] },
  {
    name: "a gateway that is on the link by decree",
    commands: [
      "route add 10.5.0.0/16 via 192.0.2.1 dev v0 onlink",
      "-6 route add fd00:5::/64 via fd00:99::1 dev v0 onlink",
    ],
  },
  { name: "an IPv4 route through an IPv6 gateway", commands: ["route add 10.7.0.0/16 via inet6 fd00:1::2 dev v0"] },
  {
    name: "a preferred source",
    commands: [
      "route add 10.3.0.0/16 via 10.1.0.2 src 10.2.0.1",
      "-6 route add fd00:3::/64 via fd00:1::2 src fd00:2::1",
    ],
  },
  {
    name: "a type of service",
    commands: ["route add 10.3.0.0/16 tos 0x10 via 10.1.0.2", "route add 10.3.0.0/16 via 10.2.0.2"],
  },
  {
    name: "metrics of connections",
    commands: [
      "route add 10.3.0.0/16 via 10.1.0.2 mtu 1300 advmss 1200 hoplimit 9 initcwnd 11 initrwnd 12 quickack 1 window 30000 reordering 5",
      "-6 route add fd00:3::/64 via fd00:1::2 mtu 1300 hoplimit 3",
    ],
  },
  {
    name: "weighted ways",
    commands: [
      "route add 10.10.0.0/16 nexthop via 10.1.0.2 weight 3 nexthop via 10.2.0.2 weight 256",
      "-6 route add fd00:a::/64 nexthop via fd00:1::2 weight 2 nexthop via fd00:2::2",
    ],
  },
  {
    name: "sixteen ways",
    commands: [
      `route add 10.10.0.0/16 ${Array.from({ length: 16 }, (_, i) => `nexthop via 10.1.0.${i + 2}`).join(" ")}`,
    ],
  },
  {
    name: "ways to gateways of both families",
    commands: ["route add 10.10.0.0/16 nexthop via 10.1.0.2 nexthop via inet6 fd00:2::2 dev v1"],
  },
  {
    name: "ways that are on the link by decree",
    commands: ["route add 10.10.0.0/16 nexthop via 192.0.2.1 dev v0 onlink nexthop dev v1"],
  },
  {
    name: "ways of which one is dead",
    commands: ["route add 10.10.0.0/16 nexthop via 10.1.0.2 nexthop via 10.2.0.2", "link set v1 down"],
  },
  {
    name: "IPv6 routers of each preference",
    commands: ["-6 route add fd00:3::/64 via fd00:1::2 pref high", "-6 route add fd00:4::/64 via fd00:1::2 pref low"],
  },
  {
    name: "IPv6 routes for some sources",
    commands: [
      "-6 route add fd00:9::/64 from fd00:8::/48 dev v0",
      "-6 route add fd00:9::/64 from fd00:7::1 via fd00:1::2",
    ],
    needs: "IPv6 subtrees",
  },
  {
    name: "an IP tunnel by route",
    commands: ["route add 10.6.0.0/16 encap ip id 77 dst 192.0.2.2 src 192.0.2.1 ttl 7 tos 4 dev v0"],
    needs: "lightweight tunnels",
  },
  {
    name: "an MPLS label by route",
    commands: [
      "route add 10.6.0.0/16 encap mpls 100/200 via 10.1.0.2",
      "route add 10.7.0.0/16 encap mpls 1048575 ttl 9 via 10.1.0.2",
    ],
    needs: "MPLS tunnels",
  },
];

const rules: readonly Configuration[] = [
  {
    name: "a rule by source",
    commands: [
      "rule add from 192.0.2.0/24 table 100 priority 100",
      "-6 rule add from 2001:db8::/32 table 100 priority 100",
    ],
  },
  { name: "a rule by destination", commands: ["rule add to 198.51.100.7 table 70000 priority 101"] },
  {
    name: "rules by device",
    commands: ["rule add iif v0 table 5 priority 102", "rule add oif v1 table 6 priority 103"],
  },
  { name: "rules by mark", commands: ["rule add fwmark 0x10/0xf0 table 5", "-6 rule add fwmark 7 table 200"] },
  { name: "rules by protocol and ports", commands: ["rule add ipproto udp dport 4789 sport 1000-2000 table 5"] },
  { name: "a rule by type of service", commands: ["rule add tos 0x04 table 9"] },
  { name: "a rule that is inverted", commands: ["rule add not from 192.0.2.1 table 9"] },
  {
    name: "rules that refuse",
    commands: [
      "rule add from 192.0.2.1 blackhole",
      "rule add from 192.0.2.2 unreachable",
      "rule add from 192.0.2.3 prohibit",
    ],
  },
  { name: "a rule that jumps", commands: ["rule add from 192.0.2.1 goto 32766"] },
  { name: "a rule that passes short prefixes over", commands: ["rule add table main suppress_prefixlength 0"] },
  { name: "a rule of VRF devices", commands: ["rule add l3mdev priority 1000"] },
  { name: "a rule of a routing daemon", commands: ["rule add from 192.0.2.1 table 9 protocol bird"] },
];

const nexthops: readonly Configuration[] = [
  {
    name: "nexthop objects of each kind",
    commands: [
      "nexthop add id 1 via 10.1.0.2 dev v0",
      "nexthop add id 2 dev v0",
      "nexthop add id 3 blackhole",
      "nexthop add id 4 via fd00:1::2 dev v0 proto bgp",
      "nexthop add id 5 via 10.9.0.1 dev v0 onlink",
    ],
  },
  {
    name: "a group of nexthop objects and its route",
    commands: [
      "nexthop add id 1 via 10.1.0.2 dev v0",
      "nexthop add id 2 via 10.2.0.2 dev v1",
      "nexthop add id 10 group 1,3/2,200",
      "route add 10.5.0.0/16 nhid 10",
    ],
  },
  {
    name: "a resilient group",
    commands: [
      "nexthop add id 1 via 10.1.0.2 dev v0",
      "nexthop add id 2 via 10.2.0.2 dev v1",
      "nexthop add id 11 group 1/2 type resilient buckets 64 idle_timer 30 unbalanced_timer 300",
    ],
    needs: "resilient groups",
  },
  {
    name: "nexthop objects for bridge entries",
    commands: [
      "nexthop add id 7 via 10.1.0.9 fdb",
      "nexthop add id 8 via 10.1.0.10 fdb",
      "nexthop add id 9 group 7/8 fdb",
    ],
  },
  {
    name: "a nexthop object with a tunnel",
    commands: ["nexthop add id 12 encap ip id 5 dst 192.0.2.2 dev v0"],
    needs: "lightweight tunnels",
  },
];

const neighbours: readonly Configuration[] = [
  {
    name: "neighbours that are permanent",
    commands: [
      "neigh add 10.1.0.2 lladdr 02:00:00:00:00:02 dev v0",
      "neigh add fd00:1::2 lladdr 02:00:00:00:00:12 dev v0 router",
    ],
  },
  {
    name: "neighbours in other states",
    commands: [
      "neigh add 10.1.0.3 lladdr 02:00:00:00:00:03 nud stale dev v0",
      "neigh add 10.1.0.4 nud failed dev v0",
      "neigh add 10.1.0.5 lladdr 02:00:00:00:00:05 nud noarp dev v0",
      "neigh add 10.1.0.6 lladdr 02:00:00:00:00:06 nud reachable dev v0",
    ],
  },
  {
    name: "neighbours of a control plane",
    commands: ["neigh add 10.1.0.7 lladdr 02:00:00:00:00:07 dev v0 extern_learn protocol bgp"],
  },
  { name: "proxies", commands: ["neigh add proxy 10.1.0.9 dev v0", "neigh add proxy fd00:1::9 dev v1"] },
];

/** All of them. */
export const configurations: readonly Configuration[] = [
  ...links,
  ...addresses,
  ...routes,
  ...rules,
  ...nexthops,
  ...neighbours,
];
