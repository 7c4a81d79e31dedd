#include "exec/unknown_operators.h"

#include <ATen/core/dispatch/Dispatcher.h>

#include <algorithm>
#include <map>
#include <string_view>

#include "exec/kernels/fake_quant.h"
#include "exec/kernels/python_ops.h"
#include "exec/kernels/quantized_decomposed.h"
#include "ir/control_flow.h"
#include "ir/schema.h"

namespace dsc {
namespace {

std::string place_text(const Node& node) {
  const std::string line = node.source_line();
  return line.empty() ? "" : " (" + line + ")";
}

bool is_of_python_library(std::string_view target) { return target.starts_with("transformers."); }

}  // namespace

Problem unknown_operator(const std::string& target, const std::vector<const Node*>& nodes) {
  const c10::OperatorName name = operator_name(target);
  std::vector<std::string> overloads;
  for (const c10::OperatorName& known : c10::Dispatcher::singleton().getAllOpNames()) {
    if (known.name == name.name) overloads.push_back(known.overload_name.empty() ? "default" : known.overload_name);
  }
  std::sort(overloads.begin(), overloads.end());
  Problem problem;
  problem.message = "operator `" + target + "` is unknown to this LibTorch; used by";
  for (std::size_t i = 0; i < std::min<std::size_t>(nodes.size(), 5); ++i) {
    problem.message += (i ? ", %" : " %") + nodes[i]->name() + place_text(*nodes[i]);
  }
  if (nodes.size() > 5) problem.message += " and " + std::to_string(nodes.size() - 5) + " more nodes";
  problem.place.pointer = "%" + nodes.front()->name();
  if (overloads.empty()) {
    problem.hint = is_of_python_library(target)
                       ? "it is written in Python, and only a process that imports its library knows it: export a form of standard "
                         "operators (mixtures of experts: scripts/export_model.py --experts batched_mm)"
                       : "export a variant of the model without it, e.g. after `program.run_decompositions()`, or load the "
                         "library that defines it with --plugin";
  } else {
    problem.hint = "this LibTorch has the overloads";
    for (const std::string& overload : overloads) problem.hint += " " + overload;
    problem.hint += "; export the model with the LibTorch version that dscompress was built with";
  }
  return problem;
}

void register_own_operators(std::string_view target) {
  if (target.starts_with("dscompress.")) register_fake_quant_operators();
  if (target.starts_with("quantized_decomposed.")) register_quantized_decomposed_operators();
}

std::vector<Problem> find_unknown_operators(const Graph& graph) {
  std::map<std::string, std::vector<const Node*>> unknown;
  for (const Node* node : graph.nodes()) {
    if (is_vacuous(node->target()) || find_builtin(node->target()) || is_control_flow(*node)) continue;
    register_own_operators(node->target());
    if (!find_schema(*node)) unknown[node->target()].push_back(node);
  }
  std::vector<Problem> problems;
  for (const auto& [target, nodes] : unknown) problems.push_back(unknown_operator(target, nodes));
  return problems;
}

}  // namespace dsc
