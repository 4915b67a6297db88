/* The files that a configuration is made of. Each is read once, so that all readers see the same,
 * and all of them can be carried to a process that may not open them. */
#ifndef BASE_FILES_H
#define BASE_FILES_H

#include "base/span.h"

#define FILES_SIZE_MAX (16 << 20) /* of one file, in bytes */

struct files;

/* Makes an empty collection that reads from the file system. Returns 0 with *out, to be freed with
 * files_free, or -ENOMEM. */
int files_make(struct files **out);

/* Wipes and frees f; NULL is fine. */
void files_free(struct files *f);

/* Reads path, or returns what came of reading it before; never waits for a writer. Returns 0 with
 * *out, valid as long as f and followed by a NUL, or a negative errno: among others -EISDIR, -ENXIO
 * (neither file nor folder: a pipe, a device), -EFBIG (more than FILES_SIZE_MAX), -ENOMEM. A
 * collection that was unpacked has -ENOENT for what was not asked for before it was packed. */
int files_read(struct files *f, const char *path, struct span *out);

/* True if f reads from the file system of this process; false if it was unpacked, and this process
 * may not see what the other one saw. */
bool files_are_here(const struct files *f);

/* What to tell of an error of files_read. */
const char *files_why(int err);

/* A number that tells the contents of two files apart (FNV-1a, 64 bits). */
unsigned long long files_digest(struct span contents);

/* Packs f into memory that the caller wipes and frees. Returns 0 with *out or -ENOMEM. */
int files_pack(const struct files *f, struct span *out);

/* Makes a collection of what files_pack gave, which is copied. Returns 0 with *out, -EINVAL or
 * -ENOMEM. */
int files_unpack(struct files **out, struct span packed);

#endif
