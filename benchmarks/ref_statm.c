/* The C reference of bench_processes.py, and the processes it reads.
 *
 *   ref_statm spawn N    fork N children that sleep for ever; print "ready" and wait for the end of standard input
 *   ref_statm read FILE  open the statm of every pid in FILE; then for each line on standard input do one tick (list
 *                        /proc, pread every statm, add up the resident pages) and print its CPU nanoseconds and the sum
 */
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

static int spawn(int count) {
    for (int i = 0; i < count; i++) {
        pid_t pid = fork();
        if (pid < 0) { perror("fork"); return 1; }
        if (pid == 0) {
            prctl(PR_SET_PDEATHSIG, SIGKILL);
            for (;;) pause();
        }
    }
    puts("ready");
    fflush(stdout);
    while (getchar() != EOF) {}
    return 0; /* the children die with us */
}

static int read_all(const char *path) {
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    FILE *list = fopen(path, "r");
    if (!list) { perror(path); return 1; }
    int *fds = NULL, count = 0, pid;
    while (fscanf(list, "%d", &pid) == 1) {
        char name[64];
        snprintf(name, sizeof name, "/proc/%d/statm", pid);
        fds = realloc(fds, (count + 1) * sizeof *fds);
        if ((fds[count++] = open(name, O_RDONLY)) < 0) { perror(name); return 1; }
    }
    for (int c; (c = getchar()) != EOF;) {
        if (c != '\n') continue;
        struct timespec from, to;
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &from);
        long pages = 0, names = 0;
        DIR *proc = opendir("/proc");
        while (readdir(proc)) names++;
        closedir(proc);
        for (int i = 0; i < count; i++) {
            char line[128];
            ssize_t length = pread(fds[i], line, sizeof line - 1, 0);
            if (length <= 0) continue;
            line[length] = 0;
            pages += strtol(strchr(line, ' ') + 1, NULL, 10);
        }
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &to);
        printf("%lld %ld %ld\n", (to.tv_sec - from.tv_sec) * 1000000000LL + to.tv_nsec - from.tv_nsec, pages, names);
        fflush(stdout);
    }
    return 0;
}

int main(int argc, char **argv) {
    if (argc == 3 && !strcmp(argv[1], "spawn")) return spawn(atoi(argv[2]));
    if (argc == 3 && !strcmp(argv[1], "read")) return read_all(argv[2]);
    fprintf(stderr, "usage: ref_statm spawn N | read FILE\n");
    return 2;
}
