/* SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause */
/* RFC 3168 section 5: the last two bits of IPv4's type of service and of IPv6's traffic class. */
#ifndef PROTO_ECN_H
#define PROTO_ECN_H

enum ecn {
	ECN_NOT_ECT = 0, /* the sender does not understand a mark */
	ECN_ECT1 = 1,
	ECN_ECT0 = 2,
	ECN_CE = 3, /* congestion experienced */
	ECN_MASK = 3,
};

#endif
