// The tiny exported models of tests/fixtures/exec with what PyTorch gives for them; see scripts/make_exec_fixtures.py.
#pragma once

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "dscompress/error.h"
#include "dscompress/model.h"
#include "exec/executor.h"
#include "io/pt2.h"
#include "io/safetensors.h"
#include "ir/text.h"

namespace dsc::test {

class Fixture {
 public:
  explicit Fixture(const std::string& name)
      : model(read_pt2(path(name) + ".pt2")), file_(read_safetensors(path(name) + ".safetensors")) {}

  bool has(const std::string& name) const { return find(name) != nullptr; }
  at::Tensor get(const std::string& name) const {
    const at::Tensor* tensor = find(name);
    if (!tensor) throw std::runtime_error("the fixture has no tensor " + name);
    return tensor->clone();
  }
  std::vector<at::Tensor> list(const std::string& prefix) const {
    std::vector<at::Tensor> out;
    while (has(prefix + std::to_string(out.size()))) out.push_back(get(prefix + std::to_string(out.size())));
    return out;
  }
  std::vector<std::pair<std::string, at::Tensor>> starting_with(const std::string& prefix) const {
    std::vector<std::pair<std::string, at::Tensor>> out;
    for (const auto& [name, tensor] : file_.tensors) {
      if (name.starts_with(prefix)) out.emplace_back(name.substr(prefix.size()), tensor.clone());
    }
    return out;
  }

  Model model;

 private:
  static std::string path(const std::string& name) { return DSC_SOURCE_DIR "/tests/fixtures/exec/" + name; }
  const at::Tensor* find(const std::string& name) const {
    for (const auto& [key, tensor] : file_.tensors) {
      if (key == name) return &tensor;
    }
    return nullptr;
  }
  TensorFile file_;
};

// The largest difference as a share of the largest expected number.
inline double relative_error(const at::Tensor& found, const at::Tensor& expected) {
  if (found.sizes() != expected.sizes() || found.scalar_type() != expected.scalar_type()) return INFINITY;
  if (expected.numel() == 0) return 0;
  const auto a = found.to(at::kDouble), b = expected.to(at::kDouble);
  return ((a - b).abs().max() / b.abs().max().clamp_min(1e-30)).item<double>();
}

inline void expect_near(const std::vector<at::Tensor>& found, const std::vector<at::Tensor>& expected, double tolerance) {
  ASSERT_EQ(found.size(), expected.size());
  for (std::size_t i = 0; i < found.size(); ++i) EXPECT_LE(relative_error(found[i], expected[i]), tolerance) << "output " << i;
}

// A model from graph text; parameters and buffers are filled by `make` from their name and sizes.
inline Model model_of(const std::string& text,
                      const std::function<at::Tensor(const std::string&, at::IntArrayRef)>& make = [](const std::string&, at::IntArrayRef sizes) {
                        return at::ones(sizes);
                      }) {
  Model model;
  model.graph = parse_graph(text);
  for (const GraphInput& input : model.graph.inputs()) {
    if (!input.value || input.kind == InputKind::user) continue;
    std::vector<std::int64_t> sizes;
    for (const Dim& dim : input.value->tensor().sizes) sizes.push_back(dim.size);
    model.weights.set(input.target, make(input.target, sizes));
  }
  return model;
}

inline Error error_of(const std::function<void()>& body) {
  try {
    body();
  } catch (const Error& error) {
    return error;
  }
  ADD_FAILURE() << "no error";
  return Error(ErrorCode::internal, "no error");
}

}  // namespace dsc::test
