/* The filter of system calls (seccomp(2)): a table of those in use, and its translation into a
 * program for the kernel's BPF machine.
 *
 * What is not in the table does not exist (ENOSYS): C libraries that try a newer call go on with an
 * older one then, so that an update of theirs does no harm. What is refused for its arguments gets
 * the errno of such a refusal. Only calls that nobody but an intruder makes end the process: then
 * the next attempt has to begin anew, and the log tells. */
#include "server/sandbox_linux.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

/* linux/filter.h, linux/seccomp.h, linux/audit.h */
#define LOAD 0x20     /* BPF_LD | BPF_W | BPF_ABS */
#define AND 0x54      /* BPF_ALU | BPF_AND | BPF_K */
#define IF_EQUAL 0x15 /* BPF_JMP | BPF_JEQ | BPF_K */
#define IF_LEAST 0x35 /* BPF_JMP | BPF_JGE | BPF_K */
#define RETURN 0x06   /* BPF_RET | BPF_K */
#define ALLOW 0x7fff0000u
#define FAIL_WITH(err) (0x00050000u | (uint32_t)(err))
#define KILL 0x80000000u /* the process; before Linux 4.14 the thread */
#define SET_FILTER 1
#define SPECULATE 4 /* SECCOMP_FILTER_FLAG_SPEC_ALLOW */
#define ACTION_AVAILABLE 2

struct instruction {
    uint16_t code;
    uint8_t yes, no; /* so many instructions are skipped */
    uint32_t k;
};

struct bpf_program {
    unsigned short n;
    struct instruction *code;
};

struct call_data { /* struct seccomp_data */
    int32_t call;
    uint32_t arch;
    uint64_t at;
    uint64_t args[6];
};

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define LITTLE 0x40000000u
#define LOW 0 /* where the low half of an argument is */
#else
#define LITTLE 0u
#define LOW 4
#endif
#define WIDE 0x80000000u

#if defined(__x86_64__) && defined(__LP64__)
#define ARCH (EM_X86_64 | WIDE | LITTLE)
#elif defined(__aarch64__) && defined(__LP64__)
#define ARCH (EM_AARCH64 | WIDE | LITTLE)
#elif defined(__riscv) && __riscv_xlen == 64
#define ARCH (EM_RISCV | WIDE | LITTLE)
#elif defined(__ARM_EABI__)
#define ARCH (EM_ARM | LITTLE)
#elif defined(__mips__) && _MIPS_SIM == _ABIO32
#define ARCH (EM_MIPS | LITTLE)
#endif
#define X32_BIT 0x40000000u /* a second table of calls under the same ARCH */

#ifdef ARCH

#ifdef SYS_clock_gettime32 /* musl's names where time has 32 bits */
#define SYS_clock_gettime SYS_clock_gettime32
#define SYS_clock_getres SYS_clock_getres_time32
#define SYS_clock_nanosleep SYS_clock_nanosleep_time32
#define SYS_gettimeofday SYS_gettimeofday_time32
#endif
#ifndef SYS_rseq
#define SYS_rseq SYS_read
#endif
#ifdef SYS_mmap2
#define MMAP SYS_mmap2
#else
#define MMAP SYS_mmap
#endif

