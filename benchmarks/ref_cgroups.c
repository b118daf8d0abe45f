/* The C reference of bench_cgroups.py, and the one who changes the cgroups that it reads. DIRS names a directory a line.
 *
 *   ref_cgroups read DIRS FILE...  open these files of every directory; then for each line on standard input do one tick
 *                                  (pread them all) and print its CPU nanoseconds and the bytes read
 *   ref_cgroups dirty DIRS         for each line on standard input charge some pages to every cgroup or, every other time,
 *                                  give all of them back; then print "done"
 *
 * A thread that writes 0 into `tasks` moves itself, which needs no lock against exits and so is quick
 * (cgroup_procs_write_start, kernel/cgroup/cgroup.c); its charges stay behind.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

/* memory.stat shows a change at once only from 64 updates for each processor on (mm/memcontrol.c, MEMCG_CHARGE_BATCH and
 * memcg_vmstats_needs_flush), and a page of a memfd is a few of them. */
enum { PAGES = 100 };

static int *fds, count;

static void fail(const char *what) {
    perror(what);
    exit(1);
}

static void keep(const char *directory, const char *file, int flags) {
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", directory, file);
    fds = realloc(fds, (count + 1) * sizeof *fds);
    if ((fds[count++] = open(path, flags | O_CLOEXEC)) < 0) fail(path);
}

static void read_all(void) {
    static char data[16384];
    struct timespec from, to;
    long sum = 0;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &from);
    for (int at = 0; at < count; at++) sum += pread(fds[at], data, sizeof data, 0);
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &to);
    printf("%lld %ld\n", (to.tv_sec - from.tv_sec) * 1000000000LL + to.tv_nsec - from.tv_nsec, sum);
}

static void dirty_all(int memory, int round) {
    static char pages[PAGES * 4096];
    if (round % 2 == 1 && ftruncate(memory, 0)) fail("ftruncate");
    for (int at = 0; at < count && round % 2 == 0; at++) {
        if (pwrite(fds[at], "0", 1, 0) != 1) fail("tasks");
        if (pwrite(memory, pages, sizeof pages, (off_t)at * sizeof pages) != sizeof pages) fail("memfd");
    }
    puts("done");
}

int main(int argc, char **argv) {
    int reads = argc > 3 && !strcmp(argv[1], "read");
    if (!reads && (argc != 3 || strcmp(argv[1], "dirty"))) {
        fprintf(stderr, "usage: ref_cgroups read DIRS FILE... | dirty DIRS\n");
        return 2;
    }
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    FILE *list = fopen(argv[2], "r");
    if (!list) fail(argv[2]);
    char directory[4000];
    while (fgets(directory, sizeof directory, list)) {
        directory[strcspn(directory, "\n")] = 0;
        if (!reads) keep(directory, "tasks", O_WRONLY);
        for (int at = 3; at < argc; at++) keep(directory, argv[at], O_RDONLY);
    }
    int memory = memfd_create("ref_cgroups", MFD_CLOEXEC);
    if (memory < 0) fail("memfd_create");
    puts("ready");
    fflush(stdout);
    for (int c, round = 0; (c = getchar()) != EOF;) {
        if (c != '\n') continue;
        if (reads) read_all();
        else dirty_all(memory, round++);
        fflush(stdout);
    }
    return 0;
}
