#include "exec/native_bf16.h"

#include <ATen/cpu/Utils.h>
#include <ATen/detail/CUDAHooksInterface.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cstdlib>
#include <string_view>

namespace dsc {
namespace {

// oneDNN's names of instruction sets without bf16.
constexpr std::array<std::string_view, 7> kCapsBelowBf16 = {"SSE41", "AVX", "AVX2", "AVX2_VNNI", "AVX2_VNNI_2", "AVX512_CORE", "AVX512_CORE_VNNI"};

bool is_capped() {
  const char* cap = std::getenv("ONEDNN_MAX_CPU_ISA");
  if (!cap) cap = std::getenv("DNNL_MAX_CPU_ISA");
  if (!cap) return false;
  std::string name = cap;
  std::transform(name.begin(), name.end(), name.begin(), [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  return std::find(kCapsBelowBf16.begin(), kCapsBelowBf16.end(), name) != kCapsBelowBf16.end();
}

bool processor_has(const char* feature) {
  const auto capabilities = at::cpu::get_cpu_capabilities();
  const auto found = capabilities.find(feature);
  return found != capabilities.end() && found->second.isBool() && found->second.toBool();
}

}  // namespace

bool has_native_bf16(const std::string& device) {
  if (device == "cpu") return !is_capped() && (processor_has("amx_bf16") || processor_has("avx512_bf16"));
  return at::detail::getCUDAHooks().supportsBFloat16ConvolutionWithCuDNNv8();  // asks for capability 8.0
}

}  // namespace dsc