/* The calls of every exchange come first: before Linux 5.11 each goes through the program. */
static const int allowed[] = {
#ifdef SYS_epoll_wait
    SYS_epoll_wait,
#endif
    SYS_epoll_pwait, SYS_recvfrom, SYS_sendto, SYS_sendmsg,
#ifdef SYS_send
    SYS_send, SYS_recv,
#endif
    SYS_read, SYS_write, SYS_splice, SYS_futex,
#ifdef SYS_clock_gettime64
    SYS_futex_time64, SYS_clock_gettime64,
#endif
    SYS_clock_gettime, SYS_accept4, SYS_close, SYS_epoll_ctl, SYS_shutdown, SYS_getsockopt,
    /* Sockets and pipes. */
    SYS_readv, SYS_writev, SYS_recvmsg, SYS_sendmmsg, SYS_connect, SYS_bind, SYS_getsockname,
    SYS_getpeername, SYS_pipe2, SYS_dup, SYS_dup3, SYS_epoll_create1, SYS_ppoll,
    /* Memory. */
    SYS_brk, SYS_munmap, SYS_mremap, SYS_madvise,
    /* Threads and signals. */
    SYS_exit, SYS_exit_group, SYS_set_robust_list, SYS_rseq, SYS_set_tid_address, SYS_membarrier,
    SYS_gettid, SYS_getpid, SYS_rt_sigprocmask, SYS_rt_sigaction, SYS_rt_sigreturn,
    SYS_restart_syscall, SYS_sched_yield, SYS_sched_getaffinity,
    /* Time, chance and names. */
    SYS_nanosleep, SYS_clock_nanosleep, SYS_clock_getres, SYS_gettimeofday, SYS_getrandom,
    SYS_uname, SYS_sysinfo, SYS_getuid, SYS_geteuid, SYS_getgid, SYS_getegid,
#ifdef SYS_newfstatat
    SYS_newfstatat,
#endif
#ifdef SYS_fcntl
    SYS_fcntl,
#endif
#ifdef SYS_faccessat2
    SYS_faccessat2,
#endif
#ifdef SYS_open /* the older calls, which newer CPUs do not have */
    SYS_stat, SYS_lstat, SYS_access, SYS_readlink, SYS_poll, SYS_pipe, SYS_dup2,
#endif
#ifdef SYS_time
    SYS_time,
#endif
#ifdef SYS_fcntl64 /* CPUs of 32 bits */
    SYS_fcntl64, SYS__llseek, SYS_fstat64, SYS_stat64, SYS_lstat64, SYS_fstatat64, SYS_sigreturn,
#endif
#ifdef SYS_getuid32
    SYS_getuid32, SYS_geteuid32, SYS_getgid32, SYS_getegid32,
#endif
#ifdef SYS_clock_gettime64
    SYS_ppoll_time64, SYS_clock_nanosleep_time64, SYS_clock_getres_time64,
#endif
    SYS_fstat, SYS_statx, SYS_lseek, SYS_pread64, SYS_faccessat, SYS_readlinkat
};

/* Reloads without a parent: sockets to listen on, and the files of local ones. */
static const int allowed_alone[] = {
#ifdef SYS_open
    SYS_chmod, SYS_unlink,
#endif
    SYS_listen, SYS_fchmodat, SYS_unlinkat
};

/* Calls for running another program, looking into another process, or changing the system. */
static const int deadly[] = {
    SYS_execve, SYS_execveat,    SYS_ptrace,          SYS_process_vm_readv, SYS_process_vm_writev,
    SYS_bpf,    SYS_mount,       SYS_umount2,         SYS_pivot_root,       SYS_chroot,
    SYS_setns,  SYS_unshare,     SYS_init_module,     SYS_finit_module,     SYS_kexec_load,
    SYS_reboot, SYS_userfaultfd, SYS_perf_event_open,
};

/* True if the low 32 bits of an argument, under mask, are value. mask 0: always. */
struct argument {
    unsigned char index;
    uint32_t mask, value;
};

/* A call that is allowed if all args are as they say. Rules for one call stand together: one of
 * them has to hold, and err is what else comes of it. */
struct rule {
    int call, err;
    struct argument args[3];
};

#define IS(index, value)                                                                           \
    {                                                                                              \
        (index), UINT32_MAX, (uint32_t)(value)                                                     \
    }
#define NONE_OF(index, bits)                                                                       \
    {                                                                                              \
        (index), (uint32_t)(bits), 0                                                               \
    }
#define ALL_OF(index, bits)                                                                        \
    {                                                                                              \
        (index), (uint32_t)(bits), (uint32_t)(bits)                                                \
    }
#define OF_TYPE(type)                                                                              \
    {                                                                                              \
        1, 0xf, (uint32_t)(type)                                                                   \
    } /* of a socket, without its flags */
#define SOCKET(family, ...)                                                                        \
    {                                                                                              \
        SYS_socket, EAFNOSUPPORT,                                                                  \
        {                                                                                          \
            IS(0, family), __VA_ARGS__                                                             \
        }                                                                                          \
    }
