// A QMP client that costs next to nothing, so that what it measures is the server. One JSON object on standard output.
//
//   qmp-load start PATH ROUNDS COMMAND...    from fork to the greeting; the process is killed then
//   qmp-load wait ROUNDS COMMAND...          from fork to the end of the process
//   qmp-load sequential PATH COUNT REQUEST   round trips, one at a time
//   qmp-load pipelined PATH COUNT REQUEST    all written at once, replies counted
//   qmp-load clients PATH CLIENTS COUNT REQUEST    every client sends as soon as it has its reply, COUNT in all
//   qmp-load idle PATH CLIENTS               negotiates, prints a line, reads and counts until standard input ends
//
// A request is sent as given plus LF; every line that does not begin with {"timestamp" is a reply.
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define NEGOTIATE "{\"execute\": \"qmp_capabilities\"}\n"
#define EVENT "{\"timestamp\""

static void fail(const char *what)
{
    perror(what);
    exit(1);
}

static double now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1e6 + t.tv_nsec / 1e3;
}

/** -1 when nobody listens yet. */
static int try_connect(const char *path)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        fail("socket");
    strncpy(address.sun_path, path, sizeof address.sun_path - 1);
    if (connect(fd, (struct sockaddr *)&address, sizeof address) == 0)
        return fd;
    close(fd);
    return -1;
}

static void write_all(int fd, const char *data, size_t size)
{
    while (size > 0) {
        ssize_t count = write(fd, data, size);
        if (count < 0)
            fail("write");
        data += count;
        size -= count;
    }
}

/** Counts replies in a stream that is cut anywhere. */
struct counter {
    char head[sizeof EVENT];
    size_t length;
    long replies, events;
};

static void count_lines(struct counter *c, const char *data, size_t size)
{
    const char *end = data + size;
    while (data < end) {
        const char *newline = memchr(data, '\n', end - data);
        const char *stop = newline ? newline : end;
        for (const char *p = data; p < stop && c->length < sizeof c->head - 1; p++)
            c->head[c->length++] = *p;
        if (!newline)
            return;
        if (c->length >= sizeof EVENT - 1 && memcmp(c->head, EVENT, sizeof EVENT - 1) == 0)
            c->events++;
        else
            c->replies++;
        c->length = 0;
        data = newline + 1;
    }
}

static void read_replies(int fd, struct counter *c, long until)
{
    static char buffer[1 << 18];
    while (c->replies < until) {
        ssize_t count = read(fd, buffer, sizeof buffer);
        if (count <= 0)
            fail("read");
        count_lines(c, buffer, count);
    }
}

