/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a balancer must do with a frame, written plainly from the design, the manual and the RFCs, and from nothing that
 * the data path is made of: byte by byte, with a list that is searched from its start, and every checksum by a pass over
 * all the bytes. It is compared with the BPF program, by verdict and by each byte that is sent (differential.c), and with
 * the same sources under a fuzzer (tests/fuzz/balancer.c). Flows are never looked up here: tracking has an oracle of its
 * own (tests/property).
 */
#ifndef REFERENCE_REFERENCE_H
#define REFERENCE_REFERENCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <sluice/abi.h>
#include <sluice/hash.h>

#define REFERENCE_SERVICES  8
#define REFERENCE_LISTENERS 40
#define REFERENCE_BACKENDS  16
#define REFERENCE_SLOTS	    503
#define REFERENCE_IDS	    6
#define REFERENCE_DENIED    8
#define REFERENCE_FRAME_MAX 4096

/* Addresses and prefixes: IPv4 in the first four bytes. */
struct reference_prefix {
	uint8_t family; /* 4 or 6 */
	uint8_t length; /* bits; 32 or 128: an address */
	uint8_t bytes[16];
};

struct reference_listener {
	struct reference_prefix on;
	uint16_t port;	  /* 0: any */
	uint8_t protocol; /* IPPROTO_TCP or IPPROTO_UDP */
	uint8_t service;
	bool echo; /* requests to its address are answered */
};

/* How connection ids are made; server_id 0: there is no such configuration. */
struct reference_quic {
	uint8_t server_id, nonce; /* bytes */
	bool encodes_length;
};

struct reference_server_id {
	uint8_t length, bytes[15];
	uint8_t backend;
	bool is_closed; /* to new connections */
};

struct reference_service {
	bool is_quic; /* affinity: quic; its UDP packets */
	struct reference_quic quic[7];
	size_t ids_count;
	struct reference_server_id ids[REFERENCE_IDS];
	bool by_source;		       /* affinity: source */
	uint16_t mss;		       /* 0: SYNs are left as they are */
	uint16_t slots;		       /* a prime */
	uint8_t slot[REFERENCE_SLOTS]; /* the backend of each; 0: none */
};

#define REFERENCE_TAGS 2
struct reference_tag {
	uint16_t type,
		control; /* control: priority and drop eligibility in the upper four bits, and the VLAN's id */
};

struct reference_backend {
	uint32_t ifindex; /* the way out; 0: no next hop is known */
	bool is_down, is_dead;
	uint16_t mtu;
	enum sl_encapsulation encapsulation;
	uint8_t mac[6], device_mac[6];
	struct reference_prefix address; /* family and bytes */
	/* The outer source; where `varies`, its bits behind the prefix's length are the flow's. */
	struct reference_prefix source;
	bool varies;
	/* Of VLAN ids, the outermost first; `keep`: the packet's own tags stay. */
	bool keep;
	uint8_t tags_count;
	struct reference_tag tags[REFERENCE_TAGS];
};

struct reference {
	struct sl_hash_key key;
	bool fragments;	     /* the knob: else fragments to services are dropped */
	size_t denied_count; /* sources */
	struct reference_prefix denied[REFERENCE_DENIED];
	bool echo;  /* the knob: else no echo request is answered */
	bool vlans; /* the knob: else frames with tags pass */
	uint64_t listens
		[64]; /* a bit for each VLAN id, 0: untagged; of the interface that frames come in by */
	size_t listeners_count;
	struct reference_listener listeners[REFERENCE_LISTENERS];
	uint8_t services_count, backends_count; /* indices from 1 to these */
	struct reference_service services[REFERENCE_SERVICES + 1];
	struct reference_backend backends[REFERENCE_BACKENDS + 1];
};

/* Where first fragments went, for the later ones of the same packets. All zeros, and a lifetime, to begin with. */
#define REFERENCE_MEMORY 4096
struct reference_memory {
	uint32_t now, lifetime; /* ticks; whoever keeps the memory moves `now` on */
	size_t count;
	struct {
		uint8_t family, protocol, backend; /* backend 0: the packet passes */
		uint8_t source[16], destination[16];
		uint32_t id, since;
	} list[REFERENCE_MEMORY];
};

