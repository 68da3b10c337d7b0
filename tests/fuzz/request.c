/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a stranger may send to the socket, and what sluicectl reads from it: written again they are read as the same. */
#include <stdint.h>
#include <string.h>

#include "base/problem.h"
#include "require.h"
#include "wire/wire.h"

static void try_request(const char *line, size_t length)
{
	struct wire_request request, again;
	struct problems p = {0};
	char *written, *rewritten;

	if (wire_decode_request(line, length, &request, &p)) {
		REQUIRE(p.count > 0);
		problems_free(&p);
		return;
	}
	written = wire_encode_request(request.command, &request.arguments);
	REQUIRE(wire_decode_request(written, strlen(written), &again, &p) == 0);
	rewritten = wire_encode_request(again.command, &again.arguments);
	REQUIRE(!strcmp(written, rewritten));
	free(written);
	free(rewritten);
	wire_request_free(&request);
	wire_request_free(&again);
}

static void try_reply(const char *line, size_t length)
{
	struct wire_reply reply, again;
	struct problems p = {0};
	char *written;

	if (wire_decode_reply(line, length, &reply, &p)) {
		REQUIRE(p.count > 0);
		problems_free(&p);
		return;
	}
	if (reply.kind != WIRE_KIND_error) {
		written = wire_encode_reply(reply.kind, reply.data);
		REQUIRE(wire_decode_reply(written, strlen(written), &again, &p) == 0);
		REQUIRE(again.kind == reply.kind);
		wire_reply_free(&again);
		free(written);
	}
	wire_reply_free(&reply);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	try_request((const char *)data, size);
	try_reply((const char *)data, size);
	return 0;
}
