/* The three questions of SOCKS5: which method, which password, which destination. Section numbers
 * are those of RFC 1928. And the only one of SOCKS4, as its authors' memo and the one on its
 * extension 4A describe it. */
#include "net/socks.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define VERSION_4 4
#define VERSION_5 5
#define PASSWORD_VERSION 1 /* of the sub-negotiation (RFC 1929, 2) */
#define CONNECT 1

enum method { METHOD_NONE = 0, METHOD_PASSWORD = 2, METHOD_REFUSED = 0xFF };
enum address_type { TYPE_V4 = 1, TYPE_NAME = 3, TYPE_V6 = 4 };

/* A text has a byte for its length, or one for its end. The longest message is a request of SOCKS4:
 * eight bytes and two texts. */
#define TEXT_MAX 255
#define SAY_MAX (8 + 2 * (TEXT_MAX + 1))

struct text {
    uint8_t n;
    char p[TEXT_MAX];
};

struct socks {
    struct dialogue dialogue;
    struct addr addr; /* family 0: the proxy looks up host */
    uint16_t port;
    bool has_password;
    struct text host, user, password;
    size_t n; /* bytes of dialogue.say in buf */
    uint8_t buf[SAY_MAX];
};

static struct socks *socks_of(struct dialogue *d)
{
    return container_of(d, struct socks, dialogue);
}

static ssize_t socks_refuse(struct socks *s, const char *why)
{
    snprintf(s->dialogue.why, sizeof s->dialogue.why, "%s", why);
    return -EPROTO;
}

static void socks_put(struct socks *s, const void *p, size_t n)
{
    memcpy(s->buf + s->n, p, n);
    s->n += n;
    s->dialogue.say = (struct span){ (const char *)s->buf, s->n };
}

static void socks_put_text(struct socks *s, const struct text *t)
{
    socks_put(s, &t->n, 1);
    socks_put(s, t->p, t->n);
}

static uint8_t byte_of(struct span in, size_t at)
{
    return (uint8_t)in.p[at];
}

/* The request (4). */
static void socks5_say_request(struct socks *s)
{
    uint8_t type = s->addr.family == 4 ? TYPE_V4 : s->addr.family == 6 ? TYPE_V6 : TYPE_NAME;

    s->n = 0;
    socks_put(s, (uint8_t[]){ VERSION_5, CONNECT, 0, type }, 4);
    if (type == TYPE_NAME)
        socks_put_text(s, &s->host);
    else
        socks_put(s, s->addr.ip, type == TYPE_V4 ? 4 : 16);
    socks_put(s, (uint8_t[]){ (uint8_t)(s->port >> 8), (uint8_t)s->port }, 2);
}

static const char *socks5_reply_text(uint8_t code)
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

    return code < sizeof texts / sizeof *texts
        ? texts[code]
        : "refused to connect, for a reason that SOCKS5 does not know";
}

/* The reply (6). After four bytes it holds the address that the proxy uses, of which only the
 * length matters. */
static ssize_t socks5_hear_reply(struct dialogue *d, struct span in)
{
    struct socks *s = socks_of(d);
    size_t n;

    if (in.n >= 2 && byte_of(in, 0) == VERSION_5 && byte_of(in, 1) != 0)
        return socks_refuse(s, socks5_reply_text(byte_of(in, 1)));
    if (byte_of(in, 0) != VERSION_5)
        return socks_refuse(s, "does not speak SOCKS5");
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
        return socks_refuse(s, "does not speak SOCKS5 as it should: an unknown type of address");
    }
    if (in.n < 4 + n + 2)
        return -EAGAIN;
    d->done = true;
    return (ssize_t)(4 + n + 2);
}

/* The reply to the password (RFC 1929, 2). */
static ssize_t socks5_hear_verdict(struct dialogue *d, struct span in)
{
    struct socks *s = socks_of(d);

    if (in.n < 2)
        return -EAGAIN;
    if (byte_of(in, 1) != 0)
        return socks_refuse(s, "does not accept the user and the password");
    socks5_say_request(s);
    d->hear = socks5_hear_reply;
    return 2;
}

