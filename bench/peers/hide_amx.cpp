// Hides AMX from the programs of the process that loads this library, so that one that takes it wherever
// CPUID shows it can be measured with AVX-512 VNNI. Linux lets a processor with CPUID faulting (Ivy Bridge
// and later) raise SIGSEGV at each CPUID of a thread and of those that it starts (arch_prctl(2),
// ARCH_SET_CPUID); the handler executes it and clears the bits.

#include <cpuid.h>
#include <signal.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#include <cstdint>
#include <cstring>

namespace {

constexpr unsigned long kSetCpuid = 0x1012;                    // ARCH_SET_CPUID of asm/prctl.h
constexpr unsigned kAmxBits = 1U << 22 | 1U << 24 | 1U << 25;  // leaf 7, EDX: AMX-BF16, -TILE, -INT8
constexpr unsigned char kCpuid[2] = {0x0f, 0xa2};

long allow_cpuid(bool allowed) {
  return syscall(SYS_arch_prctl, kSetCpuid, static_cast<unsigned long>(allowed));
}

void answer_cpuid(int, siginfo_t*, void* context) {
  greg_t* registers = static_cast<ucontext_t*>(context)->uc_mcontext.gregs;
  if (std::memcmp(reinterpret_cast<const void*>(registers[REG_RIP]), kCpuid, sizeof kCpuid) != 0) {
    signal(SIGSEGV, SIG_DFL);  // a fault of the program's own: it comes again
    return;
  }
  const auto leaf = static_cast<unsigned>(registers[REG_RAX]),
             part = static_cast<unsigned>(registers[REG_RCX]);
  unsigned a = 0, b = 0, c = 0, d = 0;
  allow_cpuid(true);
  __cpuid_count(leaf, part, a, b, c, d);
  allow_cpuid(false);
  if (leaf == 7 && part == 0) d &= ~kAmxBits;
  registers[REG_RAX] = a;
  registers[REG_RBX] = b;
  registers[REG_RCX] = c;
  registers[REG_RDX] = d;
  registers[REG_RIP] += sizeof kCpuid;
}

}  // namespace

/// 0, or -1 where the processor can't do it.
extern "C" int hide_amx() {
  struct sigaction action {};
  action.sa_sigaction = answer_cpuid;
  action.sa_flags = SA_SIGINFO | SA_NODEFER;
  if (sigaction(SIGSEGV, &action, nullptr) != 0) return -1;
  return static_cast<int>(allow_cpuid(false));
}