#define OPTIONS(level)                                                                             \
    {                                                                                              \
        SYS_setsockopt, ENOPROTOOPT,                                                               \
        {                                                                                          \
            IS(1, level)                                                                           \
        }                                                                                          \
    }
#define REQUEST(number)                                                                            \
    {                                                                                              \
        SYS_ioctl, ENOTTY,                                                                         \
        {                                                                                          \
            IS(1, number)                                                                          \
        }                                                                                          \
    }

static const struct rule rules[] = {
    OPTIONS(SOL_SOCKET),
    OPTIONS(IPPROTO_TCP),
    OPTIONS(IPPROTO_IP),
    OPTIONS(IPPROTO_IPV6),
    REQUEST(TIOCOUTQ), /* also SIOCOUTQ */
    REQUEST(FIONREAD),
    REQUEST(FIONBIO),
    REQUEST(TCGETS), /* isatty */
    REQUEST(TIOCGWINSZ),
    REQUEST(SIOCGIFINDEX), /* the zone of an address */
    REQUEST(SIOCGIFNAME),
    SOCKET(AF_INET, OF_TYPE(SOCK_STREAM)),
    SOCKET(AF_INET, OF_TYPE(SOCK_DGRAM)),
    SOCKET(AF_INET6, OF_TYPE(SOCK_STREAM)),
    SOCKET(AF_INET6, OF_TYPE(SOCK_DGRAM)),
    SOCKET(AF_UNIX, OF_TYPE(SOCK_STREAM)),
    SOCKET(AF_UNIX, OF_TYPE(SOCK_DGRAM)),
    SOCKET(AF_NETLINK, IS(2, 0)), /* NETLINK_ROUTE: which families this machine has addresses of */
    { MMAP, EACCES, { NONE_OF(2, PROT_EXEC) } },
#ifdef __GLIBC__ /* modules for names are loaded when the first one is looked up */
    { MMAP, EACCES, { { 2, PROT_EXEC | PROT_WRITE, PROT_EXEC }, NONE_OF(3, MAP_ANONYMOUS) } },
#endif
    { SYS_mprotect, EACCES, { NONE_OF(2, PROT_EXEC) } },
    { SYS_clone, EPERM, { ALL_OF(0, CLONE_THREAD | CLONE_VM) } },
    { SYS_tkill, EPERM, { IS(1, SIGABRT) } }, /* abort */
    { SYS_tgkill, EPERM, { IS(2, SIGABRT) } },
};

#define TO_WRITE (O_WRONLY | O_RDWR | O_CREAT | O_TRUNC)

static const struct rule rules_for_files[] = {
    { SYS_openat, EACCES, { NONE_OF(2, TO_WRITE) } },
#ifdef SYS_open
    { SYS_open, EACCES, { NONE_OF(1, TO_WRITE) } },
#endif
};

#define COUNT(list) (sizeof(list) / sizeof *(list))
#define CODE_MAX                                                                                   \
    (10 + 2 * (COUNT(allowed) + COUNT(allowed_alone) + COUNT(deadly)) +                            \
     12 * (COUNT(rules) + COUNT(rules_for_files)))

struct filter {
    size_t n;
    struct instruction code[CODE_MAX];
};

static void put(struct filter *f, unsigned code, uint32_t k, size_t yes, size_t no)
{
    f->code[f->n++] = (struct instruction){ (uint16_t)code, (uint8_t)yes, (uint8_t)no, k };
}

static void put_load_call(struct filter *f)
{
    put(f, LOAD, offsetof(struct call_data, call), 0, 0);
}

/* What is done with each call of a list, whatever its arguments. */
static void put_list(struct filter *f, const int *calls, size_t n, uint32_t action)
{
    for (size_t i = 0; i < n; i++) {
        put(f, IF_EQUAL, (uint32_t)calls[i], 0, 1);
        put(f, RETURN, action, 0, 0);
    }
}

/* last: there is no other rule for this call. An argument takes three instructions; behind them all
 * stand two, for "yes" and "no". */
