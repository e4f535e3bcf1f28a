/* The supervisor's one loop: descriptors and timers. Nothing in it blocks. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

typedef void (*watch_fn)(void *opaque, uint32_t events);
typedef void (*timer_fn)(void *opaque);
struct watch;
struct timer;

double now_ms(void);

struct watch *loop_watch(int fd, uint32_t events, watch_fn ready, void *opaque);
void loop_modify(struct watch *watch, uint32_t events);
void loop_unwatch(struct watch *watch); /* before the descriptor is closed; NULL is fine */

struct timer *loop_after(double ms, timer_fn expired, void *opaque); /* once */
void loop_cancel(struct timer *timer);                               /* NULL is fine; not after it expired */

void loop_run(void); /* until loop_stop() */
void loop_stop(void);
