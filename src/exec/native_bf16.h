// Whether bf16 is worth computing in.
#pragma once

#include <string>

namespace dsc {

// Whether LibTorch computes convolutions and matrix products in bf16 with instructions of the device: AMX or AVX512_BF16 of
// a processor (unless ONEDNN_MAX_CPU_ISA forbids them), compute capability 8.0 or more of a GPU. Elsewhere bf16 is made of
// f32 and takes longer than f32. False for a device that is not there.
bool has_native_bf16(const std::string& device);

}  // namespace dsc
