// Where a node comes from: modules called inside each other, and source lines, as torch.export writes them.
#pragma once

#include <torch/csrc/jit/frontend/source_range.h>

#include <string>
#include <vector>

#include "io/torchscript_builder.h"

namespace dsc::torchscript {

class Origin {
 public:
  void enter(const std::string& path, const std::string& qualified_type);
  void leave() { modules_.pop_back(); }
  void push_call(const torch::jit::SourceRange& range, const std::string& function) { calls_.push_back(frame(range, function)); }
  void pop_call() { calls_.pop_back(); }

  // Nodes that the builder makes now come from this line of this function.
  void apply(GraphBuilder& builder, const torch::jit::SourceRange& range, const std::string& function) const;
  // "model.py:31 in forward: x = self.conv(x)"; empty when unknown.
  static std::string source_line(const torch::jit::SourceRange& range, const std::string& function);

 private:
  struct Module {
    std::string path, type;
  };
  static std::string frame(const torch::jit::SourceRange& range, const std::string& function);

  std::vector<Module> modules_;
  std::vector<std::string> calls_;
};

}  // namespace dsc::torchscript
