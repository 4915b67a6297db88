/* The sandbox from inside: a child enters it and makes one attempt, and its end tells what came of
 * that. As root, who may do everything otherwise, it is the sandbox that refuses. */
#include "server/sandbox.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#define KILLED 1000 /* and the signal */

static char folder[] = "/tmp/ocp-sandbox-XXXXXX", kept[64];
static struct conf_upstream upstream;
static struct conf conf = { .log.file = kept, .upstreams = &upstream, .n_upstreams = 1 };
static int listening, log_fd;

/* An attempt returns 0 or an errno. */
typedef int attempt(void);

static int result_of(long r)
{
    return r < 0 ? errno : 0;
}

static int end_of(attempt *tried, bool alone)
{
    pid_t pid = fork();
    int status;

    assert_true(pid >= 0);
    if (pid == 0) {
        struct sandbox s = { .alone = alone };

        sandbox_bound(alone);
        _exit(sandbox_enter(&s, &conf) ? 255 : tried());
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFSIGNALED(status) ? KILLED + WTERMSIG(status) : WEXITSTATUS(status);
}

static int run_program(void)
{
    char *argv[] = { "true", NULL };

    return result_of(execv("/bin/true", argv));
}

static int run_program_by_descriptor(void)
{
    return result_of(syscall(SYS_execveat, log_fd, "", NULL, NULL, AT_EMPTY_PATH));
}

static int trace(void)
{
    return result_of(ptrace(PTRACE_ATTACH, getppid(), NULL, NULL));
}

static int read_memory_of_another(void)
{
    char here[8];
    struct iovec to = { here, sizeof here }, from = { kept, sizeof here };

    return result_of(process_vm_readv(getpid() - 1, &to, 1, &from, 1, 0));
}

static int load_bpf(void)
{
    return result_of(syscall(SYS_bpf, 0, NULL, 0));
}

static int mount_something(void)
{
    return result_of(syscall(SYS_mount, "none", folder, "tmpfs", 0, NULL));
}

#ifdef __x86_64__
/* getpid by the table of 32 bits has the number of another call here. */
static int call_by_another_table(void)
{
    long r = 20;

    __asm__ volatile("int $0x80" : "+a"(r) : : "memory");
    return 0;
}

static int call_by_x32(void)
{
    return result_of(syscall(0x40000000 | SYS_getpid));
}
#endif

static int start_process(void)
{
    pid_t pid = fork();

    if (pid == 0)
        _exit(0);
    return result_of(pid);
}

static int open_as(const char *path, int flags)
{
    return result_of(open(path, flags | O_CLOEXEC, 0600));
}

static int read_shadow(void)
{
    return open_as("/etc/shadow", O_RDONLY);
}

static int read_log(void)
{
    return open_as(kept, O_RDONLY);
}

static int read_own_memory(void)
{
    return open_as("/proc/self/mem", O_RDONLY);
}

static int read_hosts(void)
{
    return open_as("/etc/hosts", O_RDONLY);
}

static int write_log(void)
{
    return open_as(kept, O_WRONLY | O_APPEND);
}

static int write_open_log(void)
{
    return result_of(write(log_fd, "x", 1));
}

static int make_file(void)
{
    char path[64];

    snprintf(path, sizeof path, "%s/new", folder);
    return open_as(path, O_WRONLY | O_CREAT);
}

static int make_file_in_etc(void)
{
    return open_as("/etc/ocp-sandbox", O_WRONLY | O_CREAT);
}

static int write_kernel_setting(void)
{
    return open_as("/proc/sys/kernel/core_pattern", O_WRONLY);
}

static int empty_log(void)
{
    return open_as(kept, O_WRONLY | O_TRUNC);
}

static int make_folder(void)
{
    char path[64];

    snprintf(path, sizeof path, "%s/folder", folder);
    return result_of(mkdir(path, 0700));
}

static int remove_log(void)
{
    return result_of(unlink(kept));
}

static int socket_of(int family, int type, int protocol)
{
    return result_of(socket(family, type, protocol));
}

static int packet_socket(void)
{
    return socket_of(17, SOCK_RAW, 0); /* AF_PACKET */
}

static int vsock_socket(void)
{
    return socket_of(40, SOCK_STREAM, 0); /* AF_VSOCK */
}

static int raw_socket(void)
{
    return socket_of(AF_INET, SOCK_RAW, IPPROTO_ICMP);
}

static int audit_socket(void)
{
    return socket_of(AF_NETLINK, SOCK_RAW, 9);
}

static int local_socket(void)
{
    return socket_of(AF_UNIX, SOCK_DGRAM, 0);
}

/* At an address of loopback of which nobody else uses up the ports. */
static int bind_port(int fd)
{
    struct sockaddr_in in = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(0x7f004d01) };

    return result_of(bind(fd, (struct sockaddr *)&in, sizeof in));
}

