/* Landlock (landlock(7)): rights that are granted beneath folders, and taken away elsewhere. A
 * right belongs to the folder and not to a name in it, so a file that is replaced, as resolv.conf
 * is, has to be granted by its folder. */
#include "server/sandbox_linux.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* linux/landlock.h */
#define EXECUTE (1u << 0)
#define WRITE_FILE (1u << 1)
#define READ_FILE (1u << 2)
#define READ_DIR (1u << 3)
#define REMOVE_DIR (1u << 4)
#define REMOVE_FILE (1u << 5)
#define MAKE_CHAR (1u << 6)
#define MAKE_DIR (1u << 7)
#define MAKE_REG (1u << 8)
#define MAKE_SOCK (1u << 9)
#define MAKE_FIFO (1u << 10)
#define MAKE_BLOCK (1u << 11)
#define MAKE_SYM (1u << 12)
#define REFER (1u << 13)     /* since version 2 */
#define TRUNCATE (1u << 14)  /* 3 */
#define IOCTL_DEV (1u << 15) /* 5 */
#define BIND_TCP (1u << 0)   /* 4 */
#define SCOPE_ABSTRACT (1u << 0)
#define SCOPE_SIGNAL (1u << 1) /* both 6 */
#define RULE_BENEATH 1
#define ASK_VERSION 1u

#ifndef SYS_landlock_create_ruleset
#if defined(__mips__)
#define SYS_landlock_create_ruleset 4444
#define SYS_landlock_add_rule 4445
#define SYS_landlock_restrict_self 4446
#else
#define SYS_landlock_create_ruleset 444
#define SYS_landlock_add_rule 445
#define SYS_landlock_restrict_self 446
#endif
#endif

/* What nobody needs. Programs that are mapped as libraries are not meant by EXECUTE. */
#define NEVER                                                                                      \
    (EXECUTE | REMOVE_DIR | MAKE_CHAR | MAKE_DIR | MAKE_FIFO | MAKE_BLOCK | MAKE_SYM | REFER |     \
     TRUNCATE | IOCTL_DEV)
/* The log, and local sockets, of a process that is alone. */
#define WRITING (WRITE_FILE | MAKE_REG | MAKE_SOCK | REMOVE_FILE)
#define READING (READ_FILE | READ_DIR)

struct ruleset { /* struct landlock_ruleset_attr */
    uint64_t files, net, scoped;
};

struct beneath { /* struct landlock_path_beneath_attr */
    uint64_t rights;
    int32_t parent;
} __attribute__((packed));

int files_confined(void)
{
    long version = syscall(SYS_landlock_create_ruleset, NULL, 0, ASK_VERSION);

    return version > 0 ? (int)version : 0;
}

/* Grants rights to what is at path, and beneath it; of those for folders a file gets none. What is
 * not there is passed over. */
static void grant(int rules, const char *path, unsigned rights)
{
    struct beneath b = { .parent = open(path, O_PATH | O_CLOEXEC) };
    struct stat st;

    if (b.parent < 0)
        return;
    if (fstat(b.parent, &st) == 0) {
        b.rights = S_ISDIR(st.st_mode) ? rights : rights & (READ_FILE | WRITE_FILE);
        syscall(SYS_landlock_add_rule, rules, RULE_BENEATH, &b, 0);
    }
    close(b.parent);
}

/* Grants rights to the folder of path. */
static void grant_folder(int rules, const char *path, unsigned rights)
{
    char copy[PATH_MAX];

    if (strlen(path) >= sizeof copy)
        return;
    memcpy(copy, path, strlen(path) + 1);
    grant(rules, dirname(copy), rights);
}

/* What the C library reads to look up names, its modules included, and to tell local time. */
static void grant_names(int rules)
{
    static const char *const places[] = {
        "/etc",
        "/lib",
        "/lib32",
        "/lib64",
        "/usr/lib",
        "/usr/lib32",
        "/usr/lib64",
        "/usr/local/lib",
        "/usr/share/zoneinfo",
        "/usr/share/libc-bin",
        "/nix/store",
        "/gnu/store",
        "/run/systemd/resolve",
        "/run/NetworkManager",
        "/run/nscd",
        "/var/db",
        "/sys/devices/system/cpu",
        "/dev/null",
        "/dev/urandom",
    };
    char *resolver = realpath("/etc/resolv.conf", NULL);

    for (size_t i = 0; i < sizeof places / sizeof *places; i++)
        grant(rules, places[i], READ_FILE);
    if (resolver)
        grant_folder(rules, resolver, READ_FILE);
    free(resolver);
}

/* True for folders that hold what the system consists of, and no log. */
static bool is_of_system(const char *name)
{
    static const char *const names[] = { ".",   "..",    "etc",   "usr",   "bin", "sbin",
                                         "lib", "boot",  "proc",  "sys",   "dev", "nix",
                                         "gnu", "lib32", "lib64", "libx32" };

    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(name, names[i]) == 0)
            return true;
    return false;
}

/* Where a reload may put the log and local sockets. */
static void grant_writing(int rules)
{
    static const char *const devices[] = { "/dev/null", "/dev/full", "/dev/console",
                                           "/dev/tty",  "/dev/pts",  "/dev/shm" };
    char path[PATH_MAX];
    DIR *root = opendir("/");
    struct dirent *e;

    while (root && (e = readdir(root)))
        if (!is_of_system(e->d_name) && snprintf(path, sizeof path, "/%s", e->d_name) > 0)
            grant(rules, path, WRITING);
    if (root)
        closedir(root);
    for (size_t i = 0; i < sizeof devices / sizeof *devices; i++)
        grant(rules, devices[i], WRITING);
}

/* The places that c names, wherever they are. */
static void grant_named(int rules, const struct conf *c)
{
    struct stat st;

    if (c->log.file[0] == '/' && stat(c->log.file, &st) == 0 && !S_ISREG(st.st_mode))
        grant(rules, c->log.file, WRITING);
    else if (strchr(c->log.file, '/'))
        grant_folder(rules, c->log.file, WRITING);
    for (unsigned i = 0; i < c->server.n_listen; i++)
        if (c->server.listen[i].is_unix)
            grant_folder(rules, c->server.listen[i].host, WRITING);
}

/* What the rules are about: rights that the kernel of that version does not know are left out. */
static struct ruleset ruleset_of(bool alone, int version)
{
    unsigned files = NEVER | WRITING | (alone ? 0 : READING);
    struct ruleset r = { 0 };

    files &= version >= 2 ? ~0u : ~REFER;
    files &= version >= 3 ? ~0u : ~TRUNCATE;
    files &= version >= 5 ? ~0u : ~IOCTL_DEV;
    r.files = files;
    r.net = version >= 4 && !alone ? BIND_TCP : 0;
    r.scoped = version < 6 ? 0 : alone ? SCOPE_SIGNAL : SCOPE_SIGNAL | SCOPE_ABSTRACT;
    return r;
}

/* An older kernel refuses a longer struct unless the rest is 0, which it is. */
int files_confine(const struct conf *c, bool alone)
{
    int version = files_confined(), err = 0;
    struct ruleset r = ruleset_of(alone, version);
    long rules;

    if (version == 0)
        return -ENOSYS;
    rules = syscall(SYS_landlock_create_ruleset, &r, sizeof r, 0);
    if (rules < 0)
        return -errno;
    if (alone) {
        grant_writing((int)rules);
        grant_named((int)rules, c);
    } else {
        grant_names((int)rules);
    }
    if (syscall(SYS_landlock_restrict_self, rules, 0))
        err = -errno;
    close((int)rules);
    return err;
}
