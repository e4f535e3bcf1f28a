/* Runs the target under a seccomp filter that hands chosen system calls to this process. */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "call.h"

enum rule_kind { RULE_ALWAYS, RULE_ANY_BIT, RULE_NO_BIT, RULE_EQUAL, RULE_RANGE };

/* A call is handed over when the low 32 bits of argument `arg` satisfy the rule. */
struct rule {
  int number;
  call_handler handler;
  enum rule_kind kind;
  int arg;
  uint32_t mask;      /* RULE_EQUAL and RULE_RANGE compare what it leaves */
  uint32_t low, high; /* inclusive; RULE_EQUAL uses low */
};

/* Installs the filter for `rules` in this process and its children; returns the listener or -1. */
int filter_install(const struct rule *rules, int count);

/* Starts argv under the rules; the loop stops when it and all that it started are gone. False after a message. */
bool supervisor_start(const struct rule *rules, int count, char **argv);
/* After the loop: the status of the target, as waitpid gives it. */
int supervisor_status(void);
/* A wait elsewhere (ptrace) saw this process end. */
void target_ended(pid_t pid, int status);
void supervisor_kill(void); /* SIGKILL to the target */
/* Whether this host can do all that the double needs; prints the reason if not. */
bool supervisor_check(void);
