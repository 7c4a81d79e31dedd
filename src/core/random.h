// Seeds and random numbers that are the same on every machine.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

namespace dsc {

// A seed made from another seed and what it is for; independent of order of use.
std::uint64_t derive_seed(std::uint64_t seed, std::string_view purpose, std::uint64_t index = 0);

// SplitMix64 (Steele et al. 2014): tiny state, good for shuffles and augmentation.
class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(seed) {}
  std::uint64_t next();
  std::int64_t below(std::int64_t bound);  // uniform in [0, bound)
  double uniform();                        // uniform in [0, 1)
 private:
  std::uint64_t state_;
};

std::vector<std::int64_t> permutation(std::int64_t size, std::uint64_t seed);

}  // namespace dsc
