// Builds a TorchProgram; the rules for single operators are in torch_rules.cpp.
#pragma once

#include <map>
#include <set>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "deploy/torch_program.h"

namespace c10 {
struct FunctionSchema;
}

namespace dsc {

class TorchProgramBuilder {
 public:
  explicit TorchProgramBuilder(const Model& model);
  TorchProgram build();

  // --- for rules ---
  const Model& model() const { return model_; }
  ValueId id_of(const Value* value);        // a weight's GetAttr is made at its first use
  ValueId constant(TorchConstant value);
  ValueId weight(at::Tensor tensor, std::string name);
  ValueId argument(const Argument& argument);
  // Appends a call whose result is `output`, or is only of its type.
  ValueId call(std::string op, std::vector<ValueId> inputs, const Value* output);
  // `name` empty: the current node's.
  ValueId call_like(std::string op, std::vector<ValueId> inputs, const Value* like, std::string name = {});
  // A copy of `base` with `source` written to its slice or select `view(base, where...)`.
  ValueId write_part(ValueId base, std::string view, std::vector<ValueId> where, ValueId source, const Value* output);
  // Like `call`, for a result that shares memory with the first input.
  void view(std::string op, std::vector<ValueId> inputs, const Value* output);
  void calls_list(std::string op, std::vector<ValueId> inputs, const std::vector<Value*>& outputs);
  void bind(const Value* value, ValueId id) { ids_[value] = id; }
  // The tensor of a parameter, buffer or constant; undefined for anything else.
  at::Tensor weight_of(const Value* value) const;
  void refuse(const std::string& reason);  // the current node

 private:
  // A call whose outputs share memory with its first input.
  struct View {
    TorchCall call;  // what to compute again
    bool alive = true;
  };

  void add_input(const GraphInput& input);
  void add_state_input(const GraphInput& input);
  void add_output(const Value* value, std::string name);
  void add_state_outputs();
  void add_node(const Node& node);
  void add_operator(const Node& node, const c10::FunctionSchema& schema);
  void cast_operands(const Node& node, const std::string& op, std::vector<ValueId>& inputs);
  void add_outputs(const Node& node, TorchCall call, bool is_view);
  void add_view(TorchCall call);
  void add_in_place(const Node& node, TorchCall call);
  std::unordered_set<ValueId> write_back(ValueId changed);
  ValueId turn_round(const TorchCall& view, ValueId changed);
  bool is_read_elsewhere(const TorchCall& view, const std::unordered_set<ValueId>& current) const;
  void refresh_views(const std::unordered_set<ValueId>& current);
  ValueId new_value(TorchValue value);
  ValueId new_value(const Value* value);
  TorchCall make_call(std::string op, std::vector<ValueId> inputs);
  bool is_used_later(ValueId id) const;

  const Model& model_;
  TorchProgram program_;
  std::unordered_map<const Value*, ValueId> ids_;
  std::unordered_map<const Node*, std::size_t> order_;
  std::vector<View> views_;
  std::vector<Problem> problems_;
  const Node* node_ = nullptr;   // the one being written
  bool changes_in_place_ = false;
  std::set<const Value*> written_;  // inputs that a run writes into
};

// Arguments by name, or by position where the exporter gives no names. errors: unsupported, when absent or of another kind.
const Argument& get_argument(const Node& node, std::size_t position, std::string_view name);
Value* get_value(const Node& node, std::size_t position, std::string_view name);
std::int64_t get_integer(const Node& node, std::size_t position, std::string_view name);
double get_number(const Node& node, std::size_t position, std::string_view name);

// A way to write one operator that is not "same name, all schema arguments".
using TorchRule = void (*)(TorchProgramBuilder&, const Node&);
using TorchRules = std::map<std::string_view, TorchRule>;
const TorchRules& quantization_rules();  // fake quantisation in all its spellings
// A rule for what joins groups that were quantised at run time; null for all others.
TorchRule run_time_groups_rule(const Node& node);
const TorchRules& composition_rules();  // operators that the frontend lacks, out of those that it has
// A rule for convolutions that OpenVINO takes only in another form; null for all others.
TorchRule convolution_rule(const Node& node);
// A rule for places in numbers without dimensions; null for all others.
TorchRule nonzero_rule(const Node& node);
// A rule for joins of which some parts are empty; null for all others.
TorchRule cat_rule(const Node& node);
TorchRule find_torch_rule(const Node& node, const Graph& graph);  // null: none

// The value an argument has in evaluation ("training" of batch norm is false), or null when it stays.
const Argument* find_evaluation_argument(const Node& node, std::string_view name);

}  // namespace dsc
