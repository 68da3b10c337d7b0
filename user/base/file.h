/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Files: read whole, and written so that a crash or a full disk leaves the old content or the new.
 */
#ifndef BASE_FILE_H
#define BASE_FILE_H

#include <stddef.h>
#include <sys/types.h>

struct problems;

/*
 * Reads a whole file ("-": standard input), at most `max` bytes, into *data (NUL-terminated; the
 * caller frees it). Returns 0 or a negative errno (-EFBIG: longer than `max`) and says why in `p`
 * when not NULL.
 */
int file_read(const char *path, size_t max, char **data, size_t *length, struct problems *p);

/* The same for a file that may not be there: then 0, and *data is NULL. */
int file_read_if_there(const char *path, size_t max, char **data, size_t *length,
		       struct problems *p);

/*
 * Writes path.new (mode `mode`), fsyncs, renames it to `path` and fsyncs the directory. On failure
 * path.new is removed, `path` is as it was (or already new, when only the directory's fsync
 * failed), and the negative errno is explained in `p`.
 */
int file_write_atomic(const char *path, mode_t mode, const void *data, size_t length,
		      struct problems *p);

/*
 * The same for what is worth nothing after the machine's own crash: does not wait for the disk, so after such
 * a crash `path` may be empty or cut off. A death of the process leaves the old content or the new.
 */
int file_write_quick(const char *path, mode_t mode, const void *data, size_t length,
		     struct problems *p);

/* Closes all descriptors but the first three and the `count` of `keep`, which it sorts. */
void file_close_others(int *keep, size_t count);

/* mkdir -p with `mode` for what is made. */
int file_make_dirs(const char *path, mode_t mode, struct problems *p);

#endif
