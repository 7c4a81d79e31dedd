// Seeds and random numbers that are the same on every machine.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

namespace dsc {

// A seed made from another seed and what it is for; independent of order of use.
std::uint64_t derive_seed(std::uint64_t seed, std::string_view purpose, std::uint64_t index = 0);

// SplitMix64's finaliser (Steele et al. 2014): every bit of the result depends on every bit of x; 0 gives 0.
inline std::uint64_t mix_bits(std::uint64_t x) {
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9U;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBU;
  return x ^ (x >> 31);
}
inline constexpr std::uint64_t kGoldenGamma = 0x9E3779B97F4A7C15U;  // what SplitMix64 counts in
// 64 random bits that belong to a number, 0 included.
inline std::uint64_t random_bits(std::uint64_t number) { return mix_bits(number + kGoldenGamma); }

// SplitMix64: tiny state, good for shuffles and augmentation.
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
