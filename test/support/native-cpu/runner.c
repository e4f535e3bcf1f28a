/*
 * Runs machine code on this host's CPU from given register states and tells the states after it.
 *
 * stdin: { u32 code bytes, u32 states, code, states }...; stdout: as many states. A state is `struct state`; code may use
 * XMM0 to XMM2, RAX RCX RDX RBX and RFLAGS, the x87, and memory from MEM on, which RSI points to.
 */
#define _GNU_SOURCE
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>

#define CODE 0x20000000ul
#define MEM 0x30000000ul

struct state {
  uint8_t xmm[3][16];
  uint64_t gpr[4];
  uint64_t rflags;
  uint32_t mxcsr;
  uint16_t fcw, fsw;
  uint8_t ftw;
  uint8_t pad[3];
  /* Signal that ended the code, or 0. */
  uint32_t signal;
  /* Physical registers R0 to R7. */
  uint8_t st[8][16];
  uint8_t mem[128];
};
_Static_assert(sizeof(struct state) == 360, "the state that native-cpu.ts knows");

struct fx {
  uint16_t fcw, fsw;
  uint8_t ftw, reserved;
  uint16_t fop;
  uint64_t fip, fdp;
  uint32_t mxcsr, mxcsr_mask;
  uint8_t st[8][16];
  uint8_t xmm[16][16];
  uint8_t rest[96];
} __attribute__((aligned(16)));

static struct fx fx;
static uint64_t gpr[4], rflags, saved_rsp;
static sigjmp_buf back;
static struct state *current;

static void collect(struct state *s, const struct fx *f, const uint64_t *g, uint64_t flags) {
  memcpy(s->xmm, f->xmm, sizeof s->xmm);
  memcpy(s->gpr, g, sizeof s->gpr);
  s->rflags = flags & 0x8d5;
  s->mxcsr = f->mxcsr;
  s->fcw = f->fcw;
  s->fsw = f->fsw;
  s->ftw = f->ftw;
  int top = f->fsw >> 11 & 7;
  for (int i = 0; i < 8; i++) {
    memcpy(s->st[(top + i) & 7], f->st[i], 10);
    memset(s->st[(top + i) & 7] + 10, 0, 6);
  }
  memcpy(s->mem, (void *)MEM, sizeof s->mem);
}

static void caught(int signal, siginfo_t *info, void *context) {
  (void)info;
  ucontext_t *uc = context;
  greg_t *r = uc->uc_mcontext.gregs;
  uint64_t g[4] = {r[REG_RAX], r[REG_RCX], r[REG_RDX], r[REG_RBX]};
  collect(current, (struct fx *)uc->uc_mcontext.fpregs, g, r[REG_EFL]);
  current->signal = signal;
  siglongjmp(back, 1);
}

static void run(struct state *s) {
  memset(&fx, 0, sizeof fx);
  fx.fcw = s->fcw;
  fx.fsw = s->fsw;
  fx.ftw = s->ftw;
  fx.mxcsr = s->mxcsr;
  int top = s->fsw >> 11 & 7;
  for (int i = 0; i < 8; i++) memcpy(fx.st[i], s->st[(top + i) & 7], 10);
  memcpy(fx.xmm, s->xmm, sizeof s->xmm);
  memcpy(gpr, s->gpr, sizeof gpr);
  rflags = s->rflags | 0x202;
  memcpy((void *)MEM, s->mem, sizeof s->mem);
  current = s;
  s->signal = 0;
  if (sigsetjmp(back, 1)) return;
  asm volatile(
      "fxrstor64 %[fx]\n\t"
      "push %%rbp\n\t"
      "mov %%rsp, %[rsp]\n\t"
      "push %[rflags]\n\t"
      "popfq\n\t"
      "mov %[a], %%rax\n\t"
      "mov %[c], %%rcx\n\t"
      "mov %[d], %%rdx\n\t"
      "mov %[b], %%rbx\n\t"
      "mov %[mem], %%rsi\n\t"
      "mov %[code], %%rdi\n\t"
      "call *%%rdi\n\t"
      "mov %%rax, %[a]\n\t"
      "mov %%rcx, %[c]\n\t"
      "mov %%rdx, %[d]\n\t"
      "mov %%rbx, %[b]\n\t"
      "pushfq\n\t"
      "pop %[rflags]\n\t"
      "mov %[rsp], %%rsp\n\t"
      "pop %%rbp\n\t"
      "fxsave64 %[fx]\n\t"
      "fninit\n\t"
      "cld\n\t"
      : [fx] "+m"(fx), [a] "+m"(gpr[0]), [c] "+m"(gpr[1]), [d] "+m"(gpr[2]), [b] "+m"(gpr[3]), [rflags] "+m"(rflags),
        [rsp] "+m"(saved_rsp)
      : [mem] "i"(MEM), [code] "i"(CODE)
      : "rax", "rcx", "rdx", "rbx", "rsi", "rdi", "r8", "r9", "r10", "r11", "memory", "cc");
  uint32_t clean = 0x1f80;
  asm volatile("ldmxcsr %0" ::"m"(clean));
  collect(s, &fx, gpr, rflags);
}

int main(void) {
  uint8_t *code = mmap((void *)CODE, 4096, PROT_READ | PROT_WRITE | PROT_EXEC,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
  uint8_t *mem = mmap((void *)MEM, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
  if (code == MAP_FAILED || mem == MAP_FAILED) return perror("mmap"), 1;
  static uint8_t stack[65536];
  stack_t alternate = {.ss_sp = stack, .ss_size = sizeof stack};
  sigaltstack(&alternate, NULL);
  struct sigaction action = {.sa_sigaction = caught, .sa_flags = SA_SIGINFO | SA_ONSTACK};
  int signals[] = {SIGFPE, SIGSEGV, SIGILL, SIGBUS, SIGTRAP};
  for (unsigned i = 0; i < sizeof signals / sizeof *signals; i++) sigaction(signals[i], &action, NULL);
  uint32_t head[2];
  while (fread(head, sizeof head, 1, stdin) == 1) {
    if (head[0] > 4000 || head[1] > 1000000) return 2;
    struct state *states = malloc(head[1] * sizeof *states);
    if (fread(code, 1, head[0], stdin) != head[0] || fread(states, sizeof *states, head[1], stdin) != head[1]) return 2;
    code[head[0]] = 0xc3;
    for (uint32_t i = 0; i < head[1]; i++) run(&states[i]);
    fwrite(states, sizeof *states, head[1], stdout);
    fflush(stdout);
    free(states);
  }
  return 0;
}
