#include <string_view>

#include "deploy/openvino_engine.h"

namespace dsc {
namespace {

bool is_int8(const LayerReport& layer) {
  // The primitive says what ran; a layer may keep float inputs and still multiply integers.
  const std::string_view primitive = layer.primitive;
  return primitive.ends_with("_I8") || primitive.ends_with("_i8") || primitive.ends_with("_u8") ||
         layer.precision == "i8" || layer.precision == "u8";
}

}  // namespace

Int8Report find_int8_layers(const std::vector<LayerReport>& layers) {
  Int8Report report;
  for (const LayerReport& layer : layers) {
    Int8Report::Count* count = nullptr;
    if (layer.type == "Convolution" || layer.type == "Deconvolution") count = &report.convolutions;
    if (layer.type == "FullyConnected") count = &report.linears;
    if (layer.type == "MatMul" || layer.type == "ScaledDotProductAttention" || layer.type == "ScaledDotProductAttentionWithKVCache") count = &report.matmuls;
    if (!count) continue;
    ++count->total;
    if (is_int8(layer)) {
      ++count->int8;
    } else {
      report.others.push_back(layer.name + " (" + layer.precision + ", " + layer.primitive + ")");
    }
  }
  return report;
}

}  // namespace dsc
