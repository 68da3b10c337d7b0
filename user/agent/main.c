/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sluiced: the agent. It starts as root, keeps three capabilities, and runs in the foreground until
 * it is told to end; what it has put in force goes on without it.
 */
#include <errno.h>
#include <libgen.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/agent.h"
#include "agent/attacher.h"
#include "agent/check.h"
#include "agent/launcher.h"
#include "agent/loop.h"
#include "agent/options.h"
#include "agent/privileges.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/problem.h"
#include "core/key.h"
#include "dataplane/beside.h"
#include "wire/wire.h"

/*
 * Makes the socket's directory if it is not there, and gives it away only then: another one may be
 * shared.
 */
static int prepare_socket_dir(const struct options *options, const struct privileges *user,
			      struct problems *p)
{
	char *copy = mem_string(options->socket);
	const char *dir = dirname(copy);
	bool is_there = access(dir, F_OK) == 0;
	int err = file_make_dirs(dir, 0755, p);

	if (!err && !is_there)
		err = privileges_give(user, dir, p);
	free(copy);
	return err;
}

/* From root to what is needed from now on. */
static int step_down(const struct options *options, const struct privileges *user,
		     struct problems *p)
{
	int err = 0;

	if (geteuid() == 0) {
		err = privileges_give(user, options->state_dir, p);
		if (!err)
			err = privileges_give(user, options->pin_dir, p);
		if (!err)
			err = privileges_give(user, options->socket, p);
	}
	if (!err)
		err = privileges_drop(user, p);
	if (err)
		return err;
	if (geteuid() == 0)
		log_warning(
			"there is no user sluice: running as root with CAP_NET_ADMIN, CAP_BPF and "
			"CAP_PERFMON alone; `useradd --system --shell /usr/sbin/nologin sluice` "
			"(or "
			"the sysusers file that comes with sluice) makes one");
	else if (access(options->config, R_OK) && errno == EACCES)
		log_warning("%s cannot be read by user sluice, so a reload will fail; chmod or "
			    "chgrp it",
			    options->config);
	return 0;
}

/* Beside this program. */
static char *prober_path(void)
{
	char self[PATH_MAX];
	ssize_t length = readlink("/proc/self/exe", self, sizeof(self) - 1);

	if (length < 0)
		return mem_string("sluice-prober");
	self[length] = '\0';
	return mem_format("%s/sluice-prober", dirname(self));
}

/*
 * While we are still root, and before anything is open. Without one, nothing is probed and health stays as it is, which
 * is told; forwarding goes on, and so that is no reason not to start.
 */
static struct launcher *start_launcher(char **why)
{
	char *path = prober_path();
	struct launcher *launcher = NULL;
	struct problems p = {};

	*why = launcher_start(&launcher, path, &p) ? problem_text(&p.list[0]) : NULL;
	problems_free(&p);
	free(path);
	return launcher;
}

/* Once the start is known to come about: one that is refused has its own sentence. */
static void warn_of_launcher(const struct launcher *launcher, const char *no_launcher)
{
	if (no_launcher)
		log_warning("nothing can be probed: %s", no_launcher);
	else if (launcher_warning(launcher))
		log_warning("%s", launcher_warning(launcher));
}

/* While we are still root. Where no interface is shared, nobody has the right to attach to one later. */
static int start_attacher(struct agent *agent, struct attacher **out, struct problems *p)
{
	bool is_needed = false;
	int err;

	for (size_t i = 0; i < agent->interfaces.count; i++)
		is_needed |= agent->interfaces.list[i].link.is_beside;
	if (!is_needed)
		return 0;
	err = attacher_start(out, agent->options.pin_dir, p);
	if (!err)
		dataplane_ask_beside_by(agent->dp, &(struct beside_by){attacher_ask, *out});
	return err;
}

static enum wire_code fail(const struct agent *agent, struct problems *p)
{
	log_problems(LOG_LEVEL_ERROR, p);
	problems_free(p);
	return agent->is_config_refused ? WIRE_INVALID : WIRE_FAILED;
}

static enum wire_code run_with(const struct options *options, struct launcher *launcher,
			       const char *no_launcher)
{
	struct problems p = {};
	struct privileges user;
	struct attacher *attacher = NULL;
	struct loop *loop = NULL;
	struct agent agent;
	bool takes_down;
	int err;

	err = agent_open(&agent, options, &p);
	if (err)
		return fail(&agent, &p);
	agent.launcher = launcher;
	agent.no_launcher = no_launcher;
	privileges_find(&user);
	err = prepare_socket_dir(options, &user, &p);
	if (!err)
		err = loop_open(&agent, &loop, &p);
	if (!err)
		err = agent_enforce(&agent, &p);
	if (!err)
		err = start_attacher(&agent, &attacher, &p);
	if (!err)
		err = step_down(options, &user, &p);
	if (err) {
		loop_close(loop);
		agent_abandon(&agent, &p);
		attacher_stop(attacher);
		return fail(&agent, &p);
	}
	warn_of_launcher(launcher, no_launcher);
	takes_down = loop_run(loop);
	if (takes_down)
		err = agent_down(&agent, &p);
	loop_close(loop); /* whoever has asked for `down` waits for this */
	agent_close(&agent);
	attacher_stop(attacher);
	if (err)
		return fail(&agent, &p);
	log_info("ended: %s", takes_down ? "nothing is forwarded any more" : "forwarding goes on");
	return WIRE_OK;
}

static enum wire_code run(const struct options *options)
{
	struct launcher *launcher;
	enum wire_code code;
	char *why;

	signal(SIGPIPE, SIG_IGN);
	launcher = start_launcher(&why);
	code = run_with(options, launcher, why);
	launcher_stop(launcher);
	free(why);
	return code;
}

static enum wire_code down(const struct options *options)
{
	struct problems p = {};
	int err = dataplane_down(options->pin_dir, &p);

	if (!err)
		err = tunnel_down(options->state_dir, &p);
	problems_print(&p, stderr);
	problems_free(&p);
	return err ? WIRE_FAILED : WIRE_OK;
}

static enum wire_code help(const struct options *options)
{
	(void)options;
	options_help(stdout);
	return WIRE_OK;
}

static enum wire_code version(const struct options *options)
{
	(void)options;
	printf("sluiced %s\n", SLUICE_VERSION);
	return WIRE_OK;
}

static enum wire_code (*const actions[])(const struct options *options) = {
	[OPTIONS_RUN] = run,   [OPTIONS_CHECK] = check_run, [OPTIONS_DOWN] = down,
	[OPTIONS_HELP] = help, [OPTIONS_VERSION] = version,
};

int main(int argc, char **argv)
{
	struct options options;
	struct problems p = {};

	log_init("sluiced");
	if (options_parse(argc, argv, &options, &p)) {
		for (size_t i = 0; i < p.count; i++) {
			char *text = problem_text(&p.list[i]);

			fprintf(stderr, "sluiced: %s\n", text);
			free(text);
		}
		problems_free(&p);
		return WIRE_USAGE;
	}
	if (key_init()) {
		log_error("the kernel gives no random numbers (libsodium)");
		return WIRE_FAILED;
	}
	return actions[options.action](&options);
}
