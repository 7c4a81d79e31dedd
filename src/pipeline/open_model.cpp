#include "pipeline/open_model.h"

#include <filesystem>

#include "dscompress/error.h"
#include "io/pt2.h"
#include "io/safetensors.h"
#include "ir/verify.h"

namespace dsc {

Model open_model(const std::string& path, const std::string& weights) {
  namespace fs = std::filesystem;
  if (!fs::exists(path)) throw Error(ErrorCode::model_file, "there is no such model file", {.file = path}, "check the path; scripts/export_model.py makes one");
  if (fs::path(path).extension() != ".pt2") {
    throw Error(ErrorCode::model_file, "models are read from .pt2 files, and this is `" + fs::path(path).extension().string() + "`",
                {.file = path}, "export the model with scripts/export_model.py, or torch.export.save(program, \"model.pt2\")");
  }
  Model model = read_pt2(path);
  if (!weights.empty()) swap_weights(model, weights);
  verify_or_throw(model, "reading " + path);
  return model;
}

}  // namespace dsc
