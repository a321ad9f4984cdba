/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Produces records for ring_buffer.test.ts. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#define LARGEST 256

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096);
} ring SEC(".maps");

__u64 lost;

struct request {
	__u32 value;   /* of every byte */
	__u32 bytes;   /* 8 or 256 */
	__u32 discard; /* reserve, then give it up */
	__u32 reserved;
};

static __always_inline int produce(__u32 value, __u32 bytes, __u32 discard)
{
	__u8 *record = bpf_ringbuf_reserve(&ring, bytes, 0);

	if (!record) {
		__sync_fetch_and_add(&lost, 1);
		return 1;
	}
	__builtin_memset(record, value, 8);
	if (bytes == LARGEST)
		record[LARGEST - 1] = value;
	if (discard)
		bpf_ringbuf_discard(record, 0);
	else
		bpf_ringbuf_submit(record, 0);
	return 0;
}

SEC("syscall")
int put(struct request *r)
{
	return r->bytes == LARGEST ? produce(r->value, LARGEST, r->discard)
				   : produce(r->value, 8, r->discard);
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
