/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Logging for programs (agent, cli and other mains); library code returns problems instead. One line a
 * message to standard error, with the journal's priority prefix ("<4>", sd-daemon(3)) when standard error is
 * the journal (JOURNAL_STREAM), else with time and level.
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

struct problems;

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARNING, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

void log_init(const char *program);
void log_set_level(enum log_level level); /* messages above it are dropped; at first: info */
void log_at(enum log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

#define log_error(...)	 log_at(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warning(...) log_at(LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_info(...)	 log_at(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...)	 log_at(LOG_LEVEL_DEBUG, __VA_ARGS__)

/* One line a problem. */
void log_problems(enum log_level level, const struct problems *p);
void log_and_free_problems(enum log_level level, struct problems *p);

#endif
