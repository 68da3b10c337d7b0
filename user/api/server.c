/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The socket. A client sends a line, gets a line, and may send the next: while a reply is on its
 * way nothing is read from it, so what a client can make the agent hold is one request and one
 * reply. What all clients together have half sent is bounded, too. Who keeps a request or a reply
 * waiting is closed after a while; who is silent between requests may stay until the place is
 * wanted.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include <uv.h>

#include "api/api.h"
#include "base/mem.h"
#include "base/problem.h"
#include "base/text.h"
#include "wire/wire.h"

#define CLIENTS_MAX 64
#define PENDING_MAX (4 * WIRE_REQUEST_MAX) /* bytes of all unfinished requests */
#define PATIENCE_MS 10000 /* for the rest of a request, or for a reply to be taken */
#define TICK_MS	    1000
#define BACKLOG	    64
#define READ_STEP   (64 << 10)
#define SOCKET_MODE 0660

/* Outlives a client that does not wait for it. */
struct promise {
	struct api_promise given;
	struct client *client; /* NULL: gone */
};

struct client {
	struct api_server *server;
	struct client *next;
	uv_pipe_t pipe;
	uv_write_t write;
	char *reply;		 /* on its way; NULL: none */
	struct promise *promise; /* that it waits for; NULL: none */
	struct text received;
	uint64_t since_ms; /* of its last sign of life */
	bool is_last;	   /* closed when the reply is out */
	struct api_client who;
};

struct api_server {
	const struct api *api;
	uv_loop_t *loop;
	uv_pipe_t listener;
	uv_timer_t tick;
	int handles; /* still open: the server is freed with the last one */
	struct client *clients;
	size_t client_count, pending;
	uint64_t last_number; /* of a client */
	char *path;
	dev_t device; /* of the socket's file: what is removed is only ours */
	ino_t inode;
	char step[READ_STEP];
};

/* ---- clients --------------------------------------------------------------------------------- */

static void handle_closed(struct api_server *server)
{
	if (--server->handles)
		return;
	free(server->path);
	free(server);
}

static void on_client_closed(uv_handle_t *handle)
{
	struct client *client = handle->data;
	struct api_server *server = client->server;

	text_free(&client->received);
	free(client->reply);
	free(client);
	handle_closed(server);
}

static void close_client(struct client *client)
{
	struct api_server *server = client->server;
	struct client **at = &server->clients;

	if (uv_is_closing((uv_handle_t *)&client->pipe))
		return;
	if (client->promise)
		client->promise->client = NULL;
	while (*at && *at != client)
		at = &(*at)->next;
	if (*at) {
		*at = client->next;
		server->client_count--;
		server->pending -= client->received.length;
		if (server->api->host.gone)
			server->api->host.gone(server->api->host.self, &client->who);
	}
	uv_close((uv_handle_t *)&client->pipe, on_client_closed);
}

static void serve(struct client *client);

static void on_written(uv_write_t *write, int status)
{
	struct client *client = write->data;

	free(client->reply);
	client->reply = NULL;
	client->since_ms = uv_now(client->server->loop);
	if (status || client->is_last)
		close_client(client);
	else if (!uv_is_closing((uv_handle_t *)&client->pipe))
		serve(client);
}

/* Sends a reply, which is taken over, and its newline. */
static void send_reply(struct client *client, char *reply)
{
	size_t length = strlen(reply);
	uv_buf_t buffer;

	/* The NUL's place takes the newline. */
	reply[length] = '\n';
	buffer = uv_buf_init(reply, length + 1);
	client->reply = reply;
	client->write.data = client;
	client->since_ms = uv_now(client->server->loop);
	if (uv_write(&client->write, (uv_stream_t *)&client->pipe, &buffer, 1, on_written))
		close_client(client);
}

static void refuse(struct client *client, const char *field, const char *why)
{
	struct problems p = {};

	problems_add(&p, -EBUSY, field, NULL, "%s", why);
	client->is_last = true;
	send_reply(client, wire_encode_error(WIRE_FAILED, &p));
	problems_free(&p);
}

static void drop_received(struct client *client, size_t length)
{
	struct text rest = {};

	client->server->pending -= length;
	if (length < client->received.length)
		text_add_bytes(&rest, client->received.data + length,
			       client->received.length - length);
	text_free(&client->received);
	client->received = rest;
}

static void on_read(uv_stream_t *stream, ssize_t got, const uv_buf_t *buffer);

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buffer)
{
	struct client *client = handle->data;

	(void)suggested;
	*buffer = uv_buf_init(client->server->step, sizeof(client->server->step));
}

