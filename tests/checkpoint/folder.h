// Small checkpoints on disk for tests, and what came out of them.
#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "checkpoint/convert.h"
#include "checkpoint/elements.h"
#include "io/safetensors_header.h"
#include "support/program.h"

namespace dsc::checkpoint::test {

using dsc::test::contains;
using dsc::test::slurp;
using dsc::test::spit;
using dsc::test::TempFolder;

struct Stored {
  std::string dtype;
  std::vector<std::int64_t> shape;
  std::string bytes;
  bool operator==(const Stored&) const = default;
};
using StoredTensors = std::map<std::string, Stored>;

inline StoredTensors read_tensors(const std::string& path) {
  const auto header = read_safetensors_header(path);
  const auto content = slurp(path);
  StoredTensors tensors;
  for (const auto& row : header.tensors) tensors[row.name] = {row.dtype, row.shape, content.substr(header.data_start + row.begin, row.bytes())};
  return tensors;
}

inline StoredTensors read_folder(const std::string& folder) {
  StoredTensors tensors;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (entry.path().extension() == ".safetensors") tensors.merge(read_tensors(entry.path().string()));
  }
  return tensors;
}

inline void write_tensors(const std::string& path, const StoredTensors& tensors) {
  std::vector<StoredTensor> rows;
  std::string data;
  for (const auto& [name, tensor] : tensors) {
    rows.push_back({name, tensor.dtype, tensor.shape, data.size(), data.size() + tensor.bytes.size()});
    data += tensor.bytes;
  }
  spit(path, safetensors_header_text(rows, {}) + data);
}

template <class T>
std::string bytes_of(const std::vector<T>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T)};
}

// Normally distributed with a few outliers, as f32, bf16 or f16.
inline Stored random_matrix(std::int64_t rows, std::int64_t columns, unsigned seed, Element element = Element::bf16) {
  std::mt19937 generator(seed);
  std::normal_distribution<float> normal(0, 0.05F);
  std::vector<float> values(static_cast<std::size_t>(rows * columns));
  for (auto& value : values) value = normal(generator) * (generator() % 50 == 0 ? 4.0F : 1.0F);
  std::string bytes(values.size() * checkpoint::bytes_of(element), '\0');
  narrow(element, values.data(), bytes.data(), values.size());
  return {std::string(dtype_of(element)), {rows, columns}, bytes};
}

// Elements as double; plain loops of their own, no code of the layer.
inline std::vector<double> numbers_of(const Stored& tensor) {
  std::vector<double> numbers;
  const auto* bytes = reinterpret_cast<const unsigned char*>(tensor.bytes.data());
  const std::size_t width = tensor.dtype == "F32" || tensor.dtype == "I32" ? 4 : tensor.dtype == "I8" ? 1 : 2;
  for (std::size_t i = 0; i + width <= tensor.bytes.size(); i += width) {
    if (tensor.dtype == "F32") {
      float value = 0;
      std::memcpy(&value, bytes + i, 4);
      numbers.push_back(value);
    } else if (tensor.dtype == "BF16") {
      const std::uint32_t wide = static_cast<std::uint32_t>(bytes[i] | bytes[i + 1] << 8) << 16;
      float value = 0;
      std::memcpy(&value, &wide, 4);
      numbers.push_back(value);
    } else if (tensor.dtype == "F16") {
      const int half = bytes[i] | bytes[i + 1] << 8, exponent = half >> 10 & 31, mantissa = half & 1023;
      const double magnitude = exponent ? std::ldexp(1 + mantissa / 1024.0, exponent - 15) : std::ldexp(mantissa / 1024.0, -14);
      numbers.push_back(half & 0x8000 ? -magnitude : magnitude);
    } else if (tensor.dtype == "I8") {
      numbers.push_back(static_cast<signed char>(bytes[i]));
    }
  }
  return numbers;
}

// Element `i` of a row of packed words, as a signed integer.
inline int packed_integer(const std::string& words, std::size_t first_word, std::size_t i, int bits) {
  int code = 0;
  for (int b = 0; b < bits; ++b) {
    const auto position = i * static_cast<std::size_t>(bits) + static_cast<std::size_t>(b);
    const auto byte = static_cast<unsigned char>(words[first_word * 4 + position / 8]);
    code |= (byte >> position % 8 & 1) << b;
  }
  return code - (1 << (bits - 1));
}

