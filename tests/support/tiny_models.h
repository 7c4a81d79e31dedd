// Small networks with seeded weights, and small data sets that they can learn, for tests of every layer.
#pragma once

#include <ATen/ATen.h>

#include <cmath>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "core/random.h"
#include "data/dataset.h"
#include "dscompress/model.h"

namespace dsc::test {

// Normal noise from our own generator: the same on every machine and untouched by ATen's global one.
inline at::Tensor noise(const std::vector<std::int64_t>& sizes, std::uint64_t seed, double scale = 1) {
  auto tensor = at::empty(sizes, at::kFloat);
  Random random(seed);
  auto* data = tensor.data_ptr<float>();
  for (std::int64_t i = 0; i < tensor.numel(); ++i) {  // Box-Muller
    const double radius = std::sqrt(-2 * std::log(1 - random.uniform())), angle = 2 * M_PI * random.uniform();
    data[i] = static_cast<float>(scale * radius * std::cos(angle));
  }
  return tensor;
}

// Adds layers to a model with a symbolic batch dimension, in torch.export's vocabulary (eval form).
class ModelBuilder {
 public:
  explicit ModelBuilder(std::uint64_t seed) : seed_(seed) {}

  Value* input(const std::string& name, std::vector<std::int64_t> sizes_after_batch, ScalarType dtype = ScalarType::f32) {
    return model_.graph.add_input(InputKind::user, name, name, type(std::move(sizes_after_batch), dtype));
  }
  // A parameter of zero mean and He-like scale; `fan_in` 0: zeros.
  Value* parameter(const std::string& name, const std::vector<std::int64_t>& sizes, std::int64_t fan_in) {
    return weight(InputKind::parameter, "p_", name,
                  fan_in ? noise(sizes, derive_seed(seed_, name), std::sqrt(2.0 / static_cast<double>(fan_in))) : at::zeros(sizes));
  }
  Value* weight(InputKind kind, const std::string& prefix, const std::string& name, at::Tensor tensor) {
    TensorType made{.dtype = tensor.scalar_type() == at::kLong ? ScalarType::i64 : ScalarType::f32};
    for (const auto size : tensor.sizes()) made.sizes.push_back({size, ""});
    made.requires_grad = kind == InputKind::parameter;
    auto value_name = prefix + name;
    std::replace(value_name.begin(), value_name.end(), '.', '_');
    auto* value = model_.graph.add_input(kind, value_name, name, made);
    model_.weights.set(name, std::move(tensor));
    return value;
  }
  // One output with the given sizes after the batch dimension.
  Value* node(const std::string& target, std::vector<NamedArgument> arguments, std::vector<std::int64_t> sizes,
              const std::string& module = "", const std::string& module_type = "") {
    const auto name = target.substr(5, target.rfind('.') - 5);
    auto* made = model_.graph.insert(nullptr, target, std::move(arguments), {{name, type(std::move(sizes))}});
    std::string stack = "L__self__,,tiny.Net";
    if (!module.empty()) stack += ";L__self__" + module + "," + module + "," + module_type;
    model_.graph.set_metadata(made, {{"nn_module_stack", stack}});
    return made->output();
  }

