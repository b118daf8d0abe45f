/* A process that fills memory at a given rate, for bench_reaction.py.
 *
 *   ref_touch LEVEL TOP RATE   for each line on standard input, a cgroup's path: read its limit and usage, move into it,
 *                              touch page after page at RATE bytes a second up to TOP of the limit, rest for 0.4 s, give
 *                              all back; print the CLOCK_MONOTONIC nanoseconds just before the page that crossed LEVEL
 *
 * Which page crosses is read from the kernel's own counter once it is near: page tables are charged too.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

enum { PAGE = 4096 };

static long long now(void) {
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    return at.tv_sec * 1000000000LL + at.tv_nsec;
}

static int open_in(const char *directory, const char *file, int flags) {
    char path[4200];
    snprintf(path, sizeof path, "%s/%s", directory, file);
    int fd = open(path, flags | O_CLOEXEC);
    if (fd < 0) { perror(path); exit(1); }
    return fd;
}

static long long number(int fd) {
    char text[64] = "";
    if (pread(fd, text, sizeof text - 1, 0) <= 0) { perror("pread"); exit(1); }
    return atoll(text);
}

static void enter(const char *directory) {
    int fd = open_in(directory, "tasks", O_WRONLY);
    if (write(fd, "0", 1) != 1) { perror("tasks"); exit(1); }
    close(fd);
}

static void round_in(const char *directory, double level, double top, double rate) {
    enter(directory);
    int usage = open_in(directory, "memory.usage_in_bytes", O_RDONLY);
    int limit_file = open_in(directory, "memory.limit_in_bytes", O_RDONLY);
    long long limit = number(limit_file), before = number(usage), crossed = 0;
    long long size = (long long)(top * limit) - before, near = (long long)((level - 0.01) * limit) - before;
    char *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) { perror("mmap"); exit(1); }
    madvise(memory, size, MADV_NOHUGEPAGE);
    long long began = now();
    for (long long at = 0; at < size; at += PAGE) {
        long long then = now();
        memory[at] = 1;
        if (!crossed && at > near && number(usage) > level * limit) crossed = then;
        if (at % (64 * PAGE) == 0)
            while ((now() - began) * rate / 1e9 < at) {} /* a batch of charges ahead of its time waits */
    }
    close(usage);
    close(limit_file);
    usleep(400000);
    munmap(memory, size);
    printf("%lld\n", crossed);
    fflush(stdout);
}

int main(int argc, char **argv) {
    if (argc != 4) {
        fprintf(stderr, "usage: ref_touch LEVEL TOP RATE\n");
        return 2;
    }
    puts("ready");
    fflush(stdout);
    char directory[4096];
    while (fgets(directory, sizeof directory, stdin)) {
        directory[strcspn(directory, "\n")] = 0;
        round_in(directory, atof(argv[1]), atof(argv[2]), atof(argv[3]));
    }
    return 0;
}
