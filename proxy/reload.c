/* First everything that can fail, then the change.
 * Knows nothing of how settings are used.
 * The interface is proxy/reload.h. */
#include "proxy/reload.h"
#include "proxy/door.h"
#include "proxy/parent.h"
#include "proxy/ring.h"
#include "proxy/worker.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>

/* Collects what others write to a FILE, to be said in the log. */
struct report {
    char *text;
    size_t n;
    FILE *file;
};

static int report_open(struct report *r)
{
    *r = (struct report){ 0 };
    r->file = open_memstream(&r->text, &r->n);
    return r->file ? 0 : -ENOMEM;
}

/* Says what was written, a line of the log for each line. */
static void report_close(struct report *r, struct log *log, enum conf_log_level level, const char *prefix)
{
    char *rest = NULL;

    if (fclose(r->file) == 0 && r->text)
        for (char *line = strtok_r(r->text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest))
            log_say(log, level, "%s%s", prefix, line);
    free(r->text);
}

/* What a process cannot change once it runs. */
static int check_constant(const struct conf *old, const struct conf *fresh, FILE *errors)
{
    if (strcmp(old->server.user, fresh->server.user) != 0)
        return conf_error(errors, fresh, conf_line_of(fresh, "server", "user"), "server", "user cannot change while the program runs: start it anew");
    if ((parent_workers(old) == 1) != (parent_workers(fresh) == 1))
        return conf_error(errors, fresh, conf_line_of(fresh, "server", "workers"), "server",
                          "workers cannot change between one and several while the program runs: start it anew");
    return 0;
}

static int read_settings(struct settings **out, const struct settings *old, const struct reload_source *from, FILE *errors)
{
    struct conf *c;
    int err = conf_load(&c, from->path, settings_check, errors);

    if (err)
        return err;
    err = check_constant(old->conf, c, errors);
    if (!err)
        err = sockets_check_key(c, from->exposed, errors);
    if (err) {
        conf_free(c);
        return err;
    }
    return settings_make(out, c, errors);
}

int reload_read(struct settings **out, const struct settings *old, const struct reload_source *from, struct log *log)
{
    struct report report;
    int err = report_open(&report);

    *out = NULL;
    if (!err) {
        err = read_settings(out, old, from, report.file);
        report_close(&report, log, LOG_ERROR_LEVEL, "reload: ");
    }
    if (err)
        log_say(log, LOG_ERROR_LEVEL, "reload: nothing was changed%s%s", err == -EINVAL ? "" : ": ", err == -EINVAL ? "" : strerror(-err));
    return err;
}

void reload_tell(const struct settings *old, const struct settings *fresh, struct log *log)
{
    struct report report;
    unsigned n;

    if (report_open(&report))
        return;
    n = conf_changes(old->conf, fresh->conf, report.file);
    report_close(&report, log, LOG_INFO_LEVEL, "reload: ");
    log_say(log, LOG_INFO_LEVEL, "reload: done, %s", n ? "new requests get the new settings" : "nothing has changed");
}

/* Where several workers will each listen on a new address, or new ones on those that there are, or one of them on a local socket, it is tried first. */
static int try_listening(const struct conf *old, const struct conf *fresh, const struct sockets *shared, FILE *errors)
{
    bool grows = parent_workers(fresh) > parent_workers(old);
    int err = 0;

    if (sockets_inherited(shared) && !sockets_named(fresh))
        return 0;
    for (unsigned i = 0; i < fresh->server.n_listen && !err; i++) {
        const struct conf_listen *l = &fresh->server.listen[i];

        if (!sockets_have(shared, l->text) && (!sockets_find_listen(old, l->text) || (grows && !l->is_unix)))
            err = socket_try(l, errors);
    }
    return err;
}

/* Gives local sockets that stay the mode that fresh says. If one cannot be changed, those before it are changed back. */
static int change_modes(const struct conf *old, const struct conf *fresh, FILE *errors)
{
    unsigned n = fresh->server.n_listen, i = 0;
    int err = 0;

    for (; i < n && !err; i++) {
        const struct conf_listen *l = &fresh->server.listen[i], *before = sockets_find_listen(old, l->text);

        if (l->is_unix && before && before->mode != l->mode && chmod(l->host, (mode_t)l->mode)) {
            err = -errno;
            fprintf(errors, "openai-chat-proxy: cannot change the mode of %s: %s\n", l->text, strerror(errno));
        }
    }
    while (err && i-- > 0) {
        const struct conf_listen *before = sockets_find_listen(old, fresh->server.listen[i].text);

        if (before && before->is_unix)
            chmod(before->host, (mode_t)before->mode);
    }
    return err;
}

static void tell_failure(struct report *report, struct log *log, int err)
{
    if (report->file)
        report_close(report, log, LOG_ERROR_LEVEL, "reload: ");
    log_say(log, LOG_ERROR_LEVEL, "reload: nothing was changed: %s", strerror(-err));
}

int reload_prepare(struct ring **ring, const struct settings *old, const struct settings *fresh, const struct sockets *shared, struct log *log)
{
    struct report report;
    int err = report_open(&report);

    *ring = NULL;
    if (!err)
        err = try_listening(old->conf, fresh->conf, shared, report.file);
    if (!err)
        err = log_prepare(ring, log, fresh->conf, report.file);
    if (!err)
        err = change_modes(old->conf, fresh->conf, report.file);
    if (err) {
        tell_failure(&report, log, err);
        ring_free(*ring, 0);
        return err;
    }
    report_close(&report, log, LOG_INFO_LEVEL, "reload: ");
    return 0;
}

int reload_apply(struct worker *w, struct settings *fresh)
{
    struct ring *ring = NULL;
    struct report report;
    int err = report_open(&report);

    if (!err)
        err = log_prepare(&ring, w->log, fresh->conf, report.file);
    if (!err)
        err = doors_open(w, fresh->conf, NULL, report.file);
    if (!err && !w->of_many) {
        err = change_modes(w->settings->conf, fresh->conf, report.file);
        if (err)
            doors_undo(w);
    }
    if (err) {
        tell_failure(&report, w->log, err);
        ring_free(ring, 0);
        settings_release(fresh, w->reactor);
        return err;
    }
    report_close(&report, w->log, LOG_INFO_LEVEL, "reload: ");
    doors_settle(w, fresh->conf);
    log_change(w->log, fresh->conf, ring);
    worker_use(w, fresh);
    return 0;
}
