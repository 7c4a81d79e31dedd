#include "core/random.h"

#include <numeric>

namespace dsc {
std::uint64_t derive_seed(std::uint64_t seed, std::string_view purpose, std::uint64_t index) {
  std::uint64_t hash = 0xcbf29ce484222325ULL;  // FNV-1a of the purpose
  for (const unsigned char c : purpose) hash = (hash ^ c) * 0x100000001b3ULL;
  return mix_bits(mix_bits(seed + kGoldenGamma) ^ mix_bits(hash) ^ mix_bits(index * 0xd1342543de82ef95ULL + 1));
}

std::uint64_t Random::next() { return mix_bits(state_ += kGoldenGamma); }

std::int64_t Random::below(std::int64_t bound) {
  // Multiply-shift; its bias is below 2^-32 for every bound that occurs here.
  return static_cast<std::int64_t>((static_cast<unsigned __int128>(next()) * static_cast<std::uint64_t>(bound)) >> 64);
}

double Random::uniform() { return static_cast<double>(next() >> 11) * 0x1.0p-53; }

std::vector<std::int64_t> permutation(std::int64_t size, std::uint64_t seed) {
  std::vector<std::int64_t> order(static_cast<std::size_t>(size));
  std::iota(order.begin(), order.end(), 0);
  Random random(seed);
  for (auto i = size - 1; i > 0; --i) std::swap(order[static_cast<std::size_t>(i)], order[static_cast<std::size_t>(random.below(i + 1))]);
  return order;
}

}  // namespace dsc
