// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* One TCP stream, as fast as it goes: `server` counts what one connection after another brings. */
#include <netinet/tcp.h>
#include <sys/socket.h>
#include "bench.h"

#define CHUNK           (128 * 1024)
#define MAX_CONNECTIONS 1000

static char chunk[CHUNK];

/* Reads one connection to its end and reports it. */
static void drain(int connection)
{
	uint64_t bytes = 0, start = monotonic_ns();
	ssize_t n;

	while ((n = recv(connection, chunk, sizeof(chunk), 0)) > 0)
		bytes += n;
	printf("{\"bytes\":%llu,\"seconds\":%.6f}\n", (unsigned long long)bytes,
	       (monotonic_ns() - start) * 1e-9);
	close(connection);
}

static int serve(int port)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(port) };
	int listener = socket(AF_INET, SOCK_STREAM, 0), one = 1;

	end_with_parent();
	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(listener, (struct sockaddr *)&address, sizeof(address)) || listen(listener, 8))
		fail("listen");
	setlinebuf(stdout);
	printf("{\"ready\":true}\n");
	for (int i = 0; i < MAX_CONNECTIONS; i++) {
		int connection = accept(listener, NULL, NULL);

		if (connection < 0)
			fail("accept");
		drain(connection);
	}
	return 0;
}

static int send_for(const char *to, int port, double seconds)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(port) };
	struct timeval limit = { .tv_sec = 5 };
	int connection = socket(AF_INET, SOCK_STREAM, 0);
	uint64_t start, end, bytes = 0;

	setsockopt(connection, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	if (inet_pton(AF_INET, to, &address.sin_addr) != 1)
		usage("an address is dotted IPv4");
	if (connect(connection, (struct sockaddr *)&address, sizeof(address)))
		fail("connect");
	start = monotonic_ns();
	end = start + (uint64_t)(seconds * 1e9);
	while (monotonic_ns() < end) {
		ssize_t n = send(connection, chunk, sizeof(chunk), 0);

		if (n < 0)
			fail("send");
		bytes += n;
	}
	printf("{\"bytes\":%llu,\"seconds\":%.6f}\n", (unsigned long long)bytes,
	       (monotonic_ns() - start) * 1e-9);
	close(connection);
	return 0;
}

int main(int argc, char **argv)
{
	if (argc == 3 && strcmp(argv[1], "server") == 0)
		return serve(atoi(argv[2]));
	if (argc == 5 && strcmp(argv[1], "client") == 0)
		return send_for(argv[2], atoi(argv[3]), atof(argv[4]));
	usage("tcp_stream server PORT | tcp_stream client ADDRESS PORT SECONDS");
}