static void keep(struct api_promise *given, char *reply)
{
	struct promise *promise = (struct promise *)given;
	struct client *client = promise->client;

	free(promise);
	if (!client) {
		free(reply);
		return;
	}
	client->promise = NULL;
	send_reply(client, reply);
}

/* Answers a line now, or promises to. */
static void answer(struct client *client, const char *line, size_t length)
{
	struct promise *promise = mem_alloc(sizeof(*promise));
	char *reply;

	*promise = (struct promise){.given = {keep}, .client = client};
	client->promise = promise;
	client->who.may_change = client->who.uid == 0 || client->who.uid == geteuid();
	reply = api_answer(client->server->api, &client->who, &promise->given, line, length);
	drop_received(client, length + 1);
	if (!reply)
		return;
	free(promise);
	client->promise = NULL;
	send_reply(client, reply);
}

/* Answers the next whole line that has been received, or reads on. */
static void serve(struct client *client)
{
	struct api_server *server = client->server;
	const char *line = client->received.data;
	const char *newline = line ? memchr(line, '\n', client->received.length) : NULL;
	size_t length = newline ? (size_t)(newline - line) : client->received.length;
	int err;

	if (length > WIRE_REQUEST_MAX) {
		uv_read_stop((uv_stream_t *)&client->pipe);
		refuse(client, "request", "is longer than 5 MiB");
	} else if (newline) {
		uv_read_stop((uv_stream_t *)&client->pipe);
		answer(client, line, length);
	} else if (server->pending > PENDING_MAX) {
		uv_read_stop((uv_stream_t *)&client->pipe);
		refuse(client, "agent", "other clients send too much at once; try again");
	} else {
		err = uv_read_start((uv_stream_t *)&client->pipe, on_alloc, on_read);
		if (err && err != UV_EALREADY)
			close_client(client);
	}
}

static void on_read(uv_stream_t *stream, ssize_t got, const uv_buf_t *buffer)
{
	struct client *client = stream->data;

	if (got < 0) {
		close_client(client);
	} else if (got > 0) {
		if (client->received.length == 0)
			client->since_ms = uv_now(client->server->loop);
		client->server->pending += got;
		text_add_bytes(&client->received, buffer->base, got);
		serve(client);
	}
}

/* ---- the server ------------------------------------------------------------------------------ */

static bool is_idle(const struct client *client)
{
	return !client->reply && !client->promise && client->received.length == 0;
}

static void on_tick(uv_timer_t *timer)
{
	struct api_server *server = timer->data;
	struct client *client, *next;

	for (client = server->clients; client; client = next) {
		next = client->next;
		if (!is_idle(client) && !client->promise &&
		    uv_now(server->loop) - client->since_ms > PATIENCE_MS)
			close_client(client);
	}
}

/* Makes room for one more client: the one that has been silent longest goes. */
static void close_most_idle(struct api_server *server)
{
	struct client *longest = NULL;

	/* The list has the latest first, so of equals the earliest goes. */
	for (struct client *client = server->clients; client; client = client->next)
		if (is_idle(client) && (!longest || client->since_ms <= longest->since_ms))
			longest = client;
	if (longest)
		close_client(longest);
}

/* Who is at the other end, as the kernel noted when it connected. */
static int find_peer(struct client *client)
{
	struct ucred peer;
	socklen_t size = sizeof(peer);
	int fd;

	if (uv_fileno((uv_handle_t *)&client->pipe, &fd) ||
	    getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size))
		return -EACCES;
	client->who.uid = peer.uid;
	return 0;
}

static void on_connection(uv_stream_t *listener, int status)
{
	struct api_server *server = listener->data;
	struct client *client;

	if (status)
		return;
	client = mem_alloc(sizeof(*client));
	client->server = server;
	client->who.number = ++server->last_number;
	client->since_ms = uv_now(server->loop);
	uv_pipe_init(server->loop, &client->pipe, 0);
	client->pipe.data = client;
	server->handles++;
	if (server->client_count == CLIENTS_MAX)
		close_most_idle(server);
	client->next = server->clients;
	server->clients = client;
	server->client_count++;
	if (uv_accept(listener, (uv_stream_t *)&client->pipe) || find_peer(client))
		close_client(client);
	else if (server->client_count > CLIENTS_MAX)
		refuse(client, "agent", "too many clients at once; try again");
	else
		serve(client);
}

/* ---- the socket's file ----------------------------------------------------------------------- */

