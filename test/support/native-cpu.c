// Runs single instructions on the host's CPU: the oracle of the software CPU's tests.
//
// stdin: for each test a struct test; stdout: for each a struct result. An instruction runs by sigreturn with TF set, so
// that it ends in SIGTRAP, or in the signal of its fault; both show all registers.

#define _GNU_SOURCE
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

#define CODE ((uint8_t *)0x10000000)
#define DATA ((uint8_t *)0x20000000)
#define READ_ONLY ((uint8_t *)0x20002000)
#define PAGE 4096
#define WINDOW 256

// GPRs in the order of their numbers.
struct state {
  uint64_t gpr[16], rflags, rip;
  uint8_t fxsave[512];
  uint8_t memory[WINDOW]; // around the boundary of two pages
};
struct test {
  uint8_t code[16];
  uint64_t entry; // offset in the code pages
  struct state state;
};
struct result {
  uint64_t signal, trap, error, address;
  struct state state;
};

static const int order[16] = {REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI,
                              REG_R8,  REG_R9,  REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15};
static uint8_t *const window = DATA + PAGE - WINDOW / 2;
static struct test test;

static void next_test(ucontext_t *context) {
  size_t n = fread(&test, sizeof test, 1, stdin);
  if (n != 1) {
    fflush(stdout);
    _exit(0);
  }
  memset(CODE, 0xcc, 3 * PAGE);
  memcpy(CODE + test.entry, test.code, 16);
  memset(DATA, 0, 2 * PAGE);
  memcpy(window, test.state.memory, WINDOW);
  greg_t *regs = context->uc_mcontext.gregs;
  for (int i = 0; i < 16; i++) regs[order[i]] = test.state.gpr[i];
  regs[REG_RIP] = (greg_t)(CODE + test.entry);
  regs[REG_EFL] = test.state.rflags | 0x100;
  uint8_t *image = (uint8_t *)context->uc_mcontext.fpregs;
  memcpy(image, test.state.fxsave, 416);
  // With an XSAVE header behind it (asm/sigcontext.h: FP_XSTATE_MAGIC1), the legacy parts count when their bits say so.
  if (*(uint32_t *)(image + 464) == 0x46505853) *(uint64_t *)(image + 512) |= 3;
}

static void handler(int signal, siginfo_t *info, void *data) {
  ucontext_t *context = data;
  greg_t *regs = context->uc_mcontext.gregs;
  // A repeated string instruction traps after each element.
  const int repeating = test.code[0] == 0xf2 || test.code[0] == 0xf3 || test.code[1] == 0xf2 || test.code[1] == 0xf3;
  if (signal == SIGTRAP && repeating && regs[REG_RIP] == (greg_t)(CODE + test.entry)) return;
  if (signal != SIGUSR1) {
    struct result result = {0};
    result.signal = signal;
    result.trap = regs[REG_TRAPNO];
    result.error = regs[REG_ERR];
    result.address = regs[REG_CR2];
    for (int i = 0; i < 16; i++) result.state.gpr[i] = regs[order[i]];
    result.state.rflags = regs[REG_EFL];
    result.state.rip = regs[REG_RIP];
    memcpy(result.state.fxsave, context->uc_mcontext.fpregs, 416);
    memcpy(result.state.memory, window, WINDOW);
    fwrite(&result, sizeof result, 1, stdout);
  }
  (void)info;
  next_test(context);
}

int main(void) {
  static uint8_t stack[1 << 18];
  static char in[1 << 20], out[1 << 20];
  setvbuf(stdin, in, _IOFBF, sizeof in);
  setvbuf(stdout, out, _IOFBF, sizeof out);
  const int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED;
  mmap(CODE, 3 * PAGE, PROT_READ | PROT_WRITE | PROT_EXEC, flags, -1, 0);
  mmap(DATA, 2 * PAGE, PROT_READ | PROT_WRITE, flags, -1, 0);
  mmap(READ_ONLY, PAGE, PROT_READ, flags, -1, 0);
  (void)*(volatile uint8_t *)READ_ONLY; // present, so that a write to it is a fault of its protection
  stack_t alternate = {.ss_sp = stack, .ss_size = sizeof stack};
  sigaltstack(&alternate, NULL);
  struct sigaction action = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO | SA_ONSTACK};
  const int signals[] = {SIGUSR1, SIGTRAP, SIGSEGV, SIGILL, SIGFPE, SIGBUS};
  for (size_t i = 0; i < sizeof signals / sizeof *signals; i++) sigaction(signals[i], &action, NULL);
  raise(SIGUSR1);
  return 1;
}
