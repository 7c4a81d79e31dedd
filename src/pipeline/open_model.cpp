#include "pipeline/open_model.h"

#include <filesystem>

#include "deploy/decomposed_form.h"
#include "dscompress/error.h"
#include "io/pt2.h"
#include "io/safetensors.h"
#include "io/torchscript.h"
#include "ir/verify.h"

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

}  // namespace

Model open_model(const std::string& path, const std::string& weights, const std::vector<std::string>& inputs) {
  Model model = read_model(path, inputs);
  if (!weights.empty()) swap_weights(model, weights);
  verify_or_throw(model, "reading " + path);
  return model;
}

}  // namespace dsc