/* Whether somebody answers at `address`. */
static bool is_answered(const struct sockaddr_un *address)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	bool answered;

	if (fd < 0)
		return true;
	answered = connect(fd, (const struct sockaddr *)address, sizeof(*address)) == 0 ||
		   errno != ECONNREFUSED;
	close(fd);
	return answered;
}

/* What lies at the path must be nothing, or the socket of a dead agent. */
static int check_place(const struct sockaddr_un *address, struct problems *p)
{
	const char *path = address->sun_path;
	struct stat is;

	if (lstat(path, &is))
		return errno == ENOENT ? 0
				       : problems_add(p, -errno, "socket", path,
						      "cannot be made: %s", strerror(errno));
	if (!S_ISSOCK(is.st_mode))
		return problems_add(p, -EEXIST, "socket", path,
				    "is another kind of file; name another path or remove it");
	if (is_answered(address))
		return problems_add(p, -EADDRINUSE, "socket", path,
				    "an agent answers there already; end it, or name another "
				    "path by --socket");
	return 0;
}

/*
 * By the umask, not by chmod: the directory may be the agent's user's, who could put a link there
 * meanwhile for root to follow.
 */
static int bind_with_mode(int fd, const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	mode_t before = umask(0777 & ~SOCKET_MODE);
	int err;

	strcpy(address.sun_path, path);
	err = bind(fd, (struct sockaddr *)&address, sizeof(address));
	umask(before);
	return err;
}

/*
 * Binds beside the path and renames into place, so that no moment has a socket of the wrong mode,
 * or none. Returns a listening descriptor or a negative errno.
 */
static int bind_beside(const char *path, const char *beside, struct api_server *server)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), err;
	struct stat is;

	if (fd < 0)
		return -errno;
	unlink(beside); /* of an agent that died in here */
	if (bind_with_mode(fd, beside) == 0 && lstat(beside, &is) == 0 &&
	    listen(fd, BACKLOG) == 0 && rename(beside, path) == 0) {
		server->device = is.st_dev;
		server->inode = is.st_ino;
		return fd;
	}
	err = -errno;
	unlink(beside);
	close(fd);
	return err;
}

static int bind_socket(const char *path, struct api_server *server, struct problems *p)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	char *beside = mem_format("%s.new", path);
	int err;

	if (strlen(beside) >= sizeof(address.sun_path)) {
		free(beside);
		return problems_add(p, -ENAMETOOLONG, "socket", path, "expected at most %zu bytes",
				    sizeof(address.sun_path) - sizeof(".new"));
	}
	strcpy(address.sun_path, path);
	err = check_place(&address, p);
	if (!err) {
		err = bind_beside(path, beside, server);
		if (err < 0)
			problems_add(p, err, "socket", path, "cannot be made: %s", strerror(-err));
	}
	free(beside);
	return err;
}

static void remove_socket(const struct api_server *server)
{
	struct stat is;

	if (lstat(server->path, &is) == 0 && is.st_dev == server->device &&
	    is.st_ino == server->inode)
		unlink(server->path);
}

/* ---- opening and closing --------------------------------------------------------------------- */

static void on_own_closed(uv_handle_t *handle)
{
	handle_closed(handle->data);
}

int api_server_open(struct uv_loop_s *loop, const char *path, const struct api *api,
		    struct api_server **out, struct problems *p)
{
	struct api_server *server = mem_alloc(sizeof(*server));
	int fd = bind_socket(path, server, p), err;

	if (fd < 0) {
		free(server);
		return fd;
	}
	server->api = api;
	server->loop = loop;
	server->path = mem_string(path);
	server->handles = 2;
	uv_pipe_init(loop, &server->listener, 0);
	uv_timer_init(loop, &server->tick);
	server->listener.data = server;
	server->tick.data = server;
	err = uv_pipe_open(&server->listener, fd);
	if (err)
		close(fd);
	else
		err = uv_listen((uv_stream_t *)&server->listener, BACKLOG, on_connection);
	if (err) {
		problems_add(p, err, "socket", path, "cannot be listened on: %s", uv_strerror(err));
		api_server_close(server);
		return err;
	}
	uv_timer_start(&server->tick, on_tick, TICK_MS, TICK_MS);
	uv_unref((uv_handle_t *)&server->tick);
	*out = server;
	return 0;
}

void api_server_close(struct api_server *server)
{
	struct client *client, *next;

	if (!server)
		return;
	for (client = server->clients; client; client = next) {
		next = client->next;
		close_client(client);
	}
	remove_socket(server);
	uv_close((uv_handle_t *)&server->listener, on_own_closed);
	uv_close((uv_handle_t *)&server->tick, on_own_closed);
}
