// SGD, Adam and AdamW, equal to torch.optim, with a state per parameter name that can be saved and cut.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "dscompress/fields.h"
#include "exec/executor.h"

namespace dsc {

struct Sgd {
  static constexpr const char* kName = "sgd";
  double lr = 0.1, momentum = 0.9, weight_decay = 5e-4;
  bool nesterov = false;
  bool decay_1d = true;
  void fields(FieldVisitor& visit);
};
struct Adam {
  static constexpr const char* kName = "adam";
  double lr = 1e-3, beta1 = 0.9, beta2 = 0.999, eps = 1e-8, weight_decay = 0;
  bool decay_1d = true;
  void fields(FieldVisitor& visit);
};
struct AdamW {
  static constexpr const char* kName = "adamw";
  double lr = 1e-3, beta1 = 0.9, beta2 = 0.999, eps = 1e-8, weight_decay = 0.01;
  bool decay_1d = true;
  void fields(FieldVisitor& visit);
};
using OptimizerConfig = std::variant<Sgd, Adam, AdamW>;

// Optimiser state by "slot/parameter": "momentum/conv1.weight", "exp_avg/...", "exp_avg_sq/...", "steps/...".
using OptimizerState = std::map<std::string, at::Tensor>;

// Cuts the state of one parameter as a pass cut the parameter itself: keeps `indices` of `dim` in every slot of that shape.
void keep_state(OptimizerState& state, const std::string& parameter, std::int64_t dim, const std::vector<std::int64_t>& indices);

// Scales all gradients down together when their norm exceeds `max_norm`, as torch.nn.utils.clip_grad_norm_ does.
void clip_gradients(const std::vector<at::Tensor>& parameters, double max_norm);

// The optimiser. Parameters without a gradient in a step are left alone, state included, as in torch.optim.
class Optimizer {
 public:
  Optimizer(const OptimizerConfig& config, std::vector<std::string> names);
  ~Optimizer();
  // Uses and then clears the gradients. errors: internal, when a loaded state does not have its parameter's shape.
  void step(Executor& executor, double lr);
  // parameters: in the order of `names`; decay_factor: of the weight decay.
  void step(const std::vector<at::Tensor>& parameters, double lr, double decay_factor = 1);
  // The live state; whoever keeps it longer than the next step copies it.
  OptimizerState state() const;
  void load(const OptimizerState& state);  // errors: internal, for slots or parameters that this optimiser does not have
  double base_lr() const;
  const std::vector<std::string>& names() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace dsc