struct reference_frame {
	uint8_t data[REFERENCE_FRAME_MAX];
	size_t length;
};

struct reference_result {
	enum sl_verdict verdict;
	uint32_t way;	    /* the interface that the frame leaves by; 0: it does not */
	bool is_redirected; /* that is another than it came in by */
	/*
	 * Where in the frame that is sent a UDP checksum stands that cannot be foretold, because the client's own is wrong:
	 * what goes before a corrupt packet is corrupt, too. 0: nowhere, all bytes are foretold.
	 */
	size_t any_checksum;
};

/*
 * `ifindex`: the interface that the frame came in by. `room`: bytes that the driver has left before it. `out` is the frame as
 * it is afterwards, where it is sent or passes.
 */
struct reference_result reference_run(const struct reference *r, struct reference_memory *memory,
				      const struct reference_frame *in, uint32_t ifindex,
				      size_t room, struct reference_frame *out);

/* ---- what its files share ---------------------------------------------------------------------- */

/* An IP packet, by its own fields. */
struct reference_packet {
	uint8_t tags_count; /* before it */
	struct reference_tag tags[REFERENCE_TAGS];
	const uint8_t *at; /* its first byte */
	size_t there;	   /* bytes of the frame from there on */
	size_t length;	   /* that it says it has */
	size_t headers;	   /* bytes before the transport header */
	uint8_t family, protocol;
	bool first, later; /* fragments */
	uint16_t offset;   /* bytes; of later ones */
	uint32_t id;	   /* of the packet whose fragment it is, as it lies in the frame */
	bool many;	   /* more extension headers than are read */
};

bool reference_covers(const struct reference_prefix *prefix, uint8_t family,
		      const uint8_t *address);

/* Of words in network order, and of four bytes as x86 would load them. */
uint16_t reference_get16(const uint8_t *at);
uint32_t reference_get32(const uint8_t *bytes);

/* Reads a frame as far as it can be without knowing whose it is. SL_GO_ON: an IP packet, as reference_read_packet() says. */
enum sl_verdict reference_read(const struct reference *r, const struct reference_frame *in,
			       struct reference_packet *p);
/* Reads the packet at p->at. SL_GO_ON: it has ports, or is a fragment, or has many headers. */
enum sl_verdict reference_read_packet(uint8_t family, struct reference_packet *p);
bool reference_has_ports(uint8_t protocol);
const uint8_t *reference_source(const struct reference_packet *p);
const uint8_t *reference_destination(const struct reference_packet *p);

/* RFC 1071: the checksum of bytes, with a sum of 16-bit words to start with. */
uint16_t reference_checksum(const uint8_t *bytes, size_t length, uint32_t start);

/* Sends a packet to a backend. `own_sum`: the transport's checksum may be gone by. */
void reference_send(const struct reference_backend *b, const struct reference_packet *p,
		    uint64_t hash, bool own_sum, struct reference_frame *out,
		    struct reference_result *result);

/* Tells the sender of a packet that does not fit that `mtu` bytes do (RFC 1191, RFC 4443). */
void reference_tell(const struct reference_frame *in, const struct reference_packet *p,
		    uint32_t mtu, struct reference_frame *out);

/* Answers an echo request (RFC 792, RFC 4443 section 4). */
void reference_answer(const struct reference_frame *in, const struct reference_packet *p,
		      struct reference_frame *out);

/* Bytes that go before the packet, tags aside. */
size_t reference_overhead(const struct reference_backend *b);
/* Tags with which a packet leaves; returns their number. */
size_t reference_tags(const struct reference_backend *b, const struct reference_packet *p,
		      struct reference_tag out[REFERENCE_TAGS]);

/* The backend that the connection id of a UDP datagram names; 0: none. `there`: bytes of it in this fragment. */
uint8_t reference_quic(const struct reference *r, const struct reference_service *service,
		       const uint8_t *datagram, size_t length, size_t there);

/* Lowers the MSS that a TCP header offers. `out`: the frame, the header from `at` on. */
void reference_clamp(struct reference_frame *out, size_t at, uint16_t mss);

#endif