static void put_rule(struct filter *f, const struct rule *r, bool last)
{
    size_t n = 0;

    while (n < COUNT(r->args) && r->args[n].mask != 0)
        n++;
    put(f, IF_EQUAL, (uint32_t)r->call, 0, 3 * n + 2);
    for (size_t i = 0; i < n; i++) {
        const struct argument *a = &r->args[i];

        put(f, LOAD, (uint32_t)(offsetof(struct call_data, args[a->index]) + LOW), 0, 0);
        put(f, AND, a->mask, 0, 0);
        put(f, IF_EQUAL, a->value, 0, 3 * (n - 1 - i) + 1);
    }
    put(f, RETURN, ALLOW, 0, 0);
    if (last)
        put(f, RETURN, FAIL_WITH(r->err), 0, 0);
    else
        put_load_call(f);
}

static void put_rules(struct filter *f, const struct rule *list, size_t n)
{
    for (size_t i = 0; i < n; i++)
        put_rule(f, &list[i], i + 1 == n || list[i + 1].call != list[i].call);
}

/* A call by the table of another CPU would be mistaken for one of this. */
static void put_arch(struct filter *f)
{
    put(f, LOAD, offsetof(struct call_data, arch), 0, 0);
    put(f, IF_EQUAL, ARCH, 1, 0);
    put(f, RETURN, KILL, 0, 0);
    put_load_call(f);
#ifdef __x86_64__
    put(f, IF_LEAST, X32_BIT, 0, 1);
    put(f, RETURN, KILL, 0, 0);
#endif
}

/* Unknown calls end the process in a build with -DSANDBOX_UNKNOWN_KILLS, so that the tests show
 * that there is none: `make test-sandbox`. */
#ifdef SANDBOX_UNKNOWN_KILLS
#define UNKNOWN KILL
#else
#define UNKNOWN FAIL_WITH(ENOSYS)
#endif

static void filter_make(struct filter *f, bool alone)
{
    static const int opens[] = {
#ifdef SYS_open
        SYS_open,
#endif
        SYS_openat
    };
    static const int listens[] = { SYS_listen };
#ifdef SYS_clone3
    static const int structs[] = { SYS_clone3 }; /* its flags lie where a filter cannot read */
#endif

    f->n = 0;
    put_arch(f);
    put_list(f, allowed, COUNT(allowed), ALLOW);
    put_rules(f, rules, COUNT(rules));
    if (alone) {
        put_list(f, opens, COUNT(opens), ALLOW);
        put_list(f, allowed_alone, COUNT(allowed_alone), ALLOW);
    } else {
        put_rules(f, rules_for_files, COUNT(rules_for_files));
        put_list(f, listens, COUNT(listens), FAIL_WITH(EPERM));
    }
    put_list(f, deadly, COUNT(deadly), KILL);
#ifdef SYS_clone3
    put_list(f, structs, COUNT(structs), FAIL_WITH(ENOSYS));
#endif
    put(f, RETURN, UNKNOWN, 0, 0);
}

bool filter_is_there(void)
{
    uint32_t action = ALLOW;

    return syscall(SYS_seccomp, ACTION_AVAILABLE, 0, &action) == 0 ||
        (errno != ENOSYS && prctl(PR_GET_SECCOMP) >= 0);
}

/* A processor's guess at memory is no business of a filter here: nothing foreign runs in this
 * process, and some kernels would slow all of it down. */
int filter_install(bool alone)
{
    struct filter f;
    struct bpf_program program;
    int err;

    filter_make(&f, alone);
    program = (struct bpf_program){ (unsigned short)f.n, f.code };
    if (syscall(SYS_seccomp, SET_FILTER, SPECULATE, &program) == 0 ||
        prctl(PR_SET_SECCOMP, 2, &program) == 0)
        return 0;
    err = -errno;
    return filter_is_there() ? err : -ENOSYS;
}

#else

bool filter_is_there(void)
{
    return false;
}

int filter_install(bool alone)
{
    (void)alone;
    return -ENOSYS;
}

#endif
