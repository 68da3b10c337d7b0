/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the probes of a service's backends mean for them all: the last step of model_build(). */
#ifndef CORE_MODEL_JUDGE_H
#define CORE_MODEL_JUDGE_H

#include "core/model.h"

/*
 * Asks for each backend's probes, takes out whoever fails them and may be taken out, and works out
 * all effective weights and the service's counts. The backends' other reasons stand already.
 */
void model_judge(struct model_service *service, const struct model_sources *sources);

#endif
