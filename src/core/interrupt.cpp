#include "core/interrupt.h"

#include <csignal>

#include "dscompress/error.h"

namespace dsc {
namespace {

volatile std::sig_atomic_t interrupted = 0;

void on_signal(int signal) {
  if (interrupted) std::_Exit(130);
  interrupted = signal;
}

}  // namespace

void catch_interrupts() {
  std::signal(SIGINT, on_signal);
  std::signal(SIGTERM, on_signal);
}

bool is_interrupted() { return interrupted != 0; }

void throw_if_interrupted() {
  if (interrupted) throw Error(ErrorCode::cancelled, interrupted == SIGTERM ? "interrupted by SIGTERM" : "interrupted by Ctrl-C");
}

}  // namespace dsc
