/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The sealed files of the state directory (state, health, tunnel, deny), the alerts in one of them, and the key file. The
 * seal's checksum would keep the fuzzer out, so it is made here: what is behind it may be anything.
 *
 *	input	which file, its content (of the sealed ones, behind the first line)
 */
#include <stdint.h>
#include <string.h>

#include "agent/denyfile.h"
#include "agent/healthfile.h"
#include "agent/sealed.h"
#include "agent/state.h"
#include "agent/tunnelfile.h"
#include "alert/alert.h"
#include "base/problem.h"
#include "base/text.h"
#include "core/key.h"
#include "require.h"

#define BOOT "01234567-89ab-cdef-0123-456789abcdef"

static void try_state(const struct text *file)
{
	struct state state = {0}, again = {0};
	struct problems p = {0};
	struct text written = {0};

	if (state_decode("fuzz", file->data, file->length, &state, &p) == 0) {
		state_encode(&state, &written);
		REQUIRE(state_decode("fuzz", written.data, written.length, &again, &p) == 0);
		REQUIRE(again.revision == state.revision && again.text_length == state.text_length);
		state_free(&again);
		state_free(&state);
	} else {
		REQUIRE(p.count > 0);
	}
	text_free(&written);
	problems_free(&p);
}

static void try_health(const struct text *file)
{
	struct healthfile health = {0}, again = {0};
	struct problems p = {0};
	struct text written = {0};

	if (healthfile_decode("fuzz", file->data, file->length, &health, &p) == 0) {
		healthfile_encode(&health, &written);
		REQUIRE(healthfile_decode("fuzz", written.data, written.length, &again, &p) == 0);
		REQUIRE(again.boot_ms == health.boot_ms &&
			again.health.length == health.health.length);
		healthfile_free(&again);
		healthfile_free(&health);
	}
	text_free(&written);
	problems_free(&p);
}

static void try_tunnel(const struct text *file)
{
	struct tunnelfile tunnel = {0}, again = {0};
	struct problems p = {0};
	struct text written = {0};

	if (tunnelfile_decode("fuzz", BOOT, file->data, file->length, &tunnel, &p) == 0) {
		tunnelfile_encode(&tunnel, BOOT, &written);
		REQUIRE(tunnelfile_decode("fuzz", BOOT, written.data, written.length, &again, &p) ==
			0);
		REQUIRE(again.count == tunnel.count);
		tunnelfile_free(&again);
		tunnelfile_free(&tunnel);
	}
	text_free(&written);
	problems_free(&p);
}

static void try_deny(const struct text *file)
{
	struct denyfile deny = {0}, again = {0};
	struct problems p = {0};
	struct text written = {0};

	if (denyfile_decode("fuzz", file->data, file->length, &deny, &p) == 0) {
		denyfile_encode(&deny, &written);
		REQUIRE(denyfile_decode("fuzz", written.data, written.length, &again, &p) == 0);
		REQUIRE(again.count == deny.count);
		for (size_t i = 1; i < deny.count; i++)
			REQUIRE(memcmp(&deny.list[i - 1].prefix, &deny.list[i].prefix,
				       sizeof(struct prefix)) < 0);
		denyfile_free(&again);
		denyfile_free(&deny);
	}
	text_free(&written);
	problems_free(&p);
}

static struct alerts *take_alerts(const char *data, size_t size)
{
	const struct alert_sink sinks[] = {{.kind = ALERT_EXEC, .target = "/x"},
					   {.kind = ALERT_WEBHOOK, .target = "https://x/"}};
	struct alerts *alerts = alerts_new("lb1", 1);
	struct problems p = {0};

	alerts_configure(alerts, sinks, 2);
	if (alerts_restore(alerts, data, size, 1000000, 5, &p))
		REQUIRE(p.count == 1);
	problems_free(&p);
	return alerts;
}

static size_t count_lines(const struct text *text)
{
	size_t count = 0;

	for (size_t i = 0; i < text->length; i++)
		count += text->data[i] == '\n';
	return count;
}

static void try_alerts(const char *data, size_t size)
{
	struct alerts *alerts = take_alerts(data, size), *again;
	struct text written = {0}, rewritten = {0};

	alerts_store(alerts, 1000000, &written);
	again = take_alerts(written.data, written.length);
	alerts_store(again, 1000005, &rewritten);
	REQUIRE(count_lines(&written) == count_lines(&rewritten));
	alerts_free(alerts);
	alerts_free(again);
	text_free(&written);
	text_free(&rewritten);
}

static void try_key(const char *data, size_t size)
{
	struct problems p = {0};
	struct key key;

	if (key_parse("fuzz", data, size, &key, &p))
		REQUIRE(p.count > 0);
	problems_free(&p);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct {
		const char *magic;
		void (*try)(const struct text *file);
	} files[] = {{"sluice-state 1", try_state},
		     {"sluice-health 1", try_health},
		     {"sluice-tunnel 1", try_tunnel},
		     {"sluice-deny 1", try_deny}};
	struct text body = {0}, file = {0};
	unsigned int which;

	if (!size)
		return 0;
	which = data[0] % 6;
	if (which >= 4) {
		(which == 4 ? try_key : try_alerts)((const char *)data + 1, size - 1);
		return 0;
	}
	text_add_bytes(&body, data + 1, size - 1);
	sealed_add(files[which].magic, &body, &file);
	files[which].try(&file);
	text_free(&body);
	text_free(&file);
	return 0;
}
