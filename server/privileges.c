/* Users, groups and limits. */
#include "server/privileges.h"
#include "cfg/errors.h"
#include "proxy/admission.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#ifdef __linux__
#include <sys/prctl.h>
#endif
#include <sys/resource.h>
#include <unistd.h>

struct account {
    char user[128];
    uid_t uid;
    gid_t gid;
};

/* Reads a number as an id, whether or not it has an account: containers have a short /etc/passwd.
 * */
static bool read_id(const char *text, unsigned long *id)
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
    if (!read_id(a->user, &id))
        return false;
    a->uid = (uid_t)id;
    a->gid = (gid_t)id;
    return true;
}

static bool find_group(struct account *a, const char *name)
{
    const struct group *gr = getgrnam(name);
    unsigned long id;

    if (!gr && !read_id(name, &id))
        return false;
    a->gid = gr ? gr->gr_gid : (gid_t)id;
    return true;
}

/* Finds the ids of user[:group]. Returns why there are none, or NULL. */
static const char *find_account(struct account *a, const char *text)
{
    const char *colon = strchr(text, ':');

    snprintf(a->user, sizeof a->user, "%.*s", (int)(colon ? colon - text : (long)strlen(text)),
             text);
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
        conf_fault(e, conf_line_of(c, "server", "user"), "server", "user: '%s': %s", c->server.user,
                   why);
}

#if defined(__has_feature)
#define HAS_ASAN __has_feature(address_sanitizer)
#elif defined(__SANITIZE_ADDRESS__)
#define HAS_ASAN 1
#else
#define HAS_ASAN 0
#endif

/* The limit alone would not do: Linux does not apply it to a core that a program takes (core(5)).
 * LeakSanitizer, too, looks into this process from another one. */
void privileges_hide_memory(void)
{
    struct rlimit none = { 0, 0 };

    setrlimit(RLIMIT_CORE, &none);
#if defined(__linux__) && !HAS_ASAN
    prctl(PR_SET_DUMPABLE, 0);
#endif
}

static int become(const struct account *a)
{
    if (initgroups(a->user, a->gid) || setgid(a->gid) || setuid(a->uid))
        return -errno;
    /* A way back would undo it. */
    return a->uid != 0 && setuid(0) == 0 ? -EPERM : 0;
}

bool privileges_wanted(const struct conf *c)
{
    return c->server.user[0] && geteuid() == 0;
}

int privileges_drop(const struct conf *c)
{
    struct account a;
    int err = find_account(&a, c->server.user) ? -ENOENT : become(&a);

    privileges_hide_memory();
    return err;
}

void privileges_give_log(const struct conf *c, struct log *log)
{
    struct account a;

    if (!find_account(&a, c->server.user))
        log_give(log, a.uid, a.gid);
}

extern char **environ;

/* The system shows the block that it gave the program at the start. */
static int hide_environment(void)
{
    size_t n = 0, bytes = 0;
    char **copy, *at;

    for (; environ && environ[n]; n++)
        bytes += strlen(environ[n]) + 1;
    copy = malloc((n + 1) * sizeof *copy + bytes);
    if (!copy)
        return -ENOMEM;
    at = (char *)(copy + n + 1);
    for (size_t i = 0; i < n; i++) {
        size_t length = strlen(environ[i]) + 1;

        copy[i] = memcpy(at, environ[i], length);
        at += length;
        wipe(environ[i], length);
    }
    copy[n] = NULL;
    environ = copy;
    return 0;
}

int privileges_hide(void)
{
    privileges_hide_memory();
    return hide_environment();
}

void privileges_raise_files(const struct conf *c, struct log *log)
{
    rlim_t need = (rlim_t)admission_files(c);
    struct rlimit now, wanted;

    if (getrlimit(RLIMIT_NOFILE, &now) || now.rlim_cur == RLIM_INFINITY || now.rlim_cur >= need)
        return;
    wanted =
        (struct rlimit){ .rlim_cur = need, .rlim_max = now.rlim_max < need ? need : now.rlim_max };
    if (setrlimit(RLIMIT_NOFILE, &wanted) == 0)
        return;
    wanted = (struct rlimit){ .rlim_cur = now.rlim_max, .rlim_max = now.rlim_max };
    setrlimit(RLIMIT_NOFILE, &wanted);
    log_say(log, LOG_WARNING_LEVEL,
            "only %llu files may be open, and max_connections = %u may need %llu: %u clients are "
            "served at once; raise the limit (ulimit -n, LimitNOFILE=) or lower max_connections",
            (unsigned long long)now.rlim_max, c->server.max_connections, (unsigned long long)need,
            admission_limits(c, now.rlim_max).served);
}
