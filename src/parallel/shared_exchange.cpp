#include "parallel/shared_exchange.h"

#include <fcntl.h>
#include <linux/futex.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
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
  Number turn;      // how many times it has arrived
  Number sleepers;  // who wait for it
  std::atomic<pid_t> process;
};

// A rank writes operation n's message into memory n % 2. Everyone has read that of n - 2 by then: they arrived in n - 1 after it.
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

std::byte* SharedExchange::message(std::int64_t rank) const {
  return memory_ + static_cast<std::size_t>(size_) * sizeof(Place) + static_cast<std::size_t>(2 * rank + operation_ % 2) * kMostBytes;
}

void SharedExchange::wait_for(std::int64_t rank, const Look& look) const {
  Place& other = place(rank);
  if (spins_until(other.turn, turn_)) return;
  other.sleepers.fetch_add(1);
  while (true) {
    const std::uint32_t seen = other.turn;
    if (is_reached(seen, turn_)) break;
    sleep_while(other.turn, seen);
    if (is_reached(other.turn, turn_)) break;
    look();
    const pid_t process = other.process;
    if (process != 0 && ::kill(process, 0) != 0 && errno == ESRCH) throw std::runtime_error("the process of rank " + std::to_string(rank) + " ended");
  }
  other.sleepers.fetch_sub(1);
}

void SharedExchange::arrive(const Look& look, const std::function<void(std::int64_t rank)>& on_arrival) {
  Place& mine = place(rank_);
  mine.turn = ++turn_;
  if (mine.sleepers != 0) wake_all(mine.turn);
  for (std::int64_t rank = 0; rank < size_; ++rank) {
    if (rank != rank_) wait_for(rank, look);
    on_arrival(rank);
  }
}

void SharedExchange::exchange(const void* own, std::size_t bytes, const std::vector<void*>& all, const Look& look) {
  ++operation_;
  std::memcpy(message(rank_), own, bytes);
  arrive(look, [&](std::int64_t rank) { std::memcpy(all[static_cast<std::size_t>(rank)], message(rank), bytes); });
}

std::size_t SharedExchange::part_begin(std::size_t count, std::int64_t rank) const { return count * static_cast<std::size_t>(rank) / static_cast<std::size_t>(size_); }

// Each rank adds up its part of the messages, and all read all parts (a reduce-scatter and an all-gather).
template <class T>
void SharedExchange::sum_part(std::size_t count, const Look& look) {
  arrive(look, [](std::int64_t) {});
  constexpr std::size_t kBlock = 2048;  // stays in the first cache
  std::array<T, kBlock> sum;
  const std::size_t end = part_begin(count, rank_ + 1);
  for (std::size_t begin = part_begin(count, rank_); begin < end; begin += kBlock) {
    const std::size_t values = std::min(kBlock, end - begin);
    for (std::int64_t rank = 0; rank < size_; ++rank) {
      const T* part = reinterpret_cast<const T*>(message(rank)) + begin;
      if (rank == 0) std::copy(part, part + values, sum.begin());
      for (std::size_t i = 0; rank > 0 && i < values; ++i) sum[i] += part[i];
    }
    std::copy(sum.begin(), sum.begin() + static_cast<std::ptrdiff_t>(values), reinterpret_cast<T*>(message(rank_)) + begin);
  }
  arrive(look, [](std::int64_t) {});
}

template <class T>
void SharedExchange::read_sums(const std::vector<std::span<T>>& pieces, std::size_t count) const {
  std::int64_t rank = 0;
  std::size_t at = 0;
  for (std::span<T> rest : pieces) {
    while (!rest.empty()) {
      const std::size_t end = part_begin(count, rank + 1);
      if (at == end) {
        ++rank;
        continue;
      }
      const std::size_t taken = std::min(rest.size(), end - at);
      const T* sums = reinterpret_cast<const T*>(message(rank)) + at;
      std::copy(sums, sums + taken, rest.begin());
      rest = rest.subspan(taken);
      at += taken;
    }
  }
}

template <class T>
void SharedExchange::sum(const std::vector<std::span<T>>& pieces, const Look& look) {
  constexpr std::size_t kMost = kMostBytes / sizeof(T);
  std::vector<std::span<T>> sent;  // together one message
  std::size_t count = 0;
  const auto flush = [&] {
    ++operation_;
    T* next = reinterpret_cast<T*>(message(rank_));
    for (const auto& piece : sent) next = std::copy(piece.begin(), piece.end(), next);
    sum_part<T>(count, look);
    read_sums(sent, count);
    sent.clear();
    count = 0;
  };
  for (std::span<T> rest : pieces) {
    while (!rest.empty()) {
      const std::size_t taken = std::min(rest.size(), kMost - count);
      sent.push_back(rest.first(taken));
      rest = rest.subspan(taken);
      count += taken;
      if (count == kMost) flush();
    }
  }
  if (count > 0) flush();
}

template void SharedExchange::sum(const std::vector<std::span<float>>&, const Look&);
template void SharedExchange::sum(const std::vector<std::span<double>>&, const Look&);

}  // namespace dsc
