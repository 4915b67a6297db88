/* Ciphertext between the library and the stream below in few calls: one read for many records, one
 * write for many. */
#include "net/tls_inside.h"

#include <errno.h>
#include <stdlib.h>

int tls_carry_begin(struct tls_carrier *k, struct tls_context *c)
{
    k->scratch = tls_scratch_get(c);
    k->staged = 0;
    return k->scratch ? 0 : -ENOMEM;
}

void tls_carry_end(struct tls_carrier *k, struct tls_context *c)
{
    if (k->in_n == 0) {
        free(k->in_kept);
        k->in_kept = NULL;
    } else if (!k->in_kept) {
        k->in_kept = malloc(k->in_n);
        if (k->in_kept) {
            memcpy(k->in_kept, k->in, k->in_n);
        } else {
            k->read_error = -ENOMEM;
            k->in_n = 0;
        }
        k->in = k->in_kept;
    }
    tls_scratch_put(c, k->scratch);
    k->scratch = NULL;
}

/* Reads up to max bytes from below into the empty input. Returns as stream_read. */
static ssize_t carry_fill(struct tls_carrier *k, size_t max)
{
    ssize_t got;

    free(k->in_kept);
    k->in_kept = NULL;
    if (k->eof || k->read_error)
        return k->read_error;
    if (max == 0 || !stream_pending(k->below))
        return -EAGAIN;
    got = stream_read(k->below, k->scratch->in, max < TLS_READ_MAX ? max : TLS_READ_MAX);
    if (got < 0 && got != -EAGAIN)
        k->read_error = (int)got;
    if (got == 0)
        k->eof = true;
    if (got > 0) {
        k->in = k->scratch->in;
        k->in_n = (uint32_t)got;
    }
    return got;
}

ssize_t tls_carry_take(struct tls_carrier *k, unsigned char *to, size_t n, size_t read_max)
{
    if (k->in_n == 0) {
        ssize_t got = carry_fill(k, read_max);

        if (got <= 0)
            return got;
    }
    if (n > k->in_n)
        n = k->in_n;
    memcpy(to, k->in, n);
    k->in += n;
    k->in_n -= (uint32_t)n;
    return (ssize_t)n;
}

size_t tls_carry_stage(struct tls_carrier *k, const unsigned char *from, size_t n)
{
    size_t room = sizeof k->scratch->out - k->staged;

    if (n > room)
        n = room;
    memcpy(k->scratch->out + k->staged, from, n);
    k->staged += (uint32_t)n;
    return n;
}

bool tls_carry_has_room(const struct tls_carrier *k)
{
    return sizeof k->scratch->out - k->staged >= TLS_RECORD_MAX + TLS_EXPANSION_MAX;
}

/* Appends n bytes to the kept output. Returns 0 or -ENOMEM. */
static int carry_keep(struct tls_carrier *k, const unsigned char *p, size_t n)
{
    unsigned char *all = malloc(k->out_n + n);

    if (!all)
        return -ENOMEM;
    if (k->out_n > 0)
        memcpy(all, k->out_kept + k->out_at, k->out_n);
    memcpy(all + k->out_n, p, n);
    free(k->out_kept);
    k->out_kept = all;
    k->out_at = 0;
    k->out_n += (uint32_t)n;
    return 0;
}

/* Sends the *n bytes at p + *at as far as the stream below takes them, and advances both. */
static int carry_send(struct stream *below, unsigned char *p, uint32_t *at, uint32_t *n)
{
    while (*n > 0) {
        struct iovec iov = { p + *at, *n };
        ssize_t put = stream_write(below, &iov, 1);

        if (put < 0)
            return (int)put;
        *at += (uint32_t)put;
        *n -= (uint32_t)put;
    }
    return 0;
}

int tls_carry_send_kept(struct tls_carrier *k)
{
    int err = k->write_error;

    if (err || k->out_n == 0)
        return err;
    err = carry_send(k->below, k->out_kept, &k->out_at, &k->out_n);
    if (err == 0) {
        free(k->out_kept);
        k->out_kept = NULL;
        k->out_at = 0;
    } else if (err != -EAGAIN) {
        k->write_error = err;
    }
    return err;
}

int tls_carry_flush(struct tls_carrier *k)
{
    int err = tls_carry_send_kept(k);
    uint32_t at = 0;

    if (!err)
        err = carry_send(k->below, k->scratch->out, &at, &k->staged);
    if (err == -EAGAIN && k->staged > 0 && carry_keep(k, k->scratch->out + at, k->staged))
        err = -ENOMEM;
    k->staged = 0;
    if (err && err != -EAGAIN)
        k->write_error = err;
    return err;
}

void tls_source_take(struct tls_source *f, size_t n)
{
    f->at += n;
    while (f->n > 0 && f->at >= f->iov->iov_len) {
        f->at -= f->iov->iov_len;
        f->iov++;
        f->n--;
    }
}

size_t tls_source_gather(struct tls_source *f, unsigned char *to, size_t n)
{
    size_t got = 0;

    while (f->n > 0 && got < n) {
        size_t here = tls_source_first(f) < n - got ? tls_source_first(f) : n - got;

        if (to && here > 0)
            memcpy(to + got, (const char *)f->iov->iov_base + f->at, here);
        tls_source_take(f, here);
        got += here;
    }
    return got;
}
