/* Telling files that have changed by what stat(2) says of them. */
#include "server/renewal.h"
#include "server/report.h"

#include <errno.h>
#include <sys/stat.h>

#ifdef __APPLE__
#define MODIFIED st_mtimespec
#define CHANGED st_ctimespec
#else
#define MODIFIED st_mtim
#define CHANGED st_ctim
#endif

void renewal_wait(struct renewal *r, struct reactor *reactor, const struct settings *s, bool afresh)
{
    r->kind.ms = RENEWAL_LOOK_MS;
    if (afresh)
        r->seen = 0;
    timer_disarm(&r->timer);
    if (s->conf->server.n_certificates > 0)
        timer_arm(reactor, &r->timer, &r->kind);
}

/* A number that changes with the file at path. */
static unsigned long long state_of(const char *path)
{
    struct stat st;
    uint64_t words[7] = { 0 };

    if (stat(path, &st)) {
        words[0] = (uint64_t)errno;
    } else {
        words[0] = (uint64_t)st.st_dev;
        words[1] = (uint64_t)st.st_ino;
        words[2] = (uint64_t)st.st_size;
        words[3] = (uint64_t)st.MODIFIED.tv_sec;
        words[4] = (uint64_t)st.MODIFIED.tv_nsec;
        words[5] = (uint64_t)st.CHANGED.tv_sec;
        words[6] = (uint64_t)st.CHANGED.tv_nsec;
    }
    return files_digest((struct span){ (const char *)words, sizeof words });
}

static unsigned long long state_of_all(const struct conf *c)
{
    unsigned long long all = 1;

    for (unsigned i = 0; i < c->server.n_certificates; i++)
        all = 31 * (31 * all + state_of(c->server.certificates[i])) +
            state_of(c->server.certificate_keys[i]);
    return all;
}

static void tell(const struct settings *s, struct log *log)
{
    char why[512];

    log_say(log, LOG_INFO_LEVEL,
            "renewal: new connections get the certificates that are now in "
            "the files");
    for (unsigned i = 0; i < s->conf->server.n_certificates; i++)
        if (settings_warn(s, i, why, sizeof why))
            log_say(log, LOG_WARNING_LEVEL, "%s", why);
}

/* Returns as settings_renew does. quiet: what is wrong is not said yet. */
static int take(struct settings *s, struct files *files, struct log *log, bool quiet)
{
    struct report report;
    int err = report_open(&report);

    if (!err)
        err = settings_renew(s, files, report.file);
    if (err >= 0 || quiet) {
        report_drop(&report);
        return err;
    }
    report_close(&report, log, LOG_WARNING_LEVEL, "renewal: ");
    log_say(log, LOG_WARNING_LEVEL, "renewal: the old certificates stay%s%s",
            err == -EINVAL ? "" : ": ", err == -EINVAL ? "" : strerror(-err));
    return err;
}

void renewal_follow(struct settings *s, struct files *files, struct log *log)
{
    take(s, files, log, false);
}

struct files *renewal_look(struct renewal *r, struct settings *s, struct log *log)
{
    unsigned long long now = state_of_all(s->conf);
    bool doubted = r->doubted && now == r->seen;
    struct files *files = NULL;
    int err;

    if (now == r->seen && !r->doubted)
        return NULL;
    r->seen = now;
    err = files_make(&files);
    if (!err)
        err = take(s, files, log, !doubted);
    r->doubted = err < 0 && !doubted;
    if (err > 0) {
        tell(s, log);
        return files;
    }
    files_free(files);
    return NULL;
}