/** Connected, greeted, negotiated. */
static int open_session(const char *path)
{
    struct counter c = { 0 };
    int fd = -1;
    for (int i = 0; i < 1000 && (fd = try_connect(path)) < 0; i++)
        usleep(10000);
    if (fd < 0)
        fail(path);
    read_replies(fd, &c, 1);
    write_all(fd, NEGOTIATE, sizeof NEGOTIATE - 1);
    read_replies(fd, &c, 2);
    return fd;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void print_sorted(const char *name, double *values, long count)
{
    qsort(values, count, sizeof *values, by_value);
    printf("\"%s\": {\"min\": %.3f, \"p50\": %.3f, \"p99\": %.3f, \"max\": %.3f}", name, values[0], values[count / 2],
           values[count * 99 / 100], values[count - 1]);
}

static void print_times(double *times, double *cpu, long count)
{
    printf("{");
    print_sorted("ms", times, count);
    printf(", ");
    print_sorted("cpuMs", cpu, count);
    printf("}\n");
}

/** Waits for a process. @returns the processor time that it used, in ms */
static double reap(pid_t pid)
{
    struct rusage usage;
    if (wait4(pid, NULL, 0, &usage) != pid)
        fail("wait4");
    return (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1e3 +
           (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e3;
}

static pid_t start(char **command)
{
    pid_t pid = fork();
    if (pid < 0)
        fail("fork");
    if (pid == 0) {
        execvp(command[0], command);
        fail(command[0]);
    }
    return pid;
}

static void run_start(const char *path, long rounds, char **command)
{
    double *times = calloc(rounds, sizeof *times), *cpu = calloc(rounds, sizeof *cpu);
    for (long i = 0; i < rounds; i++) {
        unlink(path);
        double begun = now_us();
        pid_t pid = start(command);
        int fd;
        while ((fd = try_connect(path)) < 0) {
            usleep(200);
            if (now_us() - begun > 30e6)
                fail("no greeting");
        }
        struct counter c = { 0 };
        read_replies(fd, &c, 1);
        times[i] = (now_us() - begun) / 1000;
        kill(pid, SIGKILL);
        cpu[i] = reap(pid);
        close(fd);
    }
    print_times(times, cpu, rounds);
}

static void run_wait(long rounds, char **command)
{
    double *times = calloc(rounds, sizeof *times), *cpu = calloc(rounds, sizeof *cpu);
    for (long i = 0; i < rounds; i++) {
        double begun = now_us();
        cpu[i] = reap(start(command));
        times[i] = (now_us() - begun) / 1000;
    }
    print_times(times, cpu, rounds);
}

static void print_rate(long count, double us)
{
    printf("{\"count\": %ld, \"perSecond\": %.1f}\n", count, count * 1e6 / us);
}

static void run_sequential(const char *path, long count, const char *request)
{
    int fd = open_session(path);
    size_t size = strlen(request);
    struct counter c = { 0 };
    double begun = now_us();
    for (long i = 0; i < count; i++) {
        write_all(fd, request, size);
        read_replies(fd, &c, i + 1);
    }
    print_rate(count, now_us() - begun);
}

static void run_pipelined(const char *path, long count, const char *request)
{
    int fd = open_session(path);
    size_t size = strlen(request);
    struct counter c = { 0 };
    const long batch = 65536 / size + 1;
    char *block = malloc(size * batch);
    for (long i = 0; i < batch; i++)
        memcpy(block + i * size, request, size);
    fcntl(fd, F_SETFL, O_NONBLOCK);
    size_t total = size * count, sent = 0;
    static char buffer[1 << 18];
    double begun = now_us();
    while (c.replies < count) {
        struct pollfd p = { fd, POLLIN | (sent < total ? POLLOUT : 0), 0 };
        if (poll(&p, 1, 60000) <= 0)
            fail("poll");
        if (p.revents & POLLOUT) {
            size_t at = sent % (size * batch);
            size_t part = size * batch - at;
            if (part > total - sent)
                part = total - sent;
            ssize_t done = write(fd, block + at, part);
            if (done > 0)
                sent += done;
        }
        if (p.revents & (POLLIN | POLLHUP)) {
            ssize_t done = read(fd, buffer, sizeof buffer);
            if (done <= 0 && errno != EAGAIN)
                fail("read");
            if (done > 0)
                count_lines(&c, buffer, done);
        }
    }
    print_rate(count, now_us() - begun);
}

static void run_clients(const char *path, long clients, long count, const char *request)
{
    size_t size = strlen(request);
    int *fds = calloc(clients, sizeof *fds);
    double *sent = calloc(clients, sizeof *sent);
    struct counter *counters = calloc(clients, sizeof *counters);
    double *times = calloc(count, sizeof *times);
    int epoll = epoll_create1(0);
    for (long i = 0; i < clients; i++) {
        fds[i] = open_session(path);
        struct epoll_event event = { .events = EPOLLIN, .data.u64 = i };
        epoll_ctl(epoll, EPOLL_CTL_ADD, fds[i], &event);
    }
    double begun = now_us();
    for (long i = 0; i < clients; i++) {
        sent[i] = now_us();
        write_all(fds[i], request, size);
    }
    long done = 0;
    while (done < count) {
        struct epoll_event events[64];
        int ready = epoll_wait(epoll, events, 64, 60000);
        if (ready <= 0)
            fail("epoll_wait");
        for (int e = 0; e < ready && done < count; e++) {
            long i = events[e].data.u64;
            char buffer[65536];
            ssize_t got = read(fds[i], buffer, sizeof buffer);
            if (got <= 0)
                fail("read");
            long before = counters[i].replies;
            count_lines(&counters[i], buffer, got);
            if (counters[i].replies == before)
                continue;
            double at = now_us();
            times[done++] = at - sent[i];
            sent[i] = at;
            write_all(fds[i], request, size);
        }
    }
    double us = now_us() - begun;
    printf("{\"perSecond\": %.1f, ", done * 1e6 / us);
    print_sorted("us", times, count);
    printf("}\n");
}

static void run_idle(const char *path, long clients)
{
    struct rlimit limit = { 1 << 16, 1 << 16 };
    setrlimit(RLIMIT_NOFILE, &limit);
    struct pollfd *fds = calloc(clients + 1, sizeof *fds);
    struct counter *counters = calloc(clients, sizeof *counters);
    for (long i = 0; i < clients; i++)
        fds[i] = (struct pollfd){ open_session(path), POLLIN, 0 };
    fds[clients] = (struct pollfd){ 0, POLLIN, 0 };
    printf("{\"clients\": %ld}\n", clients);
    fflush(stdout);
    while (poll(fds, clients + 1, -1) > 0 && !fds[clients].revents) {
        for (long i = 0; i < clients; i++) {
            char buffer[65536];
            ssize_t got = fds[i].revents ? read(fds[i].fd, buffer, sizeof buffer) : 0;
            if (got > 0)
                count_lines(&counters[i], buffer, got);
        }
    }
    long events = 0;
    for (long i = 0; i < clients; i++)
        events += counters[i].events;
    printf("{\"events\": %ld}\n", events);
}

int main(int argc, char **argv)
{
    const char *mode = argc > 3 ? argv[1] : "";
    if (strcmp(mode, "wait") == 0)
        run_wait(atol(argv[2]), argv + 3);
    else if (strcmp(mode, "idle") == 0)
        run_idle(argv[2], atol(argv[3]));
    else if (strcmp(mode, "start") == 0 && argc > 4)
        run_start(argv[2], atol(argv[3]), argv + 4);
    else if (strcmp(mode, "sequential") == 0 && argc > 4)
        run_sequential(argv[2], atol(argv[3]), argv[4]);
    else if (strcmp(mode, "pipelined") == 0 && argc > 4)
        run_pipelined(argv[2], atol(argv[3]), argv[4]);
    else if (strcmp(mode, "clients") == 0 && argc > 5)
        run_clients(argv[2], atol(argv[3]), atol(argv[4]), argv[5]);
    else
        return 2;
    return 0;
}
