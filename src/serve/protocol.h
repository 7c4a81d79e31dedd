// Tensors in requests and responses: KServe's version 2 protocol, the Open Inference Protocol, over HTTP.
// source: https://github.com/kserve/open-inference-protocol; binary tensors in requests as Triton's extension has them.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "dscompress/graph.h"

namespace dsc {

struct NamedTensor {
  std::string name;
  at::Tensor tensor;
};

struct InferRequest {
  std::string id;
  std::vector<NamedTensor> inputs;
  std::vector<std::string> outputs;  // that are asked for; empty: all
};

// json_length: bytes of JSON in front of binary tensors. errors: data, in one sentence, for whatever is malformed.
InferRequest parse_infer_request(std::string_view body, std::optional<std::uint64_t> json_length = std::nullopt);

struct InferResponse {
  std::string model, version, id;
  std::vector<NamedTensor> outputs;
};
std::string infer_response_json(const InferResponse& response);  // numbers that JSON lacks are null
std::string error_json(std::string_view message);

// "FP32"; empty where the protocol has no name for it.
std::string_view datatype_of(ScalarType type);

struct TensorMetadata {
  std::string name;
  ScalarType type = ScalarType::f32;
  std::vector<std::int64_t> shape;  // -1: any size
};
struct ModelMetadata {
  std::string name;
  std::vector<std::string> versions;
  std::vector<TensorMetadata> inputs, outputs;
};
std::string model_metadata_json(const ModelMetadata& model);

}  // namespace dsc
