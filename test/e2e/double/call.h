/* One system call of the target that waits for the supervisor's answer, and what can be done about it. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct call;
typedef void (*call_handler)(struct call *call);

struct call {
  uint64_t id;
  pid_t thread;
  int number;
  uint64_t args[6];
  call_handler handler;
  bool fault_done; /* a scripted fault was looked up already (the call was delayed) */
  int fault;
};

/* Answers. Each ends the call; a target that has died meanwhile is not an error. */
void answer_value(const struct call *call, int64_t value);
void answer_error(const struct call *call, int error); /* 0 answers 0 */
void answer_continue(const struct call *call);         /* the kernel executes it as it stands */
/* Gives the target a copy of `fd` as the call's result. Returns its number there, or -errno (answered too). */
int answer_fd(const struct call *call, int fd, bool close_on_exec);
/* Replaces the target's descriptor `number` by a copy of `fd`; the call still waits. */
bool replace_fd(const struct call *call, int fd, int number);
bool call_waits(const struct call *call);
struct call *call_keep(const struct call *call); /* for an answer later; free() it */

/* The target's memory: whole ranges only, false when any byte is out of reach. */
bool target_read(pid_t thread, uint64_t address, void *data, size_t size);
bool target_write(pid_t thread, uint64_t address, const void *data, size_t size);
/* A NUL-terminated path; false when it does not fit or cannot be read. */
bool target_path(const struct call *call, uint64_t address, char *path, size_t size);

/* Which open file, inode or socket a descriptor stands for. */
struct file_id {
  uint64_t device, inode;
};
bool same_file(struct file_id a, struct file_id b);
struct file_id file_id_of(int own_fd);
bool target_file(const struct call *call, int fd, struct file_id *id);

pid_t target_process(pid_t thread); /* thread group; 0 when gone */
int target_dup(const struct call *call, int fd); /* the same open file description here, or -1 */
bool target_capable(pid_t thread, int capability);

/* Makes the thread run its system call again with other arguments. Answers the call. */
void call_again(const struct call *call, const uint64_t args[6]);
