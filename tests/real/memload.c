// memload STEP [+ STEP]...: holds memory in one named way after another, prints "ready", then sleeps until SIGTERM.
// Sizes are MiB. One static binary, so that it runs in an empty image and on an emulated machine. `steps` lists them.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MIB (1024UL * 1024)
#define PAGE 4096UL
#define SHM_FILE "/dev/shm/memload"

static void fail(const char *what) {
    fprintf(stderr, "memload: %s: %s\n", what, strerror(errno));
    exit(1);
}

static void say(const char *word) {
    printf("%s\n", word);
    fflush(stdout);
}

static void rest(double seconds) {
    struct timespec left = {(time_t)seconds, (long)((seconds - (double)(time_t)seconds) * 1e9)};
    while (nanosleep(&left, &left) && errno == EINTR) { }
}

static size_t mib(const char *number) {
    char *end;
    double value = strtod(number, &end);
    if (*end || value <= 0) {
        fprintf(stderr, "memload: \"%s\" is no size; write a number of MiB\n", number);
        exit(2);
    }
    return (size_t)(value * (double)MIB) & ~(PAGE - 1);
}

static void touch(volatile char *memory, size_t size) {
    for (size_t at = 0; at < size; at += PAGE) memory[at] = (char)(at / PAGE | 1);
}

static void look(const volatile char *memory, size_t size) {
    for (size_t at = 0; at < size; at += PAGE) (void)memory[at];
}

static char *anon_pages(size_t size) {
    char *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) fail("mmap");
    touch(memory, size);
    return memory;
}

static void fill(int fd, size_t size) {
    static char block[MIB];
    memset(block, 'm', sizeof block);
    for (size_t written = 0; written < size;) {
        size_t want = size - written < sizeof block ? size - written : sizeof block;
        ssize_t count = write(fd, block, want);
        if (count <= 0) fail("write");
        written += (size_t)count;
    }
}

// A clean file whose pages nobody is charged for yet: who touches them first pays.
static int cold_file(const char *path, size_t size) {
    int fd = open(path, O_RDWR | O_CREAT, 0600);
    struct stat found;
    if (fd < 0 || fstat(fd, &found)) fail(path);
    if ((size_t)found.st_size < size) fill(fd, size);
    fsync(fd);
    posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
    return fd;
}

static char *mapped_file(const char *path, size_t size) {
    int fd = cold_file(path, size);
    char *memory = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);
    if (memory == MAP_FAILED) fail("mmap");
    close(fd);
    return memory;
}

static void step_anon(char **args) { anon_pages(mib(args[0])); }

static void step_mmap_file(char **args) {
    size_t size = mib(args[1]);
    char *memory = mapped_file(args[0], size);
    look(memory, size);
    look(memory, size);
}

// Reading twice puts page cache on the active list (mark_page_accessed); touching a mapping does not.
static void step_read_file(char **args) {
    static char block[MIB];
    size_t size = mib(args[1]);
    int fd = cold_file(args[0], size);
    for (int pass = 0; pass < 2; pass++)
        for (size_t at = 0; at < size; at += sizeof block)
            if (pread(fd, block, sizeof block, (off_t)at) <= 0) fail("pread");
    close(fd);
}

static void write_shm(const char *path, size_t size) {
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
    if (fd < 0) fail(path);
    fill(fd, size);
    close(fd);
}

static void step_shm(char **args) { write_shm(SHM_FILE, mib(args[0])); }

static void step_shm_orphan(char **args) {
    size_t size = mib(args[0]);
    pid_t child = fork();
    if (child == 0) {
        write_shm(SHM_FILE, size);
        _exit(0);
    }
    waitpid(child, NULL, 0);
}

static void step_shm_map(char **args) {
    (void)args;
    struct stat found;
    int fd = open(SHM_FILE, O_RDONLY);
    if (fd < 0 || fstat(fd, &found)) fail(SHM_FILE);
    char *memory = mmap(NULL, (size_t)found.st_size, PROT_READ, MAP_SHARED, fd, 0);
    if (memory == MAP_FAILED) fail("mmap");
    look(memory, (size_t)found.st_size);
}

static void step_mlock(char **args) {
    size_t size = mib(args[0]);
    if (mlock(anon_pages(size), size)) fail("mlock");
}

static void step_mlock_file(char **args) {
    size_t size = mib(args[1]);
    if (mlock(mapped_file(args[0], size), size)) fail("mlock");
}

static void step_memfd(char **args) {
    int fd = memfd_create("memload", 0);
    if (fd < 0) fail("memfd_create");
    fill(fd, mib(args[0]));
}

static void step_madvfree(char **args) {
    size_t size = mib(args[0]);
    if (madvise(anon_pages(size), size, MADV_FREE)) fail("madvise");
}

static void step_swap(char **args) {
    size_t size = mib(args[0]);
    if (madvise(anon_pages(size), size, MADV_PAGEOUT)) fail("madvise");
}

static void step_fork(char **args) {
    size_t size = mib(args[0]), own = mib(args[2]);
    char *memory = anon_pages(size);
    int ready[2];
    if (pipe(ready)) fail("pipe");
    for (int worker = atoi(args[1]); worker > 0; worker--) {
        if (fork()) continue;
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        touch(memory, own < size ? own : size);
        if (write(ready[1], "r", 1) != 1) _exit(1);
        for (;;) pause();
    }
    for (int worker = atoi(args[1]); worker > 0; worker--) {
        char word;
        if (read(ready[0], &word, 1) != 1) fail("read");
    }
}

static void step_dentries(char **args) {
    char path[96];
    struct stat found;
    struct timespec now; // a name that was looked up before is in the cache already, charged to someone else
    clock_gettime(CLOCK_REALTIME, &now);
    for (long name = 0; name < atol(args[0]); name++) {
        snprintf(path, sizeof path, "/tmp/memload-%ld-%ld-%ld", (long)now.tv_sec, now.tv_nsec, name);
        stat(path, &found);
    }
}

