/* First everything that can fail, then the change. */
#include "server/reload.h"
#include "base/stack.h"
#include "server/workers.h"

#include <errno.h>
#include <sys/stat.h>

/* What a process cannot change once it runs. */
static int check_constant(const struct reading *r, const struct conf *fresh)
{
    FILE *errors = r->report.file;

    if (strcmp(r->old->conf->server.user, fresh->server.user) != 0)
        return conf_error(errors, fresh, conf_line_of(fresh, "server", "user"), "server",
                          "user cannot change while the program runs: start it again");
    if (r->old->conf->server.sandbox != fresh->server.sandbox)
        return conf_error(errors, fresh, conf_line_of(fresh, "server", "sandbox"), "server",
                          "sandbox cannot change while the program runs: start it again");
    if (r->from->alone && workers_wanted(fresh) > 1)
        return conf_error(errors, fresh, conf_line_of(fresh, "server", "workers"), "server",
                          "workers cannot change from one to several while the program runs: start "
                          "it again");
    return 0;
}

static int read_settings(struct reading *r)
{
    FILE *errors = r->report.file;
    struct conf *c;
    int err = conf_load(&c, r->from->path, r->files, settings_check, errors);

    if (err)
        return err;
    err = check_constant(r, c);
    if (!err)
        err = sockets_check_key(c, r->from->exposed, errors);
    if (err) {
        conf_free(c);
        return err;
    }
    return settings_make(&r->fresh, c, r->files, errors);
}

void reload_read(struct reading *r)
{
    r->fresh = NULL;
    r->err = report_open(&r->report);
    if (!r->err && !r->files)
        r->err = files_make(&r->files);
    if (!r->err)
        r->err = read_settings(r);
    report_end(&r->report);
    stack_wipe();
}

int reload_judge(struct reading *r, struct log *log, const char *outcome)
{
    report_close(&r->report, log, r->err ? LOG_ERROR_LEVEL : LOG_WARNING_LEVEL, "reload: ");
    if (r->err)
        log_say(log, LOG_ERROR_LEVEL, "reload: %s%s%s", outcome, r->err == -EINVAL ? "" : ": ",
                r->err == -EINVAL ? "" : strerror(-r->err));
    return r->err;
}

void reload_failed(struct report *report, struct log *log, int err, const char *outcome)
{
    report_close(report, log, LOG_ERROR_LEVEL, "reload: ");
    log_say(log, LOG_ERROR_LEVEL, "reload: %s: %s", outcome, strerror(-err));
}

void reload_tell(const struct settings *old, const struct settings *fresh, struct log *log)
{
    struct report report;
    unsigned n = 1;

    if (report_open(&report) == 0) {
        n = conf_changes(old->conf, fresh->conf, report.file);
        if (old->tls && fresh->tls && old->tls != fresh->tls) {
            fputs("[server] certificate: there are others in the files\n", report.file);
            n++;
        }
        report_close(&report, log, LOG_INFO_LEVEL, "reload: ");
    }
    log_say(log, LOG_INFO_LEVEL, "reload: done, %s",
            n ? "new requests get the new settings" : "nothing has changed");
}

int reload_modes(const struct conf *old, const struct conf *fresh, FILE *errors)
{
    unsigned n = fresh->server.n_listen, i = 0;
    int err = 0;

    for (; i < n && !err; i++) {
        const struct conf_listen *l = &fresh->server.listen[i],
                                 *before = sockets_find_listen(old, l->text);

        if (l->is_unix && before && before->mode != l->mode && chmod(l->host, (mode_t)l->mode)) {
            err = -errno;
            fprintf(errors, "openai-chat-proxy: cannot change the mode of %s: %s\n", l->text,
                    strerror(errno));
        }
    }
    while (err && i-- > 0) {
        const struct conf_listen *before = sockets_find_listen(old, fresh->server.listen[i].text);

        if (before && before->is_unix)
            chmod(before->host, (mode_t)before->mode);
    }
    return err;
}
