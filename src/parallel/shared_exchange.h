// Messages among the processes of one machine, through memory that they share. A small one takes a tenth of what it takes over a
// loopback connection, which counts where a network asks a hundred times a step (batch statistics, observers); sums of
// gradients are read and written once, in pieces that stay in the caches.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

namespace dsc {

class SharedExchange {
 public:
  static constexpr std::size_t kMostBytes = std::size_t{256} << 10;  // of one message of one rank
  using Look = std::function<void()>;  // called now and then while others let this rank wait; may throw

  // path: a file that all ranks name; whoever comes first makes it. errors: io.
  SharedExchange(const std::string& path, std::int64_t rank, std::int64_t size);
  ~SharedExchange();
  SharedExchange(const SharedExchange&) = delete;

  // Writes every rank's `bytes` bytes to all[rank]. errors: std::runtime_error, when the process of another rank is gone.
  void exchange(const void* own, std::size_t bytes, const std::vector<void*>& all, const Look& look);
  // Sums over the ranks, added in their order, in place. Pieces: as many of the same sizes on every rank. errors: as above.
  template <class T>
  void sum(const std::vector<std::span<T>>& pieces, const Look& look);

 private:
  struct Place;
  Place& place(std::int64_t rank) const;
  std::byte* message(std::int64_t rank) const;  // of the operation that is going on
  void arrive(const Look& look, const std::function<void(std::int64_t rank)>& on_arrival);
  void wait_for(std::int64_t rank, const Look& look) const;
  std::size_t part_begin(std::size_t count, std::int64_t rank) const;  // of a rank's part of `count` values
  template <class T>
  void sum_part(std::size_t count, const Look& look);
  template <class T>
  void read_sums(const std::vector<std::span<T>>& pieces, std::size_t count) const;

  std::int64_t rank_, size_;
  std::size_t mapped_bytes_;
  std::byte* memory_ = nullptr;
  std::uint32_t turn_ = 0, operation_ = 0;
};

}  // namespace dsc
