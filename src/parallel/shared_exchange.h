// Small messages among the processes of one machine, through memory that they share: a tenth of what a loopback connection takes,
// which counts where a network asks a hundred times a step (batch statistics, observers).
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace dsc {

class SharedExchange {
 public:
  static constexpr std::size_t kMostBytes = std::size_t{64} << 10;  // of one message of one rank

  // path: a file that all ranks name; whoever comes first makes it. errors: io.
  SharedExchange(const std::string& path, std::int64_t rank, std::int64_t size);
  ~SharedExchange();
  SharedExchange(const SharedExchange&) = delete;

  // Writes every rank's `bytes` bytes to all[rank]. look: called now and then while others let this rank wait; may throw.
  // errors: std::runtime_error, when the process of another rank is gone.
  void exchange(const void* own, std::size_t bytes, const std::vector<void*>& all, const std::function<void()>& look);

 private:
  struct Place;
  Place& place(std::int64_t rank) const;
  std::byte* message(std::int64_t rank, std::uint32_t turn) const;
  void wait_for(std::int64_t rank, std::uint32_t turn, const std::function<void()>& look) const;

  std::int64_t rank_, size_;
  std::size_t mapped_bytes_;
  std::byte* memory_ = nullptr;
  std::uint32_t turn_ = 0;
};

}  // namespace dsc
