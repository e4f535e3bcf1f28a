#include "loop.h"

#include <stdlib.h>
#include <sys/epoll.h>
#include <time.h>

struct watch {
  int fd;
  watch_fn ready; /* NULL once removed */
  void *opaque;
  struct watch *next_dead;
};

struct timer {
  double at;
  timer_fn expired;
  void *opaque;
  struct timer *next;
};

static int epoll_fd = -1;
static struct watch *dead;
static struct timer *timers; /* soonest first */
static bool running;

double now_ms(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

struct watch *loop_watch(int fd, uint32_t events, watch_fn ready, void *opaque) {
  if (epoll_fd < 0) epoll_fd = epoll_create1(EPOLL_CLOEXEC);
  struct watch *watch = calloc(1, sizeof *watch);
  *watch = (struct watch){.fd = fd, .ready = ready, .opaque = opaque};
  struct epoll_event event = {.events = events, .data.ptr = watch};
  epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event);
  return watch;
}

void loop_modify(struct watch *watch, uint32_t events) {
  struct epoll_event event = {.events = events, .data.ptr = watch};
  epoll_ctl(epoll_fd, EPOLL_CTL_MOD, watch->fd, &event);
}

void loop_unwatch(struct watch *watch) {
  if (!watch) return;
  epoll_ctl(epoll_fd, EPOLL_CTL_DEL, watch->fd, NULL);
  watch->ready = NULL; /* an event of the current batch may still name it */
  watch->next_dead = dead;
  dead = watch;
}

struct timer *loop_after(double ms, timer_fn expired, void *opaque) {
  struct timer *timer = calloc(1, sizeof *timer);
  *timer = (struct timer){.at = now_ms() + ms, .expired = expired, .opaque = opaque};
  struct timer **at = &timers;
  while (*at && (*at)->at <= timer->at) at = &(*at)->next;
  timer->next = *at;
  *at = timer;
  return timer;
}

void loop_cancel(struct timer *timer) {
  for (struct timer **at = &timers; timer && *at; at = &(*at)->next) {
    if (*at != timer) continue;
    *at = timer->next;
    free(timer);
    return;
  }
}

static void expire(void) {
  double now = now_ms();
  while (timers && timers->at <= now) {
    struct timer *timer = timers;
    timers = timer->next;
    timer->expired(timer->opaque);
    free(timer);
  }
}

void loop_run(void) {
  running = true;
  while (running) {
    struct epoll_event events[64];
    int wait = -1;
    if (timers) {
      double left = timers->at - now_ms();
      wait = left <= 0 ? 0 : (int)left + 1;
    }
    int n = epoll_wait(epoll_fd, events, 64, wait);
    for (int i = 0; i < n && running; i++) {
      struct watch *watch = events[i].data.ptr;
      if (watch->ready) watch->ready(watch->opaque, events[i].events);
    }
    while (dead) {
      struct watch *next = dead->next_dead;
      free(dead);
      dead = next;
    }
    if (running) expire();
  }
}

void loop_stop(void) { running = false; }
