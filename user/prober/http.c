/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * http and https, and the alert sink webhook: one request by libcurl. Each has a connection of its
 * own, for a probe of a kept connection would say nothing about a new one. Redirects are answers like
 * others. The socket is opened by us, so it is marked and bound as those of all kinds are.
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/mem.h"
#include "base/text.h"
#include "prober/run.h"
#include "prober/sock.h"
#include "prober/web.h"

#define BODY_MAX (64 << 10)

struct transfer {
	CURL *easy;
	struct curl_slist *headers, *connect_to;
	int fd;		  /* the last socket that was opened */
	struct text body; /* as far as it is looked at */
	size_t received;
	bool is_cut;		 /* we have read enough */
	char why[SOCK_WHY_SIZE]; /* the socket could not be opened */
	char error[CURL_ERROR_SIZE];
};

/* Each keeps the certificates of one file: the system's must not make way for those of another. */
static struct web *web_of(const struct run *run)
{
	return run->spec->ca_file ? run->host->other_web : run->host->web;
}

static void free_transfer(struct transfer *transfer)
{
	curl_easy_cleanup(transfer->easy);
	curl_slist_free_all(transfer->headers);
	curl_slist_free_all(transfer->connect_to);
	text_free(&transfer->body);
	free(transfer);
}

static void stop(struct run *run)
{
	struct transfer *transfer = run->own;

	if (!transfer)
		return;
	run->own = NULL;
	web_remove(web_of(run), transfer->easy);
	free_transfer(transfer);
}

/* ---- while it goes on ------------------------------------------------------------------------ */

static curl_socket_t open_socket(void *self, curlsocktype purpose, struct curl_sockaddr *address)
{
	struct run *run = self;
	struct transfer *transfer = run->own;
	struct spec_target target = run->spec->target;
	int fd;

	(void)purpose;
	/* A webhook's target has no address of ours; the rest of a target is empty, too. */
	target.to.any.sa_family = (sa_family_t)address->family;
	fd = sock_open(&target, address->socktype & ~(SOCK_CLOEXEC | SOCK_NONBLOCK),
		       address->protocol, transfer->why);
	transfer->fd = fd;
	return fd < 0 ? CURL_SOCKET_BAD : fd;
}

static size_t on_body(char *bytes, size_t size, size_t count, void *self)
{
	struct run *run = self;
	struct transfer *transfer = run->own;
	size_t length = size * count, room = BODY_MAX - transfer->received;

	if (length > room) {
		transfer->is_cut = true;
		length = room;
	}
	transfer->received += length;
	if (run->spec->match)
		text_add_bytes(&transfer->body, bytes, length);
	return transfer->is_cut ? 0 : size * count;
}

/* libcurl tells the end of the connection's setup only when TLS has ended, too. */
static bool is_connected(int fd)
{
	struct tcp_info info = {};
	socklen_t length = sizeof(info);

	return getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &length) == 0 &&
	       info.tcpi_state != TCP_SYN_SENT && info.tcpi_state != TCP_CLOSE;
}

static const char *waits_for(const struct run *run)
{
	const struct transfer *transfer = run->own;
	curl_off_t secured = 0, started = 0;
	bool is_tls = strncmp(run->spec->url, "https:", 6) == 0;

	curl_easy_getinfo(transfer->easy, CURLINFO_APPCONNECT_TIME_T, &secured);
	curl_easy_getinfo(transfer->easy, CURLINFO_STARTTRANSFER_TIME_T, &started);
	if (!is_connected(transfer->fd))
		return "the connection";
	if (is_tls && !secured)
		return "the TLS handshake";
	return started ? "the rest of the answer" : "the answer";
}

/* ---- its end --------------------------------------------------------------------------------- */

/* Texts of libcurl and of the TLS library that tell a step which we tell ourselves. */
static const char *without_prefix(const char *text)
{
	static const char *const prefixes[] = {"SSL certificate problem: ", "SSL: "};

	for (size_t i = 0; i < ARRAY_SIZE(prefixes); i++)
		if (strncmp(text, prefixes[i], strlen(prefixes[i])) == 0)
			return text + strlen(prefixes[i]);
	return text;
}

static const char *step_of(CURLcode code)
{
	switch (code) {
	case CURLE_COULDNT_RESOLVE_HOST:
		return "name";
	case CURLE_COULDNT_CONNECT:
		return "connect";
	case CURLE_SSL_CONNECT_ERROR:
	case CURLE_PEER_FAILED_VERIFICATION:
	case CURLE_SSL_CACERT_BADFILE:
	case CURLE_SSL_ISSUER_ERROR:
	case CURLE_SSL_CERTPROBLEM:
	case CURLE_SSL_CIPHER:
		return "TLS";
	case CURLE_SEND_ERROR:
		return "request";
	case CURLE_GOT_NOTHING:
	case CURLE_RECV_ERROR:
	case CURLE_PARTIAL_FILE:
	case CURLE_WEIRD_SERVER_REPLY:
	case CURLE_UNSUPPORTED_PROTOCOL:
		return "answer";
	default:
		return "HTTP";
	}
}

