// One version of a model, ready to run: model.xml of a folder, with what its recipe says of device, precision and pictures.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "dscompress/pass.h"
#include "exec/engine.h"
#include "serve/padding.h"
#include "serve/protocol.h"

namespace dsc {

struct ServedModelOptions {
  std::int64_t threads = 0;           // of the engine; 0: as the recipe says
  std::vector<std::int64_t> buckets;  // of lengths
};

class ServedModel {
 public:
  // folder: with model.xml, and recipe.resolved.yaml if a run made it. The model has run once when this returns.
  // errors: io, model_file, recipe, unsupported.
  ServedModel(const std::string& folder, const PassTable& passes, const ServedModelOptions& options);

  const std::string& version() const { return version_; }  // the folder's own name
  const std::vector<TensorMetadata>& inputs() const { return inputs_; }
  const std::vector<TensorMetadata>& outputs() const { return outputs_; }
  const Lengths& lengths() const { return lengths_; }

  // A request's tensors in the model's order. errors: data, for whatever does not fit.
  std::vector<at::Tensor> bind(const std::vector<NamedTensor>& given) const;
  // One batch at a time: other threads wait.
  std::vector<at::Tensor> run(const std::vector<at::Tensor>& inputs);

 private:
  void warm_up(std::int64_t length);
  std::vector<at::Tensor> run_prepared(std::vector<at::Tensor> inputs);
  std::string version_;
  std::mutex running_;
  std::unique_ptr<Engine> engine_;
  std::vector<TensorMetadata> inputs_, outputs_;
  Lengths lengths_;
  std::int64_t fixed_rows_ = 0;  // the only number of rows that the engine takes; 0: any
  bool takes_pixels_ = false;    // bytes of pictures, scaled and normalised as the recipe's data are
  at::Tensor mean_, deviation_;  // [channels, 1, 1]; undefined: scaled only
};

// Folder that is served now of a registry (last-good), or of a path that is a version itself. errors: usage, when there is none.
std::string folder_to_serve(const std::string& path);

}  // namespace dsc
