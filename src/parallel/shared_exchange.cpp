#include "parallel/shared_exchange.h"

#include <fcntl.h>
#include <linux/futex.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <climits>
#include <csignal>
#include <cstring>
#include <ctime>
#include <stdexcept>
#include <thread>

#include "dscompress/error.h"

namespace dsc {
namespace {

using namespace std::chrono_literals;

constexpr auto kSpin = 200us;             // others are rarely later than this; a process that sleeps takes 50 us to wake
constexpr int kLooksBetweenYields = 64;   // where there are more ranks than cores, the other one needs this core
constexpr long kPatienceNanoseconds = 50'000'000;

using Number = std::atomic<std::uint32_t>;
static_assert(Number::is_always_lock_free && sizeof(Number) == 4, "the kernel's futex is a plain 32-bit number");

// std::atomic::wait is for the threads of one process alone.
void sleep_while(Number& number, std::uint32_t value) {
  const timespec patience{0, kPatienceNanoseconds};
  ::syscall(SYS_futex, &number, FUTEX_WAIT, value, &patience, nullptr, 0);
}
void wake_all(Number& number) { ::syscall(SYS_futex, &number, FUTEX_WAKE, INT_MAX, nullptr, nullptr, 0); }

bool is_reached(std::uint32_t number, std::uint32_t turn) { return static_cast<std::int32_t>(number - turn) >= 0; }  // it may wrap

bool spins_until(const Number& number, std::uint32_t turn) {
  const auto end = std::chrono::steady_clock::now() + kSpin;
  do {
    for (int look = 0; look < kLooksBetweenYields; ++look) {
      if (is_reached(number.load(std::memory_order_acquire), turn)) return true;
    }
    std::this_thread::yield();
  } while (std::chrono::steady_clock::now() < end);
  return false;
}

[[noreturn]] void cannot(const std::string& what, const std::string& path) {
  throw Error(ErrorCode::io, "cannot " + what + ": " + std::strerror(errno), {.file = path}, "set TMPDIR to a folder that can be written");
}

}  // namespace

// Of one rank; a cache line of its own, and new memory is zero.
struct alignas(64) SharedExchange::Place {
  Number turn;      // of its newest message
  Number sleepers;  // who wait for it
  std::atomic<pid_t> process;
};

// A rank writes message n into memory n % 2. Everyone has read message n - 2 by then: they gave message n - 1 after it.
SharedExchange::SharedExchange(const std::string& path, std::int64_t rank, std::int64_t size)
    : rank_(rank), size_(size), mapped_bytes_(static_cast<std::size_t>(size) * (sizeof(Place) + 2 * kMostBytes)) {
  const int file = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (file < 0) cannot("open memory that is shared", path);
  // Room that is promised: a full disk would be a signal at the first message.
  const int problem = ::posix_fallocate(file, 0, static_cast<off_t>(mapped_bytes_));
  void* mapped = problem ? MAP_FAILED : ::mmap(nullptr, mapped_bytes_, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  ::close(file);
  if (problem) errno = problem;
  if (mapped == MAP_FAILED) cannot("share memory", path);
  memory_ = static_cast<std::byte*>(mapped);
  place(rank_).process = ::getpid();
}

SharedExchange::~SharedExchange() { ::munmap(memory_, mapped_bytes_); }

SharedExchange::Place& SharedExchange::place(std::int64_t rank) const { return reinterpret_cast<Place*>(memory_)[rank]; }

std::byte* SharedExchange::message(std::int64_t rank, std::uint32_t turn) const {
  return memory_ + static_cast<std::size_t>(size_) * sizeof(Place) + static_cast<std::size_t>(2 * rank + turn % 2) * kMostBytes;
}

void SharedExchange::wait_for(std::int64_t rank, std::uint32_t turn, const std::function<void()>& look) const {
  Place& other = place(rank);
  if (spins_until(other.turn, turn)) return;
  other.sleepers.fetch_add(1);
  while (true) {
    const std::uint32_t seen = other.turn;
    if (is_reached(seen, turn)) break;
    sleep_while(other.turn, seen);
    if (is_reached(other.turn, turn)) break;
    const pid_t process = other.process;
    if (process != 0 && ::kill(process, 0) != 0 && errno == ESRCH) {
      look();  // may know why
      throw std::runtime_error("the process of rank " + std::to_string(rank) + " ended");
    }
    look();
  }
  other.sleepers.fetch_sub(1);
}

void SharedExchange::exchange(const void* own, std::size_t bytes, const std::vector<void*>& all, const std::function<void()>& look) {
  ++turn_;
  std::memcpy(message(rank_, turn_), own, bytes);
  Place& mine = place(rank_);
  mine.turn = turn_;
  if (mine.sleepers != 0) wake_all(mine.turn);
  for (std::int64_t rank = 0; rank < size_; ++rank) {
    if (rank != rank_) wait_for(rank, turn_, look);
    std::memcpy(all[static_cast<std::size_t>(rank)], message(rank, turn_), bytes);
  }
}

}  // namespace dsc
