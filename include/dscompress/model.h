// A model: graph, tensors, and what the archive said beside them.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "dscompress/graph.h"

namespace at {
class Tensor;
}

namespace dsc {

// Named tensors in insertion order. Copies share the tensors' storage; `clone` does not.
class Weights {
 public:
  Weights();
  ~Weights();
  Weights(const Weights&);
  Weights(Weights&&) noexcept;
  Weights& operator=(Weights);

  bool has(std::string_view name) const;
  const at::Tensor& get(std::string_view name) const;  // errors: internal, with the nearest names
  void set(std::string_view name, at::Tensor tensor);  // adds or replaces
  void erase(std::string_view name);
  const std::vector<std::string>& names() const;
  Weights clone() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// What a .pt2 archive says beside graph and tensors; kept as JSON text for the writer.
struct ArchiveInfo {
  std::int64_t schema_major = 8, schema_minor = 20;
  std::string torch_version;
  std::map<std::string, std::string> json;  // "module_call_graph", "range_constraints", "opset_version", ... -> JSON text
  std::string sample_inputs;                           // example arguments as torch.save wrote them; may be empty
  std::map<std::string, std::string> extra_files;      // what the exporter put beside the program
};

struct Model {
  Graph graph;
  Weights weights;
  ArchiveInfo archive;
  std::string source;  // the file it came from, for messages

  Model clone() const;
};

// Bytes of all parameters and buffers at their stored width.
std::int64_t weight_bytes(const Model& model);
std::int64_t parameter_count(const Model& model);

}  // namespace dsc
