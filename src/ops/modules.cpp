#include "ops/modules.h"

#include <algorithm>
#include <unordered_set>

namespace dsc {
namespace {

bool is_activation(const Graph& graph, const Value* value) {
  if (!value->is_tensor()) return false;
  const GraphInput* input = graph.find_input(value);
  return !input || input->kind == InputKind::user;
}

}  // namespace

bool same_type(const Value* a, const Value* b) {
  return a->is_tensor() && b->is_tensor() && a->tensor().dtype == b->tensor().dtype && a->tensor().sizes == b->tensor().sizes;
}

std::string repeated_module(const std::string& path) {
  std::size_t end = path.size();
  while (end > 0) {
    const std::size_t dot = path.rfind('.', end - 1);
    const std::size_t begin = dot == std::string::npos ? 0 : dot + 1;
    const std::string part = path.substr(begin, end - begin);
    if (!part.empty() && std::ranges::all_of(part, [](char c) { return c >= '0' && c <= '9'; })) return path.substr(0, end);
    if (dot == std::string::npos) break;
    end = dot;
  }
  return "";
}

std::string module_of(const std::string& weight) {
  const std::size_t dot = weight.rfind('.');
  return dot == std::string::npos ? weight : weight.substr(0, dot);
}

bool is_inside(const Node& node, const std::string& module) {
  const std::string& path = node.module_path();
  return path == module || (path.starts_with(module) && path[module.size()] == '.');
}

std::vector<Value*> values_taken(const Graph& graph, const std::string& module) {
  std::vector<Value*> taken;
  std::unordered_set<const Value*> seen;
  for (const Node* node : graph.nodes()) {
    if (!is_inside(*node, module)) continue;
    for (const NamedArgument& argument : node->arguments()) {
      for (Value* value : values_of(argument.value)) {
        const bool inside = value->producer() && is_inside(*value->producer(), module);
        if (!inside && is_activation(graph, value) && seen.insert(value).second) taken.push_back(value);
      }
    }
  }
  return taken;
}

std::vector<Value*> values_shown(const Graph& graph, const std::string& module) {
  std::vector<Value*> shown;
  for (const Node* node : graph.nodes()) {
    if (!is_inside(*node, module)) continue;
    for (Value* value : node->outputs()) {
      const bool is_read = std::ranges::any_of(value->uses(), [&](const Use& use) { return !use.node || !is_inside(*use.node, module); });
      if (is_read && value->is_tensor()) shown.push_back(value);
    }
  }
  return shown;
}

Value* find_module_output(const Graph& graph, const std::string& module) {
  auto shown = values_shown(graph, module);
  std::erase_if(shown, [](const Value* value) { return !is_floating(value->tensor().dtype); });
  if (shown.size() > 1) {
    const auto taken = values_taken(graph, module);
    std::erase_if(shown, [&](const Value* value) { return std::ranges::none_of(taken, [&](const Value* input) { return same_type(value, input); }); });
  }
  return shown.size() == 1 ? shown.front() : nullptr;
}

std::vector<std::string> module_paths(const Graph& graph) {
  std::vector<std::string> paths;
  std::unordered_set<std::string> seen;
  for (const Node* node : graph.nodes()) {
    const std::string& path = node->module_path();
    for (std::size_t dot = path.find('.'); dot != std::string::npos; dot = path.find('.', dot + 1)) {
      if (seen.insert(path.substr(0, dot)).second) paths.push_back(path.substr(0, dot));
    }
    if (!path.empty() && seen.insert(path).second) paths.push_back(path);
  }
  return paths;
}

}  // namespace dsc
