/* From the model in a body to a target. */
#include "proxy/choice.h"
#include "json/whole.h"
#include "proxy/access_log.h"
#include "proxy/models.h"
#include "proxy/plan.h"
#include "proxy/replay.h"
#include "proxy/rewrite.h"
#include "proxy/state.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

bool choice_is_needed(const struct settings *s, const struct conf_key *key)
{
    return (s->targets.by_model &&
            !(key && key->pin >= 0 && !s->targets.list[key->pin].names_models)) ||
        (key && key->n_models > 0);
}

void choice_begin(struct client *c)
{
    json_model_init(&c->x.replay->scan);
}

/* The model that [defaults] puts where a client names none; NULL: none. */
static const char *default_model(const struct settings *s)
{
    const struct conf_upstream *u = &s->conf->upstreams[TARGET_DEFAULT];

    for (unsigned i = 0; i < u->n_defaults; i++)
        if (strcmp(u->defaults[i].name, "model") == 0)
            return u->defaults[i].value;
    return NULL;
}

/* The end of the search: notes the model that was found, or the default one. Returns 0, or -1 after
 * exchange_fault: without memory for its model a request is not one that has none. */
static int take_model(struct client *c, enum json_model_state state)
{
    struct exchange *x = &c->x;
    struct replay *r = x->replay;
    const char *value = state == JSON_MODEL_NONE ? default_model(x->settings) : NULL;
    char text[JSON_MODEL_RAW_MAX + 1];

    if (value) {
        json_model_init(&r->scan);
        json_model_read(&r->scan, SPAN("{\"model\":"));
        state = json_model_read(&r->scan, span_of(value));
        r->model_added = true;
    }
    if (state != JSON_MODEL_FOUND || json_model_value(&r->scan, text) < 0)
        return 0;
    return replay_name(r, text) ? exchange_fault(c, FAIL_INTERNAL, "out of memory") : 0;
}

/* The client's key may limit what may be asked for. */
static int check_allowed(struct client *c, const char *model)
{
    const struct exchange *x = &c->x;
    char why[160];

    if (models_allowed(x->key, span_of(model)))
        return 0;
    if (!model)
        return exchange_fault(c, FAIL_MODEL_NOT_ALLOWED,
                              "this key may use some models only, and the request names none");
    snprintf(why, sizeof why, "this key may not use the model `%.100s`", model);
    return exchange_fault(c, FAIL_MODEL_NOT_ALLOWED, why);
}

/* The target of the model; negative after exchange_fault. */
static int find_target(struct client *c, const char *model)
{
    struct exchange *x = &c->x;
    const struct settings *s = x->settings;
    int target = model ? models_upstream(s->models, span_of(model)) : -1;
    char why[200];

    if (x->key && x->key->pin >= 0)
        return x->key->pin;
    if (target > TARGET_DEFAULT && x->unknown_key)
        return exchange_fault(c, FAIL_API_KEY, "this key is not known, and may not use the model");
    if (target >= 0)
        return target;
    if (s->conf->upstreams[TARGET_DEFAULT].n_models == 0)
        return TARGET_DEFAULT;
    if (!model)
        return exchange_fault(c, FAIL_MODEL, "you must provide a model parameter");
    snprintf(why, sizeof why, "The model `%.100s` does not exist or you do not have access to it.",
             model);
    return exchange_fault(c, FAIL_MODEL, why);
}

/* Chooses the target of the model (NULL: there is none) and begins the plan. Returns 1, or -1 after
 * exchange_fault. */
static int choose(struct client *c, const char *model)
{
    struct exchange *x = &c->x;
    char logged[LOGGED_MODEL_MAX];
    int target;

    if (model)
        x->model = strndup(logged, access_keep(x, logged, sizeof logged, span_of(model)));
    target = check_allowed(c, model) ? -1 : find_target(c, model);
    return target < 0 || plan_begin(c, (unsigned)target) ? -1 : 1;
}

/* A body without a model may be no JSON at all: then that is what is wrong with it. */
static int check_json(struct client *c)
{
    struct worker *w = c->worker;
    struct replay *r = c->x.replay;
    struct outq_cursor at = { 0 };
    const struct json_rules *none = c->x.settings->targets.no_rules;
    struct json_renamer renamer;
    struct span data;
    int err = 0;

    if (json_rename_memory(none) > sizeof w->text)
        return 0;
    json_rename_init(&renamer, none, w->text);
    while (!err && (data = outq_read(&r->body, &at)).n > 0) {
        size_t written;
        ssize_t n = json_rename(&renamer, data, w->out, sizeof w->out, &written);

        if (n < 0)
            err = -EBADMSG;
        else
            outq_pass(&at, (size_t)n);
    }
    if (!err && c->x.body.done) {
        size_t written;

        err = json_rename_end(&renamer, w->out, sizeof w->out, &written);
    }
    return err == -EBADMSG ? exchange_json_fault(c, renamer.why, renamer.offset) : 0;
}

int choice_read(struct client *c)
{
    struct exchange *x = &c->x;
    struct replay *r = x->replay;
    enum json_model_state state = JSON_MODEL_SEEK;
    struct span data;

    while (state == JSON_MODEL_SEEK && (data = outq_read(&r->body, &r->at)).n > 0) {
        uint64_t before = r->scan.offset;

        state = json_model_read(&r->scan, data);
        outq_pass(&r->at, (size_t)(r->scan.offset - before));
    }
    if (state == JSON_MODEL_SEEK && !x->body.done)
        return 0;
    if (take_model(c, state == JSON_MODEL_SEEK ? JSON_MODEL_NONE : state))
        return -1;
    replay_rewind(r);
    if (!r->model && check_json(c))
        return -1;
    return choose(c, r->model);
}

/* Remembers the model for tries that need it by name. Returns 0 or -ENOMEM. */
static int remember(struct client *c, const char *model)
{
    struct exchange *x = &c->x;
    bool renamed = !span_eq(plan_model(x, span_of(model)), span_of(model));
    int err = x->replay || !renamed ? 0 : replay_begin(&x->replay, c->worker, SPAN(""));

    if (err || !x->replay)
        return err;
    x->replay->lost |= !x->settings->targets.retries;
    return replay_name(x->replay, model);
}

int choice_at_once(struct client *c, struct span body)
{
    struct exchange *x = &c->x;
    struct span raw;
    int state = json_whole(body, &raw);
    char text[JSON_MODEL_RAW_MAX + 1];
    const char *model;

    if (state < 0 || (state == JSON_MODEL_NONE && default_model(x->settings)))
        return 0;
    x->checked = true;
    model = state == JSON_MODEL_FOUND && json_model_text(raw, text) >= 0 ? text : NULL;
    if (choose(c, model) < 0)
        return -1;
    if (model && remember(c, model))
        return exchange_fault(c, FAIL_INTERNAL, "out of memory");
    return 1;
}

bool choice_renames(const struct exchange *x)
{
    const struct replay *r = x->replay;
    struct span model = r && r->model ? span_of(r->model) : SPAN("");

    return model.n > 0 && (r->model_added || !span_eq(plan_model(x, model), model));
}

/* A name that stays is left as the client wrote it. */
void choice_rename(struct client *c)
{
    struct exchange *x = &c->x;
    struct replay *r = x->replay;
    struct out o;

    out_init(&o, r->text, sizeof r->text);
    if (choice_renames(x)) {
        out_put(&o, SPAN("\""));
        out_json(&o, plan_model(x, span_of(r->model)));
        out_put(&o, SPAN("\""));
    }
    json_rename_model(&x->rewrite->renamer, out_span(&o));
}
