/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Makes a server of ngtcp2 (gtlsserver) one of QUIC-LB: loaded before its libraries, it puts QUIC_LB_ID, a server id in
 * hexadecimal, into each connection id that the server makes. Those are the only 18 bytes that it asks randomness for. The
 * first three bits are 0, as of `rotation: 0`.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>

#define ID_LENGTH 18

int gnutls_rnd(int level, void *data, size_t length)
{
	static int (*original)(int, void *, size_t);
	const char *hex = getenv("QUIC_LB_ID");
	unsigned char *id = data;
	unsigned int byte;
	int err;

	if (!original)
		original = (int (*)(int, void *, size_t))dlsym(RTLD_NEXT, "gnutls_rnd");
	err = original(level, data, length);
	if (err || length != ID_LENGTH)
		return err;
	*id++ &= 0x1f;
	for (; sscanf(hex, "%2x", &byte) == 1; hex += 2)
		*id++ = byte;
	return 0;
}
