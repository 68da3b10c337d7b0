/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <check.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/mem.h"
#include "unit/support/scratch.h"

char scratch[] = "/tmp/sluice-unit-XXXXXX";

void scratch_enter(void)
{
	ck_assert_ptr_nonnull(mkdtemp(scratch));
	ck_assert_int_eq(chdir(scratch), 0);
}

void scratch_leave(void)
{
	char *command = mem_format("rm -rf '%s'", scratch);

	ck_assert_int_eq(chdir("/"), 0);
	ck_assert_int_eq(system(command), 0);
	free(command);
}
