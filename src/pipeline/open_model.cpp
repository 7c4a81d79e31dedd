#include "pipeline/open_model.h"

#include <algorithm>
#include <filesystem>

#include "deploy/decomposed_form.h"
#include "dscompress/error.h"
#include "exec/plain_weights.h"
#include "exec/tensor_store.h"
#include "io/outside_weights.h"
#include "io/pt2.h"
#include "io/safetensors.h"
#include "io/torchscript.h"
#include "ir/verify.h"
#include "ops/evaluation_form.h"
#include "ops/linear_form.h"

namespace dsc {
namespace {

Model read_model(const std::string& path, const std::vector<std::string>& inputs) {
  namespace fs = std::filesystem;
  if (!fs::exists(path)) throw Error(ErrorCode::model_file, "there is no such model file", {.file = path}, "check the path; scripts/export_model.py makes one");
  if (fs::is_directory(path)) throw Error(ErrorCode::model_file, "this is a folder, not a model file", {.file = path}, "name the .pt2 or .pt file in it");
  const auto extension = fs::path(path).extension();
  if (extension == ".pt" || extension == ".pth") {
    std::vector<InputSpec> specs;
    for (const auto& input : inputs) specs.push_back(parse_input_spec(input));
    return read_torchscript(path, specs);
  }
  if (extension != ".pt2") {
    throw Error(ErrorCode::model_file, "models are read from .pt2 and TorchScript .pt files, and this is `" + extension.string() + "`", {.file = path},
                "export the model with scripts/export_model.py, or torch.export.save(program, \"model.pt2\")");
  }
  if (!inputs.empty()) throw Error(ErrorCode::usage, "the inputs' shapes are in the file; only TorchScript needs them", {.file = path}, "leave the inputs out");
  Model model = read_pt2(path);
  from_decomposed_form(model);
  return model;
}

std::string first_of(const std::vector<std::string>& names) {
  constexpr std::size_t kShown = 3;
  std::string text;
  for (std::size_t i = 0; i < std::min(kShown, names.size()); ++i) text += (i ? ", " : "") + names[i];
  return names.size() > kShown ? text + " and " + std::to_string(names.size() - kShown) + " more" : text;
}

// A tied weight is stored under each of its names and read by one of them; the others would stay whole beside what was cut or
// rounded. returns: their names.
std::vector<std::string> drop_unread_parameters(Model& model) {
  std::vector<std::string> names;
  for (const GraphInput& input : model.graph.inputs()) {
    if (input.kind == InputKind::parameter && input.value->uses().empty()) names.push_back(input.target);
  }
  for (const auto& name : names) {
    model.graph.remove_input(model.graph.find_weight(name));
    model.weights.erase(name);
  }
  return names;
}

void give_weights(Model& model, const std::string& weights, LackingWeights lacking) {
  constexpr std::int64_t kHeldBytes = std::int64_t{1} << 30;
  if (!weights.empty()) {
    TensorStore store(std::filesystem::temp_directory_path().string(), kHeldBytes);  // what lies in its file outlives it
    bind_outside_weights(model, weights, [&](const at::Tensor& tensor) { return store.keep(tensor); });
  } else if (lacking == LackingWeights::refused) {
    throw Error(ErrorCode::model_file, "the model was exported without its weights", {.file = model.source},
                "name the checkpoint's folder as its weights: model.weights in a recipe, --weights of a command");
  }
}

}  // namespace

std::vector<std::string> bring_into_form(Model& model, bool for_passes) {
  auto notes = notes_of(put_into_evaluation_form(model));
  if (!for_passes) return notes;
  recompose_norms_and_dropout(model.graph);
  recompose_linear_layers(model.graph);
  std::vector<std::string> plain;
  for (const auto& weight : make_weights_plain(model)) plain.push_back(weight.name);
  if (!plain.empty()) notes.push_back("weights that were computed from parameters (weight norm, spectral norm and the like) are plain parameters now: " + first_of(plain));
  if (const auto unread = drop_unread_parameters(model); !unread.empty()) notes.push_back("parameters that nothing reads are left out: " + first_of(unread));
  verify_or_throw(model, "bringing " + model.source + " into the form that passes work on");
  return notes;
}

Model open_model(const std::string& path, const std::string& weights, const std::vector<std::string>& inputs, LackingWeights lacking) {
  Model model = read_model(path, inputs);
  if (has_outside_weights(model)) {
    give_weights(model, weights, lacking);
  } else if (!weights.empty()) {
    swap_weights(model, weights);
  }
  verify_or_throw(model, "reading " + path);
  return model;
}

}  // namespace dsc
