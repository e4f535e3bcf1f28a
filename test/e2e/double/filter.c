#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "supervisor.h"

#if defined(__x86_64__)
#define NATIVE_ARCH AUDIT_ARCH_X86_64
#else
#define NATIVE_ARCH AUDIT_ARCH_AARCH64
#endif

struct program {
  struct sock_filter *code;
  unsigned short length;
};

static void emit(struct program *program, struct sock_filter instruction) {
  program->code[program->length++] = instruction;
}

static void load(struct program *program, size_t offset) {
  emit(program, (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)offset));
}

static void jump(struct program *program, uint16_t test, uint32_t value, int if_true, int if_false) {
  emit(program, (struct sock_filter)BPF_JUMP(BPF_JMP | test | BPF_K, value, (uint8_t)if_true, (uint8_t)if_false));
}

/* Each rule is: load number, compare, [load argument, mask, compare], return; a miss goes on with the next rule. */
static void emit_rule(struct program *program, const struct rule *rule) {
  int tests = rule->kind == RULE_ALWAYS ? 0 : rule->kind == RULE_RANGE ? 4 : 3;
  load(program, offsetof(struct seccomp_data, nr));
  jump(program, BPF_JEQ, (uint32_t)rule->number, 0, tests + 1);
  if (tests > 0) {
    uint32_t mask = rule->mask != 0 ? rule->mask : UINT32_MAX;
    load(program, offsetof(struct seccomp_data, args) + 8 * (size_t)rule->arg);
    emit(program, (struct sock_filter)BPF_STMT(BPF_ALU | BPF_AND | BPF_K, mask));
  }
  if (rule->kind == RULE_ANY_BIT) jump(program, BPF_JEQ, 0, 1, 0);
  if (rule->kind == RULE_NO_BIT) jump(program, BPF_JEQ, 0, 0, 1);
  if (rule->kind == RULE_EQUAL) jump(program, BPF_JEQ, rule->low, 0, 1);
  if (rule->kind == RULE_RANGE) {
    jump(program, BPF_JGE, rule->low, 0, 2);
    jump(program, BPF_JGT, rule->high, 1, 0);
  }
  emit(program, (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF));
}

int filter_install(const struct rule *rules, int count) {
  struct program program = {.code = calloc((size_t)count * 7 + 4, sizeof(struct sock_filter))};
  load(&program, offsetof(struct seccomp_data, arch));
  jump(&program, BPF_JEQ, NATIVE_ARCH, 1, 0);
  emit(&program, (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW));
  for (int i = 0; i < count; i++) emit_rule(&program, &rules[i]);
  emit(&program, (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW));
  struct sock_fprog filter = {.len = program.length, .filter = program.code};
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return -1;
  /* Killable waits: a signal must not make a call happen twice, as it has had its effect here. */
  unsigned flags = SECCOMP_FILTER_FLAG_NEW_LISTENER | SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV;
  int listener = (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &filter);
  free(program.code);
  return listener;
}
