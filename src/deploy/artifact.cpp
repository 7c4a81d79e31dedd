#include "deploy/artifact.h"

#include <ATen/Functions.h>

#include <filesystem>
#include <set>

#include "core/names.h"
#include "deploy/decomposed_form.h"
#include "deploy/openvino_engine.h"
#include "dscompress/error.h"
#include "exec/executor.h"
#include "io/pt2.h"
#include "ops/quantization.h"

namespace dsc {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kExampleSeed = 7;

// Outputs of both models on the same example, bit for bit.
void compare_outputs(const Model& written, const Model& model, const std::string& path) {
  const auto inputs = example_inputs(model, 2, kExampleSeed);
  const auto expected = Executor(model, {}).run(inputs), found = Executor(written, {}).run(inputs);
  for (std::size_t i = 0; i < expected.size(); ++i) {
    if (at::equal(expected[i], found.at(i))) continue;
    throw Error(ErrorCode::numeric, "output " + std::to_string(i) + " of the written file differs from the model's", {.file = path});
  }
}

Artifact write_program(const Model& model, const std::string& path) {
  write_pt2(to_decomposed_form(model), path);
  compare_outputs(read_pt2(path), model, path);
  return {path, "pt2", static_cast<std::int64_t>(fs::file_size(path)), "read back, outputs equal bit for bit"};
}

Artifact write_tensors(const Model& model, const std::string& path, const std::map<std::string, std::string>& metadata) {
  auto file = stored_tensors(model);
  file.metadata.insert(metadata.begin(), metadata.end());
  write_safetensors(path, file);
  const auto written = read_safetensors(path);
  std::map<std::string, at::Tensor> by_name(written.tensors.begin(), written.tensors.end());
  for (const auto& [name, tensor] : file.tensors) {
    if (!by_name.contains(name) || !at::equal(by_name.at(name), tensor)) {
      throw Error(ErrorCode::numeric, "tensor `" + name + "` of the written file differs", {.file = path});
    }
  }
  return {path, "safetensors", static_cast<std::int64_t>(fs::file_size(path)), "read back, tensors equal"};
}

Artifact write_ir(const Model& model, const std::string& path) {
  write_openvino_ir(model, path);
  const auto weights = fs::path(path).replace_extension(".bin");
  const auto bytes = fs::file_size(path) + (fs::exists(weights) ? fs::file_size(weights) : 0);
  return {path, "openvino", static_cast<std::int64_t>(bytes), "read back, outputs equal within 1e-4"};
}

// Two signed or unsigned values of at most four bits to a byte, the first in the low half; along the flattened tensor.
at::Tensor pack_four_bits(const at::Tensor& integers) {
  auto flat = integers.flatten().to(at::kShort).bitwise_and(0xF);
  if (flat.numel() % 2) flat = at::cat({flat, at::zeros({1}, flat.options())});
  const auto pairs = flat.view({-1, 2});
  return (pairs.select(1, 0) + pairs.select(1, 1) * 16).to(at::kByte);
}

// "bits=4 axis=0 shape=16,3,3,3 range=-7..7": what a reader needs to unpack the integers.
std::string describe_storage(const QuantizedWeight& weight) {
  std::string shape;
  for (const auto size : weight.source.sizes()) shape += (shape.empty() ? "" : ",") + std::to_string(size);
  return "bits=" + std::to_string(weight.bits) + (weight.grid.axis ? " axis=" + std::to_string(*weight.grid.axis) : "") +
         (weight.grid.group > 0 ? " group=" + std::to_string(weight.grid.group) : "") + " shape=" + shape + " range=" +
         std::to_string(weight.grid.range.minimum) + ".." + std::to_string(weight.grid.range.maximum);
}

// As they are stored. Without contents only types and shapes count.
TensorFile list_tensors(const Model& model, bool contents) {
  TensorFile file;
  std::set<std::string> done;  // what a quantised weight brings along in another form
  for (const auto& weight : quantized_weights(model)) {
    const bool packed = weight.bits <= 4;
    at::Tensor integers;
    if (contents) integers = packed ? pack_four_bits(weight.integers()) : weight.integers();
    else if (packed) integers = at::empty({(weight.source.numel() + 1) / 2}, at::kByte);
    else integers = at::empty(weight.source.sizes(), at::kChar);
    file.tensors.emplace_back(weight.name + (packed ? ".int4" : ".int8"), integers);
    file.tensors.emplace_back(weight.name + ".scale", weight.grid.scale);
    if (at::any(weight.grid.zero_point != 0).item<bool>()) file.tensors.emplace_back(weight.name + ".zero_point", weight.grid.zero_point);
    file.metadata[weight.name] = describe_storage(weight);
    done.insert(weight.name);
    done.insert(weight.constants.begin(), weight.constants.end());
  }
  for (const auto& input : model.graph.inputs()) {
    if (!input.is_weight() || done.contains(input.target)) continue;
    file.tensors.emplace_back(input.target, model.weights.get(input.target));
  }
  return file;
}

}  // namespace

const std::vector<std::pair<std::string, std::string>>& artifact_formats() {
  static const std::vector<std::pair<std::string, std::string>> formats = {{".pt2", "pt2"}, {".safetensors", "safetensors"}, {".xml", "openvino"}};
  return formats;
}

Artifact write_artifact(const Model& model, const std::string& path, const std::map<std::string, std::string>& metadata) {
  const auto extension = fs::path(path).extension().string();
  if (extension == ".pt2") return write_program(model, path);
  if (extension == ".safetensors") return write_tensors(model, path, metadata);
  if (extension == ".xml") return write_ir(model, path);
  std::vector<std::string> known;
  for (const auto& [name, format] : artifact_formats()) known.push_back(name);
  throw Error(ErrorCode::usage, "no format is known for the extension `" + extension + "`", {.file = path}, suggest(extension, known));
}

TensorFile stored_tensors(const Model& model) { return list_tensors(model, true); }

std::int64_t stored_file_bytes(const Model& model) { return safetensors_bytes(list_tensors(model, false)); }

}  // namespace dsc