  Value* linear(Value* x, const std::string& name, std::int64_t in, std::int64_t out) {
    auto* w = parameter(name + ".weight", {out, in}, in);
    auto* b = parameter(name + ".bias", {out}, 0);
    return node("aten.linear.default", {{"input", x}, {"weight", w}, {"bias", b}}, {out}, name, "torch.nn.modules.linear.Linear");
  }
  Value* conv(Value* x, const std::string& name, std::int64_t in, std::int64_t out, std::int64_t kernel, std::int64_t stride = 1) {
    auto* w = parameter(name + ".weight", {out, in, kernel, kernel}, in * kernel * kernel);
    const IntList strides{stride, stride}, padding{kernel / 2, kernel / 2};
    const auto height = (size_of(x, 2) - 1) / stride + 1, width = (size_of(x, 3) - 1) / stride + 1;
    return node("aten.conv2d.default",
                {{"input", x}, {"weight", w}, {"bias", NoneArgument{}}, {"stride", strides}, {"padding", padding}},
                {out, height, width}, name, "torch.nn.modules.conv.Conv2d");
  }
  Value* batch_norm(Value* x, const std::string& name) {
    const auto channels = size_of(x, 1);
    auto* w = weight(InputKind::parameter, "p_", name + ".weight", at::ones({channels}));
    auto* b = parameter(name + ".bias", {channels}, 0);
    auto* mean = weight(InputKind::buffer, "b_", name + ".running_mean", at::zeros({channels}));
    auto* variance = weight(InputKind::buffer, "b_", name + ".running_var", at::ones({channels}));
    return node("aten.batch_norm.default",
                {{"input", x}, {"weight", w}, {"bias", b}, {"running_mean", mean}, {"running_var", variance},
                 {"training", false}, {"momentum", 0.1}, {"eps", 1e-5}, {"cudnn_enabled", false}},
                sizes_of(x), name, "torch.nn.modules.batchnorm.BatchNorm2d");
  }
  Value* relu(Value* x) { return node("aten.relu.default", {{"self", x}}, sizes_of(x)); }
  Value* dropout(Value* x, double p) {
    return node("aten.dropout.default", {{"input", x}, {"p", p}, {"train", false}}, sizes_of(x));
  }
  Value* add(Value* x, Value* y) { return node("aten.add.Tensor", {{"self", x}, {"other", y}}, sizes_of(x)); }
  // Mean over the pixels, [N, C, H, W] -> [N, C].
  Value* pool(Value* x) {
    const IntList one{std::int64_t{1}, std::int64_t{1}};
    auto* pooled = node("aten.adaptive_avg_pool2d.default", {{"self", x}, {"output_size", one}}, {size_of(x, 1), 1, 1});
    return node("aten.flatten.using_ints", {{"self", pooled}, {"start_dim", std::int64_t{1}}}, {size_of(x, 1)});
  }
  Model finish(Value* output) {
    model_.graph.add_output(OutputKind::user, output);
    model_.source = "tiny";
    return std::move(model_);
  }
  Graph& graph() { return model_.graph; }

 private:
  static std::int64_t size_of(const Value* value, std::size_t dim) { return value->tensor().sizes.at(dim).size; }
  static std::vector<std::int64_t> sizes_of(const Value* value) {
    std::vector<std::int64_t> sizes;
    for (std::size_t i = 1; i < value->tensor().sizes.size(); ++i) sizes.push_back(size_of(value, i));
    return sizes;
  }
  static TensorType type(const std::vector<std::int64_t>& sizes_after_batch, ScalarType dtype = ScalarType::f32) {
    TensorType made{.dtype = dtype};
    made.sizes.push_back({2, "s0"});
    for (const auto size : sizes_after_batch) made.sizes.push_back({size, ""});
    return made;
  }

