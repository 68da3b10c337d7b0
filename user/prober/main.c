/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sluice-prober: runs probes and alert sinks for sluiced, which starts it. It is nothing for people:
 * it takes no argument, and its orders come through a socket that it is given as descriptor 3.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <uv.h>

#include "base/log.h"
#include "base/problem.h"
#include "prober/confine.h"
#include "prober/prober.h"
#include "wire/prober.h"

enum { OK = 0, FAILED = 1, USAGE = 2 };

static int use(int argc, char **argv)
{
	if (argc == 2 && strcmp(argv[1], "--version") == 0) {
		printf("sluice-prober %s\n", SLUICE_VERSION);
		return OK;
	}
	fprintf(stderr, "sluice-prober: is started by sluiced, which gives it a socket as "
			"descriptor 3; it takes no argument but --version\n");
	return USAGE;
}

/* Not for the programs that it runs. */
static bool take_socket(void)
{
	int type;
	socklen_t length = sizeof(type);

	return getsockopt(WIRE_PROBER_FD, SOL_SOCKET, SO_TYPE, &type, &length) == 0 &&
	       type == SOCK_STREAM && fcntl(WIRE_PROBER_FD, F_SETFD, FD_CLOEXEC) == 0;
}

static void complain(const struct problems *p)
{
	log_problems(LOG_LEVEL_ERROR, p);
}

static int run(void)
{
	struct prober_options options = {.fd = WIRE_PROBER_FD, .on_wrong = complain};
	struct problems p = {};
	struct prober *prober;
	uv_loop_t loop;
	int err = confine(&options.sockets_max, &p);

	if (!err && getrandom(&options.seed, sizeof(options.seed), 0) != sizeof(options.seed))
		err = problems_add(&p, -errno, "getrandom", NULL, "%s", strerror(errno));
	if (!err) {
		err = uv_loop_init(&loop);
		if (err)
			problems_add(&p, err, "event loop", NULL, "%s", uv_strerror(err));
	}
	if (!err)
		err = prober_open(&loop, &options, &prober, &p);
	if (err) {
		log_and_free_problems(LOG_LEVEL_ERROR, &p);
		return FAILED;
	}
	prober_run(prober);
	return OK;
}

int main(int argc, char **argv)
{
	log_init("sluice-prober");
	if (argc != 1 || !take_socket())
		return use(argc, argv);
	/* It is executed by a descriptor, and would be called by its number. */
	prctl(PR_SET_NAME, "sluice-prober", 0, 0, 0);
	signal(SIGPIPE, SIG_IGN);
	return run();
}
