/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* What the measuring programs have in common. Each prints one JSON object a line. */
#ifndef WEIR_BENCH_H
#define WEIR_BENCH_H

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <netinet/ether.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

static inline uint64_t monotonic_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ull + t.tv_nsec;
}

/* Internet checksum (RFC 1071) of an even number of bytes, in network order. */
static inline void put_ipv4_checksum(uint8_t *header)
{
	uint32_t sum = 0;

	header[10] = header[11] = 0;
	for (int i = 0; i < 20; i += 2)
		sum += header[i] << 8 | header[i + 1];
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	sum = ~sum;
	header[10] = sum >> 8;
	header[11] = sum;
}

static inline void put16(uint8_t *at, unsigned int value)
{
	at[0] = value >> 8;
	at[1] = value;
}

__attribute__((noreturn)) static inline void fail(const char *what)
{
	fprintf(stderr, "%s: %s\n", what, strerror(errno));
	exit(1);
}

__attribute__((noreturn)) static inline void usage(const char *text)
{
	fprintf(stderr, "usage: %s\n", text);
	exit(2);
}

/* A long-lived program ends with the benchmark that started it, however that ends. */
static inline void end_with_parent(void)
{
	prctl(PR_SET_PDEATHSIG, SIGTERM);
}

/* Where UDP packets come from and go. */
struct udp_ends {
	const char *destination; /* -d, -S: dotted IPv4 */
	const char *source;
	const char *destination_mac; /* -m, -M */
	const char *source_mac;
};

#define UDP_ENDS_OPTIONS "d:S:m:M:"
#define UDP_ENDS_USAGE   "[-d DESTINATION] [-S SOURCE] [-m DESTINATION_MAC] [-M SOURCE_MAC]"

/* Takes one of UDP_ENDS_OPTIONS from getopt(3). Anything else is wrong usage. */
static inline void take_udp_end(struct udp_ends *ends, int option, const char *text)
{
	switch (option) {
	case 'd':
		ends->destination = optarg;
		break;
	case 'S':
		ends->source = optarg;
		break;
	case 'm':
		ends->destination_mac = optarg;
		break;
	case 'M':
		ends->source_mac = optarg;
		break;
	default:
		usage(text);
	}
}

/* Ethernet, IPv4 and UDP headers of `size` bytes in all (without FCS); UDP checksum 0. */
static inline void put_udp_headers(uint8_t *frame, int size, const struct udp_ends *ends)
{
	struct ether_addr *mac = ether_aton(ends->destination_mac);

	if (!mac)
		usage("a MAC address is six hexadecimal numbers");
	memcpy(frame, mac, 6);
	mac = ether_aton(ends->source_mac);
	if (!mac)
		usage("a MAC address is six hexadecimal numbers");
	memcpy(frame + 6, mac, 6);
	put16(frame + 12, 0x0800);
	frame[14] = 0x45;
	put16(frame + 16, size - 14);
	frame[22] = 64;
	frame[23] = IPPROTO_UDP;
	if (inet_pton(AF_INET, ends->source, frame + 26) != 1 ||
	    inet_pton(AF_INET, ends->destination, frame + 30) != 1)
		usage("an address is dotted IPv4");
	put_ipv4_checksum(frame + 14);
	put16(frame + 34, 0x1000);
	put16(frame + 36, 4433);
	put16(frame + 38, size - 34);
}

#endif
