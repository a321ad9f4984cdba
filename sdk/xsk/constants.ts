// SPDX-License-Identifier: Apache-2.0
/** Numbers of linux/if_xdp.h. */

export const AF_XDP = 44;
export const SOL_XDP = 283;

/** Socket options. */
export const XDP_MMAP_OFFSETS = 1;
export const XDP_RX_RING = 2;
export const XDP_TX_RING = 3;
export const XDP_UMEM_REG = 4;
export const XDP_UMEM_FILL_RING = 5;
export const XDP_UMEM_COMPLETION_RING = 6;
export const XDP_STATISTICS = 7;
export const XDP_OPTIONS = 8;
/** Since Linux 6.17; older kernels send at most 32 packets a call. */
export const XDP_MAX_TX_SKB_BUDGET = 9;

/** Flags of `sockaddr_xdp`. */
export const XDP_SHARED_UMEM = 1 << 0;
export const XDP_COPY = 1 << 1;
export const XDP_ZEROCOPY = 1 << 2;
export const XDP_USE_NEED_WAKEUP = 1 << 3;
/** Packets longer than a frame, as chains of frames; since Linux 6.6. */
export const XDP_USE_SG = 1 << 4;

/** Flag in the answer to XDP_OPTIONS. */
export const XDP_OPTIONS_ZEROCOPY = 1;

/** Offsets of mmap that name the rings. */
export const XDP_PGOFF_RX_RING = 0;
export const XDP_PGOFF_TX_RING = 0x8000_0000;
export const XDP_UMEM_PGOFF_FILL_RING = 0x1_0000_0000;
export const XDP_UMEM_PGOFF_COMPLETION_RING = 0x1_8000_0000;

/** Bytes of `struct xdp_desc` and of a frame address. */
export const DESCRIPTOR_BYTES = 16;
export const ADDRESS_BYTES = 8;
/** Bytes in front of a received packet that the kernel keeps free in every frame. */
export const XDP_PACKET_HEADROOM = 256;
