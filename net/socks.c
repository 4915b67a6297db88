/* The three questions of SOCKS5: by which method, with which password, where to.
 * Knows no sockets.
 * The interface is net/socks.h; section numbers are those of RFC 1928. */
#include "net/socks.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define VERSION 5
#define PASSWORD_VERSION 1              /* of the sub-negotiation (RFC 1929, 2) */
#define CONNECT 1

enum method { METHOD_NONE = 0, METHOD_PASSWORD = 2, METHOD_REFUSED = 0xFF };
enum address_type { TYPE_V4 = 1, TYPE_NAME = 3, TYPE_V6 = 4 };

/* A byte of length, and as much as it can say; a request has a name, a sub-negotiation two texts. */
#define TEXT_MAX 255
#define SAY_MAX (4 + 2 * (1 + TEXT_MAX))

struct text {
    uint8_t n;
    char p[TEXT_MAX];
};

struct socks {
    struct dialogue dialogue;
    struct addr addr;                   /* family 0: host is a name for the proxy to look up */
    uint16_t port;
    bool has_password;
    struct text host, user, password;
    size_t n;                           /* of buf: what dialogue.say holds */
    uint8_t buf[SAY_MAX];
};

static struct socks *socks_of(struct dialogue *d)
{
    return container_of(d, struct socks, dialogue);
}

static ssize_t refuse(struct socks *s, const char *why)
{
    snprintf(s->dialogue.why, sizeof s->dialogue.why, "%s", why);
    return -EPROTO;
}

static void put(struct socks *s, const void *p, size_t n)
{
    memcpy(s->buf + s->n, p, n);
    s->n += n;
    s->dialogue.say = (struct span){ (const char *)s->buf, s->n };
}

static void put_text(struct socks *s, const struct text *t)
{
    put(s, &t->n, 1);
    put(s, t->p, t->n);
}

static uint8_t byte_of(struct span in, size_t at)
{
    return (uint8_t)in.p[at];
}

/* The request (4). */
static void say_request(struct socks *s)
{
    uint8_t type = s->addr.family == 4 ? TYPE_V4 : s->addr.family == 6 ? TYPE_V6 : TYPE_NAME;

    s->n = 0;
    put(s, (uint8_t[]){ VERSION, CONNECT, 0, type }, 4);
    if (type == TYPE_NAME)
        put_text(s, &s->host);
    else
        put(s, s->addr.ip, type == TYPE_V4 ? 4 : 16);
    put(s, (uint8_t[]){ (uint8_t)(s->port >> 8), (uint8_t)s->port }, 2);
}

static const char *reply_text(uint8_t code)
{
    static const char *const texts[] = {
        [1] = "could not connect (general failure)",
        [2] = "does not allow the connection",
        [3] = "says that the network is unreachable",
        [4] = "says that the host is unreachable",
        [5] = "says that the connection was refused",
        [6] = "says that the connection took too many hops",
        [7] = "does not know how to connect (command not supported)",
        [8] = "does not know addresses of this type",
    };

    return code < sizeof texts / sizeof *texts ? texts[code] : "refused to connect, for a reason that SOCKS5 does not know";
}

/* The reply (6): what follows the four bytes is the address that the proxy uses, of no interest but for its length. */
static ssize_t hear_reply(struct dialogue *d, struct span in)
{
    struct socks *s = socks_of(d);
    size_t n;

    if (in.n >= 2 && byte_of(in, 0) == VERSION && byte_of(in, 1) != 0)
        return refuse(s, reply_text(byte_of(in, 1)));
    if (byte_of(in, 0) != VERSION)
        return refuse(s, "does not speak SOCKS5");
    if (in.n < 5)
        return -EAGAIN;
    switch (byte_of(in, 3)) {
    case TYPE_V4:
        n = 4;
        break;
    case TYPE_V6:
        n = 16;
        break;
    case TYPE_NAME:
        n = 1 + byte_of(in, 4);
        break;
    default:
        return refuse(s, "does not speak SOCKS5 as it should: an unknown type of address");
    }
    if (in.n < 4 + n + 2)
        return -EAGAIN;
    d->done = true;
    return (ssize_t)(4 + n + 2);
}

/* The answer to the password (RFC 1929, 2). */
static ssize_t hear_verdict(struct dialogue *d, struct span in)
{
    struct socks *s = socks_of(d);

    if (in.n < 2)
        return -EAGAIN;
    if (byte_of(in, 1) != 0)
        return refuse(s, "does not accept the user and the password");
    say_request(s);
    d->hear = hear_reply;
    return 2;
}

/* The choice of a method (3). */
static ssize_t hear_method(struct dialogue *d, struct span in)
{
    struct socks *s = socks_of(d);

    if (byte_of(in, 0) != VERSION)
        return refuse(s, "does not speak SOCKS5");
    if (in.n < 2)
        return -EAGAIN;
    if (byte_of(in, 1) == METHOD_PASSWORD && s->has_password) {
        s->n = 0;
        put(s, (uint8_t[]){ PASSWORD_VERSION }, 1);
        put_text(s, &s->user);
        put_text(s, &s->password);
        d->hear = hear_verdict;
    } else if (byte_of(in, 1) == METHOD_NONE) {
        say_request(s);
        d->hear = hear_reply;
    } else if (!s->has_password) {
        return refuse(s, "wants a user and a password, or something else that was not offered");
    } else {
        return refuse(s, "accepts neither a user with a password nor a client without");
    }
    return 2;
}

static void socks_free(struct dialogue *d)
{
    struct socks *s = socks_of(d);

    wipe(s, sizeof *s);
    free(s);
}

static void set_text(struct text *t, const char *from)
{
    size_t n = from ? strlen(from) : 0;

    t->n = (uint8_t)(n < TEXT_MAX ? n : TEXT_MAX);
    memcpy(t->p, from ? from : "", t->n);
}

int socks_dialogue_make(struct dialogue **out, const struct socks_request *r)
{
    struct socks *s = calloc(1, sizeof *s);

    *out = NULL;
    if (!s)
        return -ENOMEM;
    s->dialogue.hear = hear_method;
    s->dialogue.free = socks_free;
    if (r->addr)
        s->addr = *r->addr;
    s->port = r->addr ? r->addr->port : r->port;
    s->has_password = r->user != NULL;
    set_text(&s->host, r->host);
    set_text(&s->user, r->user);
    set_text(&s->password, r->password);
    put(s, (uint8_t[]){ VERSION, s->has_password ? 2 : 1, METHOD_NONE, METHOD_PASSWORD }, s->has_password ? 4 : 3);
    *out = &s->dialogue;
    return 0;
}
