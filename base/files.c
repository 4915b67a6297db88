/* Reading whole files, and a table of what was read. */
#include "base/files.h"
#include "base/grow.h"
#include "base/kept.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define BUCKETS 256

struct file {
    struct file *next;
    int err; /* why it could not be read, or 0 */
    struct span contents;
    char path[];
};

struct files {
    bool closed; /* nothing is read from the file system */
    struct file *buckets[BUCKETS];
};

/* What stands before the path and the contents of a packed file. */
struct packed {
    int32_t err;
    uint32_t n_path, n;
};

int files_make(struct files **out)
{
    *out = calloc(1, sizeof **out);
    return *out ? 0 : -ENOMEM;
}

static void file_free(struct file *f)
{
    wipe((char *)f->contents.p, f->contents.n);
    free((char *)f->contents.p);
    free(f);
}

void files_free(struct files *f)
{
    for (size_t i = 0; f && i < BUCKETS; i++)
        while (f->buckets[i]) {
            struct file *gone = f->buckets[i];

            f->buckets[i] = gone->next;
            file_free(gone);
        }
    free(f);
}

unsigned long long files_digest(struct span contents)
{
    uint64_t h = 0xcbf29ce484222325u;

    for (size_t i = 0; i < contents.n; i++)
        h = (h ^ (unsigned char)contents.p[i]) * 0x100000001b3u;
    return h;
}

static struct file **files_bucket(struct files *f, struct span path)
{
    return &f->buckets[files_digest(path) % BUCKETS];
}

static struct file *files_find(struct files *f, const char *path)
{
    struct file *file = *files_bucket(f, span_of(path));

    while (file && strcmp(file->path, path) != 0)
        file = file->next;
    return file;
}

/* Adds a file; contents, from malloc, are its own, also on failure. Returns NULL: no memory. */
static struct file *files_add(struct files *f, struct span path, int err, struct span contents)
{
    struct file *file = calloc(1, sizeof *file + path.n + 1), **bucket = files_bucket(f, path);

    if (!file) {
        wipe((char *)contents.p, contents.n);
        free((char *)contents.p);
        return NULL;
    }
    memcpy(file->path, path.p, path.n);
    file->err = err;
    file->contents = contents;
    file->next = *bucket;
    *bucket = file;
    return file;
}

/* Reads n bytes or less, up to the end of the file. */
static ssize_t read_all(int fd, char *to, size_t n)
{
    size_t have = 0;

    while (have < n) {
        ssize_t got = read(fd, to + have, n - have);

        if (got == 0)
            break;
        if (got < 0 && errno != EINTR)
            return -errno;
        have += got > 0 ? (size_t)got : 0;
    }
    return (ssize_t)have;
}

/* Reads until the end, whatever size the file says it has: those of /proc say 0. */
static int read_growing(int fd, size_t expected, struct span *out)
{
    size_t have = 0, room = expected + 1;
    char *p = NULL;

    for (;; room *= 2) {
        ssize_t got;

        p = grow_wiped(p, have, room);
        got = p ? read_all(fd, p + have, room - have) : -ENOMEM;
        have += got > 0 ? (size_t)got : 0;
        if (got < 0 || have > FILES_SIZE_MAX) {
            wipe(p, have);
            free(p);
            return got < 0 ? (int)got : -EFBIG;
        }
        if (have < room)
            break;
    }
    p[have] = 0;
    *out = (struct span){ p, have };
    return 0;
}

static int read_file(const char *path, struct span *out)
{
    int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC), err = 0;
    struct stat st;

    if (fd < 0)
        return -errno;
    if (fstat(fd, &st))
        err = -errno;
    else if (!S_ISREG(st.st_mode))
        err = S_ISDIR(st.st_mode) ? -EISDIR : -ENXIO;
    else if (st.st_size > FILES_SIZE_MAX)
        err = -EFBIG;
    if (!err)
        err = read_growing(fd, (size_t)st.st_size, out);
    close(fd);
    return err;
}

int files_read(struct files *f, const char *path, struct span *out)
{
    struct file *file = files_find(f, path);
    struct span contents = { NULL, 0 };
    int err;

    *out = contents;
    if (!file && f->closed)
        return -ENOENT;
    if (!file) {
        err = read_file(path, &contents);
        if (err == -ENOMEM)
            return err;
        file = files_add(f, span_of(path), err, contents);
    }
    if (!file)
        return -ENOMEM;
    *out = file->contents;
    return file->err;
}

bool files_are_here(const struct files *f)
{
    return !f->closed;
}

const char *files_why(int err)
{
    return err == -ENXIO ? "it is neither a file nor a folder" : strerror(-err);
}

static size_t packed_size(const struct file *file)
{
    return sizeof(struct packed) + strlen(file->path) + file->contents.n;
}

static char *pack_file(char *to, const struct file *file)
{
    struct packed head = { .err = file->err,
                           .n_path = (uint32_t)strlen(file->path),
                           .n = (uint32_t)file->contents.n };

    memcpy(to, &head, sizeof head);
    to += sizeof head;
    memcpy(to, file->path, head.n_path);
    to += head.n_path;
    if (head.n > 0)
        memcpy(to, file->contents.p, head.n);
    return to + head.n;
}

int files_pack(const struct files *f, struct span *out)
{
    size_t n = 0;
    char *p, *at;

    for (size_t i = 0; i < BUCKETS; i++)
        for (const struct file *file = f->buckets[i]; file; file = file->next)
            n += packed_size(file);
    p = at = malloc(n + 1);
    *out = (struct span){ p, n };
    if (!p)
        return -ENOMEM;
    for (size_t i = 0; i < BUCKETS; i++)
        for (const struct file *file = f->buckets[i]; file; file = file->next)
            at = pack_file(at, file);
    return 0;
}

/* Takes one file off the front of *rest. */
KEPT_BEGIN /* in a bucket */
static int unpack_file(struct files *f, struct span *rest)
{
    struct span path, contents;
    struct packed head;
    char *copy;

    if (rest->n < sizeof head)
        return -EINVAL;
    memcpy(&head, rest->p, sizeof head);
    *rest = span_skip(*rest, sizeof head);
    if (rest->n < head.n_path || rest->n - head.n_path < head.n)
        return -EINVAL;
    path = (struct span){ rest->p, head.n_path };
    *rest = span_skip(*rest, head.n_path);
    contents = (struct span){ rest->p, head.n };
    *rest = span_skip(*rest, head.n);
    copy = malloc(contents.n + 1);
    if (!copy)
        return -ENOMEM;
    if (contents.n > 0)
        memcpy(copy, contents.p, contents.n);
    copy[contents.n] = 0;
    return files_add(f, path, head.err, (struct span){ copy, contents.n }) ? 0 : -ENOMEM;
}
KEPT_END

int files_unpack(struct files **out, struct span packed)
{
    struct files *f;
    int err = files_make(&f);

    *out = NULL;
    while (!err && packed.n > 0)
        err = unpack_file(f, &packed);
    if (err) {
        files_free(f);
        return err;
    }
    f->closed = true;
    *out = f;
    return 0;
}
