/* No new privileges, Landlock, capabilities, and the filter of system calls, in this order: each
 * step may use what the next one takes away. */
#include "server/sandbox.h"
#include "server/privileges.h"
#include "server/sandbox_linux.h"

#include <errno.h>
#include <grp.h>
#include <sys/fsuid.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define NOBODY 65534
/* linux/capability.h */
#define CAPABILITIES_VERSION 0x20080522
#define BIT(capability) (1ull << (capability))
#define DAC_OVERRIDE 1
#define NET_BIND_SERVICE 10
#define LAST_POSSIBLE 63

struct capabilities_head {
    uint32_t version;
    int pid;
};

struct capabilities_half {
    uint32_t effective, permitted, inheritable;
};

/* Alone, root goes on reading and opening in a reload what it did at the start. */
static uint64_t kept(bool alone)
{
    return alone ? BIT(DAC_OVERRIDE) | BIT(NET_BIND_SERVICE) : 0;
}

const char *sandbox_lacks(void)
{
    bool filter = filter_is_there(), files = files_confined() > 0;

    if (filter && files)
        return NULL;
    return filter ? "the sandbox does without Landlock, which this kernel does not have"
        : files   ? "the sandbox does without seccomp, which there is none of here"
                  : "the sandbox does without seccomp and Landlock, which there are none of here";
}

void sandbox_bound(bool alone)
{
    for (int i = 0; i <= LAST_POSSIBLE; i++)
        if (!(kept(alone) & BIT(i)) && prctl(PR_CAPBSET_DROP, i, 0, 0, 0) && errno == EINVAL)
            break;
}

/* Without inheritable ones ambient ones are gone, too. A process that has none is left alone. */
static int drop_capabilities(bool alone)
{
    struct capabilities_head head = { .version = CAPABILITIES_VERSION };
    struct capabilities_half halves[2] = { { 0 } };
    uint64_t keep = kept(alone);

    if (syscall(SYS_capget, &head, halves))
        return -errno;
    if (!(halves[0].permitted | halves[1].permitted))
        return 0;
    sandbox_bound(alone);
    for (int i = 0; i < 2; i++) {
        halves[i].permitted &= (uint32_t)(keep >> (32 * i));
        halves[i].effective &= halves[i].permitted;
        halves[i].inheritable = 0;
    }
    return syscall(SYS_capset, &head, halves) ? -errno : 0;
}

/* Root owns files that hold secrets, and needs no capability to read what it owns. Only sockets of
 * upstreams may be for root alone. */
static bool needs_root_files(const struct conf *c)
{
    for (unsigned i = 0; i < c->n_upstreams; i++)
        if (conf_has_socket(&c->upstreams[i]))
            return true;
    return false;
}

/* The system calls say nothing of their failure: in a user namespace there may be no nobody. */
static void become_nobody_for_files(struct sandbox *s, const struct conf *c)
{
    if (s->alone || geteuid() != 0 || needs_root_files(c) || setgroups(0, NULL))
        return;
    setfsgid(NOBODY);
    setfsuid(NOBODY);
    privileges_hide_memory();
    s->as_nobody = setfsuid((uid_t)-1) == NOBODY;
}

static int first_of(int err, int next)
{
    return err || next == -ENOSYS ? err : next;
}

int sandbox_enter(struct sandbox *s, const struct conf *c)
{
    int err = 0;

    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
        return -errno;
    err = first_of(err, files_confine(c, s->alone));
    become_nobody_for_files(s, c);
    err = first_of(err, drop_capabilities(s->alone));
    return first_of(err, filter_install(s->alone));
}

bool sandbox_allows(const struct sandbox *s, const struct conf *fresh)
{
    return !s->as_nobody || !needs_root_files(fresh);
}
