/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A configuration that a test needs and that has to be good. */
#ifndef TESTS_UNIT_READ_CONFIG_H
#define TESTS_UNIT_READ_CONFIG_H

#include <stdio.h>
#include <string.h>

#include "base/problem.h"
#include "config/config.h"
#include "unit/unit.h"

static inline struct config *read_config(const char *text)
{
	struct problems p = {};
	struct config *config = NULL;
	int err = config_read("test", text, strlen(text), &config, &p);

	problems_print(&p, stderr);
	problems_free(&p);
	ck_assert_int_eq(err, 0);
	return config;
}

#endif