static void step_leak(char **args) {
    double rate = atof(args[0]);
    say("ready");
    for (;;) {
        anon_pages(MIB / 4);
        rest(0.25 / rate);
    }
}

static void step_grow(char **args) {
    size_t size = mib(args[0]), piece = size / 100 & ~(PAGE - 1);
    say("ready");
    for (int part = 0; part < 100; part++) {
        anon_pages(piece ? piece : PAGE);
        rest(atof(args[1]) / 100);
    }
}

static void step_spike(char **args) {
    size_t size = mib(args[0]);
    char *memory = anon_pages(size);
    rest(atof(args[1]));
    munmap(memory, size);
}

static void step_thrash(char **args) {
    size_t size = mib(args[1]);
    char *memory = mapped_file(args[0], size);
    for (int pass = 0;; pass++) {
        look(memory, size);
        if (pass == 0) say("ready");
    }
}

// The child asks for more than the limit and is the OOM killer's first choice; this process lives on.
static void step_worker_oom(char **args) {
    size_t size = mib(args[0]);
    pid_t child = fork();
    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        int fd = open("/proc/self/oom_score_adj", O_WRONLY);
        if (fd < 0 || write(fd, "1000", 4) != 4) fail("oom_score_adj");
        anon_pages(size);
        _exit(0);
    }
    int status;
    waitpid(child, &status, 0);
    if (WIFSIGNALED(status)) printf("worker signal %d\n", WTERMSIG(status));
    else printf("worker exit %d\n", WEXITSTATUS(status));
}

// The truth about what is left: a child takes page after page until the kernel kills it, and counts.
static void step_probe(char **args) {
    (void)args;
    volatile size_t *taken = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (taken == MAP_FAILED) fail("mmap");
    pid_t child = fork();
    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        int fd = open("/proc/self/oom_score_adj", O_WRONLY);
        if (fd < 0 || write(fd, "1000", 4) != 4) fail("oom_score_adj");
        for (;; *taken += MIB / 4) anon_pages(MIB / 4);
    }
    waitpid(child, NULL, 0);
    printf("room %zu\n", *taken);
    fflush(stdout);
    _exit(0);
}

static void step_deaf(char **args) {
    (void)args;
    signal(SIGTERM, SIG_IGN);
}

static void step_wait(char **args) { rest(atof(args[0])); }

static const struct step {
    const char *name;
    int arguments;
    void (*run)(char **args);
    const char *usage;
} steps[] = {
    {"anon", 1, step_anon, "N\tanonymous pages, written"},
    {"mmap-file", 2, step_mmap_file, "PATH N\ta file of N, mapped read-only and touched twice"},
    {"read-file", 2, step_read_file, "PATH N\ta file of N, read twice: active page cache"},
    {"shm", 1, step_shm, "N\ta file in /dev/shm"},
    {"shm-orphan", 1, step_shm_orphan, "N\tthe same, its writer gone"},
    {"shm-map", 0, step_shm_map, "\tmaps and reads what another process wrote with shm"},
    {"mlock", 1, step_mlock, "N\tanonymous pages, locked"},
    {"mlock-file", 2, step_mlock_file, "PATH N\ta mapped file, locked"},
    {"memfd", 1, step_memfd, "N\ta memfd, written and not mapped"},
    {"madvfree", 1, step_madvfree, "N\tpages given back with MADV_FREE"},
    {"swap", 1, step_swap, "N\tpages pushed out with MADV_PAGEOUT"},
    {"fork", 3, step_fork, "N W D\tN here, W children that share them and each write D of them"},
    {"dentries", 1, step_dentries, "COUNT\tnames that do not exist, looked up"},
    {"spike", 2, step_spike, "N SECONDS\tN for so long, given back before ready"},
    {"worker-oom", 1, step_worker_oom, "N\ta child that asks for N and is killed at the limit; prints how it ended"},
    {"probe", 0, step_probe, "\tprints how many bytes a child could still take before it was killed, and ends (last step)"},
    {"deaf", 0, step_deaf, "\tignores SIGTERM from here on"},
    {"wait", 1, step_wait, "SECONDS\tsleeps before the next step"},
    {"leak", 1, step_leak, "MIB_PER_SECOND\tready, then grows for ever (last step)"},
    {"grow", 2, step_grow, "N SECONDS\tready, then grows to N in so long"},
    {"thrash", 2, step_thrash, "PATH N\tready after one pass, then touches the mapped file for ever (last step)"},
};

static const struct step *named(const char *name) {
    for (size_t at = 0; at < sizeof steps / sizeof *steps; at++)
        if (strcmp(steps[at].name, name) == 0) return &steps[at];
    return NULL;
}

static void usage(const char *wrong) {
    fprintf(stderr, "memload: \"%s\" is no step or lacks its arguments; the steps, joined by +:\n", wrong);
    for (size_t at = 0; at < sizeof steps / sizeof *steps; at++)
        fprintf(stderr, "  %s %s\n", steps[at].name, steps[at].usage);
    exit(2);
}

static void leave(int signal_number) { _exit(128 + signal_number); }

int main(int count, char **args) {
    signal(SIGTERM, leave); // as PID 1 the default action would be to ignore it
    for (int at = 1; at < count;) {
        const struct step *step = named(args[at]);
        if (!step || at + step->arguments >= count) usage(args[at]);
        step->run(args + at + 1);
        at += step->arguments + 1;
        if (at < count && strcmp(args[at++], "+") != 0) usage(args[at - 1]);
    }
    say("ready");
    for (;;)
        if (wait(NULL) < 0) pause();
}