  Model model_;
  std::uint64_t seed_;
};

// x [N, 8] -> fc1 -> relu -> (dropout) -> fc2 -> relu -> fc3 -> [N, classes]
struct MlpSizes {
  std::int64_t inputs = 8, hidden = 16, classes = 4;
  double dropout = 0;
};
inline Model tiny_mlp(std::uint64_t seed = 1, MlpSizes sizes = {}) {
  ModelBuilder build(seed);
  auto* x = build.relu(build.linear(build.input("x", {sizes.inputs}), "fc1", sizes.inputs, sizes.hidden));
  if (sizes.dropout > 0) x = build.dropout(x, sizes.dropout);
  x = build.relu(build.linear(x, "fc2", sizes.hidden, sizes.hidden));
  return build.finish(build.linear(x, "fc3", sizes.hidden, sizes.classes));
}

// x [N, 3, size, size] -> conv1 bn1 relu -> layer1.0 (identity shortcut) -> layer2.0 (stride 2, 1x1 shortcut) -> pool -> fc
struct CnnSizes {
  std::int64_t width = 8, image = 8, classes = 4;
};
inline Value* residual_block(ModelBuilder& build, Value* x, const std::string& name, std::int64_t in, std::int64_t out, std::int64_t stride) {
  auto* y = build.relu(build.batch_norm(build.conv(x, name + ".conv1", in, out, 3, stride), name + ".bn1"));
  y = build.batch_norm(build.conv(y, name + ".conv2", out, out, 3), name + ".bn2");
  if (stride != 1 || in != out) x = build.batch_norm(build.conv(x, name + ".downsample.0", in, out, 1, stride), name + ".downsample.1");
  return build.relu(build.add(y, x));
}
inline Model tiny_residual_cnn(std::uint64_t seed = 1, CnnSizes sizes = {}) {
  ModelBuilder build(seed);
  auto* x = build.input("x", {3, sizes.image, sizes.image});
  x = build.relu(build.batch_norm(build.conv(x, "conv1", 3, sizes.width, 3), "bn1"));
  x = residual_block(build, x, "layer1.0", sizes.width, sizes.width, 1);
  x = residual_block(build, x, "layer2.0", sizes.width, 2 * sizes.width, 2);
  return build.finish(build.linear(build.pool(x), "fc", 2 * sizes.width, sizes.classes));
}

// Examples held in memory: inputs [N, ...], target [N] i64, [N, ...] f32 or undefined.
class MemoryDataset : public Dataset {
 public:
  MemoryDataset(at::Tensor inputs, at::Tensor target) : inputs_(std::move(inputs)), target_(std::move(target)) {
    info_.description = "memory, " + std::to_string(size()) + " examples";
    TensorType type{.dtype = ScalarType::f32};
    for (const auto extent : inputs_.sizes().slice(1)) type.sizes.push_back({extent, ""});
    info_.inputs = {type};
    if (target_.defined() && !target_.is_floating_point()) info_.classes = target_.max().item<std::int64_t>() + 1;
  }
  std::int64_t size() const override { return inputs_.size(0); }
  const DatasetInfo& info() const override { return info_; }
  Batch batch(std::span<const std::int64_t> indices, std::optional<std::uint64_t>) const override {
    Batch made;
    made.indices.assign(indices.begin(), indices.end());
    const auto rows = at::tensor(made.indices, at::kLong);
    made.inputs = {inputs_.index_select(0, rows)};
    if (target_.defined()) made.target = target_.index_select(0, rows);
    return made;
  }
  const at::Tensor& inputs() const { return inputs_; }
  const at::Tensor& target() const { return target_; }

 private:
  at::Tensor inputs_, target_;
  DatasetInfo info_;
};

// A class centre of unit normal numbers plus noise: a linear model gets nearly all right. `shape` without dim 0.
// Data sets of one `seed` share the centres; `draw` tells train, valid and eval apart.
inline MemoryDataset synthetic_classes(std::int64_t examples, std::vector<std::int64_t> shape = {8}, std::int64_t classes = 4,
                                       std::uint64_t seed = 7, std::uint64_t draw = 0, double spread = 0.7) {
  shape.insert(shape.begin(), classes);
  const auto centres = noise(shape, derive_seed(seed, "centres"));
  shape[0] = examples;
  auto target = at::empty({examples}, at::kLong);
  Random random(derive_seed(seed, "labels", draw));
  for (std::int64_t i = 0; i < examples; ++i) target.data_ptr<std::int64_t>()[i] = random.below(classes);
  return {centres.index_select(0, target) + noise(shape, derive_seed(seed, "noise", draw), spread), target};
}
inline MemoryDataset synthetic_images(std::int64_t examples, std::uint64_t draw = 0) {
  return synthetic_classes(examples, {3, 8, 8}, 4, 7, draw, 1.5);
}

}  // namespace dsc::test
