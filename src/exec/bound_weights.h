// The weights of a model as an executor uses them: on its device, in its memory format, leaves when gradients are wanted.
#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>

#include <string>
#include <unordered_map>
#include <vector>

#include "dscompress/model.h"
#include "exec/arguments.h"
#include "exec/options.h"

namespace dsc {

class BoundWeights {
 public:
  BoundWeights(const Graph& graph, const Weights& weights, const ExecutorOptions& options, c10::Device device);

  // Parameters, buffers and constants into their slots of a run's frame.
  void put(std::vector<c10::IValue>& frame, const SlotMap& slots) const;
  // What a run has left in a state is data to the next one, which no gradient flows back through.
  void detach_states();
  at::Tensor get(const std::string& name) const;         // errors: internal
  void set(const std::string& name, at::Tensor tensor);  // errors: internal
  std::vector<std::string> parameter_names() const;
  void store(Weights& weights) const;

 private:
  struct Entry {
    std::string name;
    const Value* value = nullptr;
    InputKind kind = InputKind::parameter;
    bool channels_last = false;
    bool is_state = false;  // the graph writes into it, on a copy that starts as the model says
    std::size_t same_as = 0;  // its own index, or that of the parameter it shares its tensor with
    at::Tensor tensor;        // undefined when same_as is another
  };
  std::size_t index(const std::string& name) const;
  at::Tensor prepare(const Entry& entry, const at::Tensor& tensor) const;
  void tie(const Weights& weights);

  bool gradients_;
  bool training_;
  c10::Device device_;
  std::vector<Entry> entries_;
  std::unordered_map<std::string, std::size_t> by_name_;
};

}  // namespace dsc