static int take_port(void)
{
    return bind_port(socket(AF_INET, SOCK_STREAM, 0));
}

static int listen_anywhere(void)
{
    return result_of(listen(socket(AF_INET, SOCK_STREAM, 0), 1));
}

static int listen_on_port(void)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0), err = bind_port(fd);

    return err ? err : result_of(listen(fd, 1));
}

static int listen_on_file(void)
{
    struct sockaddr_un un = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    snprintf(un.sun_path, sizeof un.sun_path, "%s/socket", folder);
    if (bind(fd, (struct sockaddr *)&un, sizeof un) || listen(fd, 1))
        return errno;
    return result_of(unlink(un.sun_path));
}

static int connect_to_listener(void)
{
    struct sockaddr_in in;
    socklen_t len = sizeof in;

    if (getsockname(listening, (struct sockaddr *)&in, &len))
        return errno;
    return result_of(connect(socket(AF_INET, SOCK_STREAM, 0), (struct sockaddr *)&in, len));
}

static int map_code(void)
{
    void *p =
        mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    return p == MAP_FAILED ? errno : 0;
}

static int make_code(void)
{
    void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    return p == MAP_FAILED ? 255 : result_of(mprotect(p, 4096, PROT_READ | PROT_EXEC));
}

static int signal_parent(void)
{
    return result_of(kill(getppid(), 0));
}

static int become_root_again(void)
{
    return result_of(syscall(SYS_setresuid, 0, 0, 0));
}

static int submit_calls_otherwise(void)
{
    return result_of(syscall(425, 1, NULL)); /* io_uring_setup */
}

static int push_into_terminal(void)
{
    return result_of(ioctl(0, TIOCSTI, "x"));
}

static int abort_itself(void)
{
    abort();
}

static void *do_nothing(void *arg)
{
    return arg;
}

static int start_thread(void)
{
    pthread_t thread;
    int err = pthread_create(&thread, NULL, do_nothing, NULL);

    return err ? err : pthread_join(thread, NULL);
}

static int look_up(void)
{
    struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG }, *list = NULL;
    int err = getaddrinfo("localhost", NULL, &hints, &list);

    if (!err)
        freeaddrinfo(list);
    return err ? 255 : 0;
}

#define EITHER (-1) /* 0 or an errno: it is not the sandbox that decides */

struct trial {
    const char *what;
    attempt *tried;
    int worker, alone; /* what comes of it */
};

#define DEADLY KILLED + SIGSYS, KILLED + SIGSYS
#define FORBIDDEN(err) (err), (err)
#define TRIAL(tried, ...)                                                                          \
    {                                                                                              \
#tried, tried, __VA_ARGS__                                                                 \
    }

static const struct trial trials[] = {
    TRIAL(run_program, DEADLY),
    TRIAL(run_program_by_descriptor, DEADLY),
    TRIAL(trace, DEADLY),
    TRIAL(read_memory_of_another, DEADLY),
    TRIAL(load_bpf, DEADLY),
    TRIAL(mount_something, DEADLY),
#ifdef __x86_64__
    TRIAL(call_by_x32, DEADLY),
#endif
    TRIAL(start_process, FORBIDDEN(EPERM)),
    TRIAL(packet_socket, FORBIDDEN(EAFNOSUPPORT)),
    TRIAL(vsock_socket, FORBIDDEN(EAFNOSUPPORT)),
    TRIAL(raw_socket, FORBIDDEN(EAFNOSUPPORT)),
    TRIAL(audit_socket, FORBIDDEN(EAFNOSUPPORT)),
    TRIAL(local_socket, 0, 0),
    TRIAL(map_code, FORBIDDEN(EACCES)),
    TRIAL(make_code, FORBIDDEN(EACCES)),
    TRIAL(signal_parent, FORBIDDEN(ENOSYS)),
    TRIAL(become_root_again, FORBIDDEN(ENOSYS)),
    TRIAL(submit_calls_otherwise, FORBIDDEN(ENOSYS)),
    TRIAL(push_into_terminal, FORBIDDEN(ENOTTY)),
    TRIAL(abort_itself, KILLED + SIGABRT, KILLED + SIGABRT),
    TRIAL(start_thread, 0, 0),
    TRIAL(look_up, 0, 0),
    TRIAL(connect_to_listener, 0, 0),
    TRIAL(write_open_log, 0, 0),
    TRIAL(read_hosts, 0, 0),
    TRIAL(read_shadow, EACCES, EITHER),
    TRIAL(write_log, EACCES, 0),
    TRIAL(make_file, EACCES, 0),
    TRIAL(make_folder, ENOSYS, ENOSYS),
    TRIAL(remove_log, ENOSYS, 0),
    TRIAL(listen_anywhere, EPERM, EITHER),
    TRIAL(listen_on_file, EACCES, 0),
};