/* The methods on offer (3). */
static void socks5_say_methods(struct socks *s)
{
    uint8_t methods[] = { VERSION_5, s->has_password ? 2 : 1, METHOD_NONE, METHOD_PASSWORD };

    socks_put(s, methods, s->has_password ? 4 : 3);
}

/* The choice of a method (3). */
static ssize_t socks5_hear_method(struct dialogue *d, struct span in)
{
    struct socks *s = socks_of(d);

    if (byte_of(in, 0) != VERSION_5)
        return socks_refuse(s, "does not speak SOCKS5");
    if (in.n < 2)
        return -EAGAIN;
    if (byte_of(in, 1) == METHOD_PASSWORD && s->has_password) {
        s->n = 0;
        socks_put(s, (uint8_t[]){ PASSWORD_VERSION }, 1);
        socks_put_text(s, &s->user);
        socks_put_text(s, &s->password);
        d->hear = socks5_hear_verdict;
    } else if (byte_of(in, 1) == METHOD_NONE) {
        socks5_say_request(s);
        d->hear = socks5_hear_reply;
    } else if (!s->has_password) {
        return socks_refuse(s,
                            "wants a user and a password, or something else that was not offered");
    } else {
        return socks_refuse(s, "accepts neither a user with a password nor a client without");
    }
    return 2;
}

static void socks_put_string(struct socks *s, const struct text *t)
{
    socks_put(s, t->p, t->n);
    socks_put(s, "", 1);
}

/* A name follows the user, and the address is one that cannot be (4A). */
static void socks4_say_request(struct socks *s)
{
    static const uint8_t none[4] = { 0, 0, 0, 1 };
    uint8_t head[] = { VERSION_4, CONNECT, (uint8_t)(s->port >> 8), (uint8_t)s->port };

    socks_put(s, head, sizeof head);
    socks_put(s, s->addr.family ? s->addr.ip : none, sizeof none);
    socks_put_string(s, &s->user);
    if (!s->addr.family)
        socks_put_string(s, &s->host);
}

static ssize_t socks4_hear_reply(struct dialogue *d, struct span in)
{
    enum { GRANTED = 90, REJECTED, NO_IDENT, OTHER_USER, SIZE = 8 };
    struct socks *s = socks_of(d);

    if (byte_of(in, 0) != 0)
        return socks_refuse(s, "does not speak SOCKS4");
    if (in.n < 2)
        return -EAGAIN;
    switch (byte_of(in, 1)) {
    case GRANTED:
        d->done = in.n >= SIZE;
        return d->done ? SIZE : -EAGAIN;
    case REJECTED:
        return socks_refuse(s, "does not allow the connection, or could not connect");
    case NO_IDENT:
    case OTHER_USER:
        return socks_refuse(s, "does not accept the user");
    default:
        return socks_refuse(s, "refused to connect, for a reason that SOCKS4 does not know");
    }
}

static void socks_free(struct dialogue *d)
{
    struct socks *s = socks_of(d);

    wipe(s, sizeof *s);
    free(s);
}

static void text_set(struct text *t, const char *from)
{
    size_t n = from ? strlen(from) : 0;

    t->n = (uint8_t)(n < TEXT_MAX ? n : TEXT_MAX);
    memcpy(t->p, from ? from : "", t->n);
}

int socks_dialogue_make(struct dialogue **out, const struct socks_request *r)
{
    struct socks *s;

    *out = NULL;
    if (r->version == VERSION_4 && r->addr && r->addr->family != 4)
        return -EAFNOSUPPORT;
    s = calloc(1, sizeof *s);
    if (!s)
        return -ENOMEM;
    s->dialogue.free = socks_free;
    if (r->addr)
        s->addr = *r->addr;
    s->port = r->addr ? r->addr->port : r->port;
    s->has_password = r->user != NULL;
    text_set(&s->host, r->host);
    text_set(&s->user, r->user);
    text_set(&s->password, r->password);
    s->dialogue.hear = r->version == VERSION_4 ? socks4_hear_reply : socks5_hear_method;
    if (r->version == VERSION_4)
        socks4_say_request(s);
    else
        socks5_say_methods(s);
    *out = &s->dialogue;
    return 0;
}
