// For loops over plain memory: instruction sets chosen at run time, and bf16 as its 16 bits. Included by kernels' .cpp only.
#pragma once

#include <bit>
#include <cstdint>

// One copy of each loop per instruction set, chosen when the program starts; -O2 alone leaves them scalar with GCC.
// GCC clones no templates: a loop for several types is a DSC_LOOP, and each type's function, which is cloned, calls it.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
#define DSC_VECTORISED __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default"), optimize("O3")))
#else
#define DSC_VECTORISED
#endif
#define DSC_LOOP [[gnu::always_inline]] inline

namespace dsc::kernels {

inline float widen(std::uint16_t x) { return std::bit_cast<float>(static_cast<std::uint32_t>(x) << 16); }
inline float widen(float x) { return x; }
inline std::uint16_t narrow(float x) {
  const auto bits = std::bit_cast<std::uint32_t>(x);
  return static_cast<std::uint16_t>((bits + 0x7FFFU + ((bits >> 16) & 1U)) >> 16);
}
inline void store(float x, std::uint16_t& to) { to = narrow(x); }
inline void store(float x, float& to) { to = x; }

}  // namespace dsc::kernels