static void fail(struct run *run, CURLcode code)
{
	struct transfer *transfer = run->own;
	const char *text = transfer->error[0] ? transfer->error : curl_easy_strerror(code);
	char what[CURL_ERROR_SIZE + SOCK_WHY_SIZE];
	long error = 0;

	curl_easy_getinfo(transfer->easy, CURLINFO_OS_ERRNO, &error);
	if (transfer->why[0])
		memcpy(what, transfer->why, sizeof(transfer->why));
	else if (error && (code == CURLE_COULDNT_CONNECT || code == CURLE_RECV_ERROR ||
			   code == CURLE_SEND_ERROR))
		sock_reason((int)error, what);
	else
		snprintf(what, sizeof(what), "%s", without_prefix(text));
	if (transfer->why[0])
		run_end(run, false, "%s", what);
	else
		run_end(run, false, "%s: %s", step_of(code), what);
}

static void judge(struct run *run)
{
	struct transfer *transfer = run->own;
	const struct spec *spec = run->spec;
	long status = 0;

	curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &status);
	if (!spec_accepts_status(spec, (unsigned int)status))
		run_end(run, false, "status %ld, expected %s", status, spec->status_text);
	else if (spec->match && !memmem(transfer->body.data ? transfer->body.data : "",
					transfer->body.length, spec->match, strlen(spec->match)))
		run_end(run, false, "status %ld, but %zu bytes of body do not contain '%.64s'",
			status, transfer->body.length, spec->match);
	else
		run_end(run, true, "status %ld", status);
}

static void on_end(void *self, CURLcode code)
{
	struct run *run = self;
	const struct transfer *transfer = run->own;

	if (code == CURLE_OK || (code == CURLE_WRITE_ERROR && transfer->is_cut))
		judge(run);
	else
		fail(run, code);
}

/* ---- its start ------------------------------------------------------------------------------- */

static void add_header(struct transfer *transfer, const char *name, const char *value)
{
	char *line;

	if (!value)
		return;
	line = mem_format("%s: %s", name, value);
	transfer->headers = curl_slist_append(transfer->headers, line);
	free(line);
}

static void set_request(const struct spec *spec, struct transfer *transfer)
{
	CURL *easy = transfer->easy;

	if (spec->body) {
		curl_easy_setopt(easy, CURLOPT_POST, 1L);
		curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE, (long)strlen(spec->body));
		curl_easy_setopt(easy, CURLOPT_POSTFIELDS, spec->body);
		add_header(transfer, "Content-Type", "application/json");
		/* Without a value: none is sent, and there is no waiting for 100 Continue. */
		add_header(transfer, "Expect", "");
	} else if (strcmp(spec->method, "HEAD") == 0) {
		curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
	} else if (strcmp(spec->method, "GET")) {
		curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, spec->method);
	}
	add_header(transfer, "Host", spec->host);
	add_header(transfer, "Sluice-Signature", spec->signature);
	curl_easy_setopt(easy, CURLOPT_HTTPHEADER, transfer->headers);
}

/* No redirect, no proxy, no kept connection, no other protocol, whatever the environment says. */
static void set_connection(struct run *run, struct transfer *transfer)
{
	const struct spec *spec = run->spec;
	CURL *easy = transfer->easy;

	curl_easy_setopt(easy, CURLOPT_URL, spec->url);
	if (spec->connect_to)
		transfer->connect_to = curl_slist_append(NULL, spec->connect_to);
	curl_easy_setopt(easy, CURLOPT_CONNECT_TO, transfer->connect_to);
	curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(easy, CURLOPT_PROXY, "");
	curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, 1L);
	curl_easy_setopt(easy, CURLOPT_FORBID_REUSE, 1L);
	curl_easy_setopt(easy, CURLOPT_SSL_SESSIONID_CACHE, 0L);
	curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, spec->verify ? 1L : 0L);
	curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, spec->verify ? 2L : 0L);
	if (spec->ca_file)
		curl_easy_setopt(easy, CURLOPT_CAINFO, spec->ca_file);
	/*
	 * The file alone, not the system's directory besides: only then is what was read kept for
	 * the next handshakes, and to read a hundred certificates takes 20 ms. A new file is read
	 * after a minute.
	 */
	curl_easy_setopt(easy, CURLOPT_CAPATH, NULL);
	curl_easy_setopt(easy, CURLOPT_CA_CACHE_TIMEOUT, 60L);
	curl_easy_setopt(easy, CURLOPT_PATH_AS_IS, 1L);
	curl_easy_setopt(easy, CURLOPT_USERAGENT, "sluice/" SLUICE_VERSION);
	curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, open_socket);
	curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, run);
	curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(easy, CURLOPT_WRITEDATA, run);
	curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, transfer->error);
	curl_easy_setopt(easy, CURLOPT_PRIVATE, run);
}

static void start(struct run *run)
{
	struct transfer *transfer = mem_alloc(sizeof(*transfer));

	transfer->easy = curl_easy_init();
	if (!transfer->easy)
		abort();
	transfer->fd = -1;
	run->own = transfer;
	set_connection(run, transfer);
	set_request(run->spec, transfer);
	if (web_add(web_of(run), transfer->easy, on_end))
		run_end(run, false, "HTTP: libcurl takes no more transfers");
}

const struct run_kind run_http = {start, stop, waits_for};
