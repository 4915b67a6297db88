/* Users, groups and limits.
 * Knows nothing of what the process does.
 * The interface is proxy/privileges.h. */
#include "proxy/privileges.h"
#include "cfg/errors.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

/* Beside connections: listeners, the log, pipes, the resolver's and the library's files. */
#define FILES_BESIDE 64

struct account {
    char user[128];
    uid_t uid;
    gid_t gid;
};

/* A number that names no account is an id all the same: containers have no /etc/passwd to speak of. */
static bool number(const char *text, unsigned long *id)
{
    char *end;

    *id = strtoul(text, &end, 10);
    return *text >= '0' && *text <= '9' && !*end && *id < UINT32_MAX;
}

static bool find_user(struct account *a)
{
    const struct passwd *pw = getpwnam(a->user);
    unsigned long id;

    if (pw) {
        a->uid = pw->pw_uid;
        a->gid = pw->pw_gid;
        return true;
    }
    if (!number(a->user, &id))
        return false;
    a->uid = (uid_t)id;
    a->gid = (gid_t)id;
    return true;
}

static bool find_group(struct account *a, const char *name)
{
    const struct group *gr = getgrnam(name);
    unsigned long id;

    if (!gr && !number(name, &id))
        return false;
    a->gid = gr ? gr->gr_gid : (gid_t)id;
    return true;
}

/* Takes user[:group] apart. Returns what is unknown, or NULL. */
static const char *find_account(struct account *a, const char *text)
{
    const char *colon = strchr(text, ':');

    snprintf(a->user, sizeof a->user, "%.*s", (int)(colon ? colon - text : (long)strlen(text)), text);
    if (!find_user(a))
        return "there is no such user";
    return colon && !find_group(a, colon + 1) ? "there is no such group" : NULL;
}

void privileges_check(const struct conf *c, struct conf_errors *e)
{
    const char *why;
    struct account a;

    if (!c->server.user || !c->server.user[0])
        return;
    why = find_account(&a, c->server.user);
    if (!why && geteuid() != 0 && (geteuid() != a.uid || getegid() != a.gid))
        why = "only root can become another user";
    if (why)
        conf_fault(e, conf_line_of(c, "server", "user"), "server", "user: '%s': %s", c->server.user, why);
}

static int become(const struct account *a)
{
    if (initgroups(a->user, a->gid) || setgid(a->gid) || setuid(a->uid))
        return -errno;
    /* For good: a way back would be worth nothing. */
    return a->uid != 0 && setuid(0) == 0 ? -EPERM : 0;
}

int privileges_drop(const struct conf *c, struct log *log)
{
    struct account a;

    if (!c->server.user[0] || geteuid() != 0)
        return 0;
    if (find_account(&a, c->server.user))
        return -ENOENT;
    log_give(log, a.uid, a.gid);
    return become(&a);
}

void privileges_raise_files(const struct conf *c, struct log *log)
{
    unsigned upstream = c->upstream.connection_limit < c->server.max_connections ? c->upstream.connection_limit : c->server.max_connections;
    rlim_t need = (rlim_t)c->server.max_connections + upstream + FILES_BESIDE;
    struct rlimit now, wanted;

    if (getrlimit(RLIMIT_NOFILE, &now) || now.rlim_cur == RLIM_INFINITY || now.rlim_cur >= need)
        return;
    wanted = (struct rlimit){ .rlim_cur = need, .rlim_max = now.rlim_max < need ? need : now.rlim_max };
    if (setrlimit(RLIMIT_NOFILE, &wanted) == 0)
        return;
    wanted = (struct rlimit){ .rlim_cur = now.rlim_max, .rlim_max = now.rlim_max };
    setrlimit(RLIMIT_NOFILE, &wanted);
    log_say(log, LOG_WARNING_LEVEL, "only %llu files may be open, and max_connections = %u may need %llu: raise the limit (ulimit -n, LimitNOFILE=) or lower "
            "max_connections", (unsigned long long)now.rlim_max, c->server.max_connections, (unsigned long long)need);
}
