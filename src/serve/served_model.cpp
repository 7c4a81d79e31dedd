#include "serve/served_model.h"

#include <ATen/ops/cat.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/tensor.h>

#include <algorithm>
#include <filesystem>

#include "core/names.h"
#include "deploy/openvino_engine.h"
#include "dscompress/error.h"
#include "exec/convert.h"
#include "nightly/registry.h"
#include "pipeline/recipe.h"

namespace dsc {
namespace {

namespace fs = std::filesystem;

constexpr const char* kModelFile = "model.xml";
constexpr const char* kRecipeFile = "recipe.resolved.yaml";

std::vector<TensorMetadata> to_metadata(const std::vector<OpenVinoPort>& ports) {
  std::vector<TensorMetadata> metadata;
  for (const auto& port : ports) metadata.push_back({port.name, port.type, port.sizes});
  return metadata;
}

std::string text_of(at::IntArrayRef sizes) {
  std::string text;
  for (const auto size : sizes) text += (text.empty() ? "" : ", ") + (size < 0 ? std::string("any") : std::to_string(size));
  return "[" + text + "]";
}

void check_fit(const TensorMetadata& wanted, const at::Tensor& given) {
  const auto type = to_c10(wanted.type);
  if (given.scalar_type() != type) {
    throw Error(ErrorCode::data, "input `" + wanted.name + "` is " + std::string(datatype_of(from_c10(given.scalar_type()))) + ", the model takes " +
                                     std::string(datatype_of(wanted.type)));
  }
  bool fits = given.dim() == static_cast<std::int64_t>(wanted.shape.size());
  for (std::size_t i = 1; fits && i < wanted.shape.size(); ++i)
    fits = wanted.shape[i] < 0 || wanted.shape[i] == given.size(static_cast<std::int64_t>(i));
  if (!fits) throw Error(ErrorCode::data, "input `" + wanted.name + "` is " + text_of(given.sizes()) + ", the model takes " + text_of(wanted.shape));
}

// With its first row again and again.
at::Tensor filled_up(const at::Tensor& input, std::int64_t rows) {
  auto sizes = input.sizes().vec();
  sizes.front() = rows - input.size(0);
  return sizes.front() == 0 ? input : at::cat({input, input.narrow(0, 0, 1).expand(sizes)});
}

at::Tensor per_channel(const std::vector<double>& values) { return at::tensor(values, at::kFloat).view({-1, 1, 1}); }

}  // namespace

std::string folder_to_serve(const std::string& path) {
  const Registry registry(path);
  if (const auto good = registry.exists() ? registry.last_good() : std::nullopt) return registry.version_folder(*good);
  if (fs::exists(fs::path(path) / kModelFile)) return fs::canonical(path).string();
  throw Error(ErrorCode::usage, "there is nothing to serve", {.file = path},
              "name a registry of dscompress nightly that has a version, or a folder with model.xml (dscompress export --to FOLDER/model.xml)");
}

ServedModel::ServedModel(const std::string& folder, const PassTable& passes, const ServedModelOptions& options)
    : version_(fs::path(folder).filename().string()) {
  const auto file = folder + "/" + kModelFile, recipe_file = folder + "/" + kRecipeFile;
  OpenVinoOptions engine{.threads = static_cast<int>(options.threads)};
  std::optional<NormalizeConfig> normalize;
  if (fs::exists(recipe_file)) {
    const auto recipe = load_recipe(RecipeInput{.path = recipe_file, .vars_files = {}, .overrides = {}}, passes);
    normalize = recipe.data.normalize;
    if (options.threads == 0) engine.threads = static_cast<int>(recipe.threads);
    if (const auto& deploy = recipe.deploy.openvino) {
      engine.device = deploy->device;
      engine.require_device = deploy->require_device;
      engine.precision = deploy->precision;
      engine.performance = deploy->performance;
    }
  }
  const auto ports = read_openvino_ports(file);
  inputs_ = to_metadata(ports.inputs);
  outputs_ = to_metadata(ports.outputs);
  for (const auto& tensor : inputs_) {
    if (tensor.shape.empty() || datatype_of(tensor.type).empty())
      throw Error(ErrorCode::unsupported, "input `" + tensor.name + "` cannot be served: it has no rows, or a type that no request has",
                  {.file = file});
    if (tensor.shape.front() > 0) fixed_rows_ = tensor.shape.front();
  }
  for (auto* tensors : {&inputs_, &outputs_}) {
    for (auto& tensor : *tensors) {
      if (!tensor.shape.empty()) tensor.shape.front() = -1;
    }
  }
  takes_pixels_ = normalize && inputs_.size() == 1 && inputs_.front().shape.size() == 4 && inputs_.front().type == ScalarType::f32;
  if (takes_pixels_) inputs_.front().type = ScalarType::u8;
  if (takes_pixels_ && !normalize->mean.empty()) {
    mean_ = per_channel(normalize->mean);
    deviation_ = per_channel(normalize->std);
  }
  lengths_ = Lengths(inputs_, outputs_, options.buckets);
  engine_ = read_openvino_ir(file, engine);
  warm_up(lengths_.bucket_of(1));
}

// What fails at the first request fails here, before anybody depends on it.
void ServedModel::warm_up(std::int64_t length) {
  std::vector<at::Tensor> inputs;
  for (const auto& input : inputs_) {
    auto shape = input.shape;
    for (std::size_t i = 0; i < shape.size(); ++i) {
      if (shape[i] < 0) shape[i] = i == 1 ? length : 1;
    }
    inputs.push_back(at::ones(shape, to_c10(input.type)));
  }
  const bool has_open_picture =
      std::ranges::any_of(inputs_, [](const auto& input) { return std::count(input.shape.begin() + 1, input.shape.end(), -1) > 1; });
  if (!has_open_picture) run(inputs);  // 1 x 1 is no picture
}

std::vector<at::Tensor> ServedModel::bind(const std::vector<NamedTensor>& given) const {
  std::vector<std::string> names;
  for (const auto& input : inputs_) names.push_back(input.name);
  for (const auto& tensor : given) {
    if (std::ranges::find(names, tensor.name) == names.end())
      throw Error(ErrorCode::data, "the model has no input `" + tensor.name.substr(0, 80) + "`; " + suggest(tensor.name, names));
  }
  if (given.size() > names.size()) throw Error(ErrorCode::data, "an input is given twice");
  std::vector<at::Tensor> bound;
  for (const auto& input : inputs_) {
    const auto found = std::ranges::find(given, input.name, &NamedTensor::name);
    if (found == given.end()) throw Error(ErrorCode::data, "input `" + input.name + "` is not given");
    check_fit(input, found->tensor);
    if (!bound.empty() && found->tensor.size(0) != bound.front().size(0)) throw Error(ErrorCode::data, "inputs have different numbers of rows");
    bound.push_back(found->tensor);
  }
  lengths_.length_of(bound);
  return bound;
}

std::vector<at::Tensor> ServedModel::run(const std::vector<at::Tensor>& inputs) {
  const std::lock_guard lock(running_);
  const auto rows = inputs.front().size(0);
  if (fixed_rows_ == 0) return run_prepared(inputs);
  std::vector<std::vector<at::Tensor>> pieces(outputs_.size());
  for (std::int64_t row = 0; row < rows; row += fixed_rows_) {
    const auto count = std::min(fixed_rows_, rows - row);
    std::vector<at::Tensor> piece;
    for (const auto& input : inputs) piece.push_back(filled_up(input.narrow(0, row, count), fixed_rows_));
    const auto outputs = run_prepared(piece);
    for (std::size_t i = 0; i < outputs.size(); ++i) pieces[i].push_back(outputs[i].narrow(0, 0, count));
  }
  std::vector<at::Tensor> outputs;
  for (const auto& piece : pieces) outputs.push_back(at::cat(piece));
  return outputs;
}

std::vector<at::Tensor> ServedModel::run_prepared(std::vector<at::Tensor> inputs) {
  if (takes_pixels_) inputs.front() = inputs.front().to(at::kFloat) / 255;
  if (mean_.defined()) inputs.front() = (inputs.front() - mean_) / deviation_;
  return engine_->run(inputs);
}

}  // namespace dsc