// What the tensors of one module stand for: (q - zero) * scale.
inline std::vector<double> dequantized(const StoredTensors& tensors, const std::string& module, int bits) {
  const auto scales = numbers_of(tensors.at(module + ".weight_scale"));
  std::vector<double> values;
  if (tensors.contains(module + ".weight")) {
    const auto& stored = tensors.at(module + ".weight");
    const auto integers = numbers_of(stored);
    for (std::size_t i = 0; i < integers.size(); ++i) values.push_back(integers[i] * scales[i / static_cast<std::size_t>(stored.shape[1])]);
    return values;
  }
  const auto& packed = tensors.at(module + ".weight_packed");
  std::int64_t shape[2];
  std::memcpy(shape, tensors.at(module + ".weight_shape").bytes.data(), 16);
  const auto rows = static_cast<std::size_t>(shape[0]), columns = static_cast<std::size_t>(shape[1]);
  const auto words = static_cast<std::size_t>(packed.shape[1]), groups = scales.size() / rows;
  const auto zero_points = tensors.find(module + ".weight_zero_point");
  for (std::size_t row = 0; row < rows; ++row) {
    for (std::size_t i = 0; i < columns; ++i) {
      const auto group = i / (columns / groups);
      int zero = 0;
      if (zero_points != tensors.end()) {  // packed down the rows: gather one column's words first
        std::string column;
        for (std::size_t word = 0; word * groups * 4 < zero_points->second.bytes.size(); ++word) column += zero_points->second.bytes.substr((word * groups + group) * 4, 4);
        zero = packed_integer(column, 0, row, bits);
      }
      values.push_back((packed_integer(packed.bytes, row * words, i, bits) - zero) * scales[row * groups + group]);
    }
  }
  return values;
}

inline double squared_distance(const std::vector<double>& a, const std::vector<double>& b) {
  EXPECT_EQ(a.size(), b.size());
  double sum = 0;
  for (std::size_t i = 0; i < std::min(a.size(), b.size()); ++i) sum += (a[i] - b[i]) * (a[i] - b[i]);
  return sum;
}

inline const char* kLlamaConfig = R"({"architectures": ["LlamaForCausalLM"], "model_type": "llama", "torch_dtype": "bfloat16", "hidden_size": 64})";

// Embedding, two layers with attention and feed-forward, norms, head: names as Llama's.
inline StoredTensors llama_tensors(Element element = Element::bf16) {
  StoredTensors tensors;
  unsigned seed = 0;
  const auto add = [&](const std::string& name, std::int64_t rows, std::int64_t columns) { tensors[name + ".weight"] = random_matrix(rows, columns, seed++, element); };
  add("model.embed_tokens", 50, 64);
  add("lm_head", 50, 64);
  for (const std::string layer : {"model.layers.0.", "model.layers.1."}) {
    for (const std::string part : {"q_proj", "k_proj", "v_proj", "o_proj"}) add(layer + "self_attn." + part, 64, 64);
    for (const std::string part : {"gate_proj", "up_proj"}) add(layer + "mlp." + part, 96, 64);
    add(layer + "mlp.down_proj", 64, 96);
    tensors[layer + "input_layernorm.weight"] = random_matrix(1, 64, seed++, element);
    tensors[layer + "input_layernorm.weight"].shape = {64};
  }
  return tensors;
}

inline void write_llama(const std::string& folder, Element element = Element::bf16) {
  std::filesystem::create_directories(folder);
  write_tensors(folder + "/model.safetensors", llama_tensors(element));
  spit(folder + "/config.json", kLlamaConfig);
  spit(folder + "/tokenizer.json", "{\"a\": 1}");
}

inline Options options_for(const std::string& path) {
  Options options;
  options.path.path = path;
  options.weights.group_size = 32;
  return options;
}

inline std::vector<TensorError> convert_to(const Options& options, const std::string& out, std::int64_t threads = 1) {
  return convert(make_plan(options, threads), {.out = out, .build = "test", .verify = true, .progress = {}});
}

inline Error error_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& error) {
    return error;
  }
  ADD_FAILURE() << "nothing was thrown";
  return Error(ErrorCode::internal, "none");
}

}  // namespace dsc::checkpoint::test
