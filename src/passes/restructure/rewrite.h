// Building blocks of passes that replace operators.
#pragma once

#include <ATen/core/Tensor.h>

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "dscompress/model.h"
#include "dscompress/pass.h"

namespace dsc::restructure {

// Inserts operators before `at`, as if they came from the same line of the model. Types are rough until refresh_types.
class Inserter {
 public:
  Inserter(Graph& graph, Node* at) : graph_(graph), at_(at) {}
  Value* tensor(std::string target, std::vector<NamedArgument> arguments, ScalarType dtype = ScalarType::f32);
  Value* size(Value* of, std::int64_t dim);  // a sym_int

 private:
  Graph& graph_;
  Node* at_;
};

// A new parameter with the dtype, device and gradient of `like`. The name is made unique.
Value* add_parameter(Model& model, std::string name, at::Tensor tensor, const Value* like);

// The name in Weights when the value is a parameter that this one use alone reads; empty otherwise.
std::string own_parameter(const Graph& graph, const Value* value);

// "layer1.0.conv1", or the node's name without modules.
std::string place_of(const Node& node);

// Whether a place is wanted: among `only` (empty: all) and not among `skip`.
bool is_selected(const std::string& place, const std::vector<std::string>& only, const std::vector<std::string>& skip);

// A problem for each pattern that matches none of the places.
std::vector<Problem> check_patterns(const std::vector<std::string>& patterns, const std::string& option, const std::vector<std::string>& places);

// Types of all values, from runs on small inputs.
void refresh(Model& model);

}  // namespace dsc::restructure