/* What only Landlock refuses: of ports from its version 4 on, which Linux 6.7 has. */
static const struct trial trials_of_landlock[] = {
    TRIAL(read_log, EACCES, 0),
    TRIAL(read_own_memory, EACCES, EITHER),
    TRIAL(make_file_in_etc, EACCES, EACCES),
    TRIAL(write_kernel_setting, EACCES, EACCES),
    TRIAL(empty_log, EACCES, EACCES),
};

static const struct trial trials_of_ports[] = {
    TRIAL(take_port, EACCES, 0),
    TRIAL(listen_on_port, EACCES, 0),
};

static void refill(void)
{
    int fd = open(kept, O_WRONLY | O_CREAT, 0666);

    assert_true(fd >= 0);
    assert_int_equal(fchmod(fd, 0666), 0);
    close(fd);
}

static void judge(const struct trial *list, size_t n, bool alone)
{
    for (size_t i = 0; i < n; i++) {
        const struct trial *t = &list[i];
        int wanted = alone ? t->alone : t->worker, got;

        refill();
        got = end_of(t->tried, alone);
        if (wanted != EITHER && got != wanted)
            fail_msg("%s %s: %d, not %d", alone ? "alone" : "a worker", t->what, got, wanted);
    }
}

#define JUDGE(list, alone) judge(list, sizeof(list) / sizeof *(list), alone)

static void need_filter(void)
{
    const char *lacks = sandbox_lacks();

    if (lacks && !strstr(lacks, "without Landlock"))
        skip();
}

static int landlock_version(void)
{
    return (int)syscall(444, NULL, 0, 1);
}

static void what_is_refused(void **state)
{
    bool alone = *(bool *)*state;

    need_filter();
    JUDGE(trials, alone);
}

static void what_landlock_refuses(void **state)
{
    bool alone = *(bool *)*state;

    if (sandbox_lacks() || landlock_version() < 3)
        skip();
    JUDGE(trials_of_landlock, alone);
    if (landlock_version() >= 4)
        JUDGE(trials_of_ports, alone);
}

/* Where the kernel knows no such calls, int 0x80 is a fault. */
static void calls_of_another_table_end_the_process(void **state)
{
    (void)state;
#ifdef __x86_64__
    need_filter();
    assert_true(end_of(call_by_another_table, false) > KILLED);
#else
    skip();
#endif
}

/* Sockets of upstreams that are root's stay in reach only if they are there at the start. */
static void a_reload_that_needs_what_was_given_up_is_not_allowed(void **state)
{
    struct sandbox s = { 0 };
    pid_t pid = fork();
    int status;

    (void)state;
    if (sandbox_lacks() || geteuid() != 0) {
        if (pid == 0)
            _exit(0);
        skip();
    }
    if (pid == 0) {
        bool fits;

        sandbox_enter(&s, &conf);
        fits = sandbox_allows(&s, &conf);
        upstream.socket = kept;
        _exit(fits && s.as_nobody ? 10 + sandbox_allows(&s, &conf) : 1);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(WEXITSTATUS(status), 10);
}

static void root_stays_root_where_an_upstream_needs_it(void **state)
{
    struct sandbox s = { 0 };
    int status;
    pid_t pid;

    (void)state;
    upstream.socket = kept;
    pid = fork();
    if (pid == 0)
        _exit(sandbox_enter(&s, &conf) || s.as_nobody || !sandbox_allows(&s, &conf));
    upstream.socket = NULL;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

static int set_up(void **state)
{
    (void)state;
    assert_non_null(mkdtemp(folder));
    chmod(folder, 0777);
    snprintf(kept, sizeof kept, "%s/log", folder);
    refill();
    log_fd = open(kept, O_WRONLY | O_APPEND);
    listening = socket(AF_INET, SOCK_STREAM, 0);
    return bind_port(listening) || listen(listening, 64);
}

static int tear_down(void **state)
{
    char path[64];

    (void)state;
    snprintf(path, sizeof path, "%s/new", folder);
    unlink(path);
    unlink(kept);
    return rmdir(folder);
}

int main(void)
{
    static bool worker = false, alone = true;
    const struct CMUnitTest tests[] = {
        { "what_is_refused: worker", what_is_refused, NULL, NULL, &worker },
        { "what_is_refused: alone", what_is_refused, NULL, NULL, &alone },
        { "what_landlock_refuses: worker", what_landlock_refuses, NULL, NULL, &worker },
        { "what_landlock_refuses: alone", what_landlock_refuses, NULL, NULL, &alone },
        cmocka_unit_test(calls_of_another_table_end_the_process),
        cmocka_unit_test(a_reload_that_needs_what_was_given_up_is_not_allowed),
        cmocka_unit_test(root_stays_root_where_an_upstream_needs_it),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
