#include "deploy/openvino_left_over.h"

#include <map>
#include <openvino/core/model.hpp>
#include <openvino/frontend/exception.hpp>
#include <openvino/frontend/frontend.hpp>
#include <openvino/op/util/framework_node.hpp>
#include <sstream>
#include <utility>

#include "deploy/torch_program.h"
#include "dscompress/error.h"

namespace dsc {
namespace {

// "aten::foo: reason" out of what the frontend left behind.
std::string reason_of(const ov::op::util::FrameworkNode& node) {
  const auto& attributes = node.get_attrs();
  const auto failure = attributes.find("PtException");
  if (failure == attributes.end() || failure->second.empty()) return "OpenVINO's PyTorch frontend has no rule for it";
  // Its last line says what failed; those before repeat the operator and OpenVINO's source position.
  std::string text = failure->second;
  while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.pop_back();
  return text.substr(text.rfind('\n') + 1);
}

const ov::op::util::FrameworkNode* as_left_over(const ov::Node* node) {
  return dynamic_cast<const ov::op::util::FrameworkNode*>(node);
}

// The graph's node that an OpenVINO node was made for, "conv2d" for "conv2d/Reshape"; null: none.
const Node* find_origin(const ov::Node& node, const Graph& graph) {
  std::string name = node.get_friendly_name();
  while (true) {
    if (const Node* found = graph.find_node(name)) return found;
    const auto slash = name.rfind('/');
    if (slash == std::string::npos) return nullptr;
    name.resize(slash);
  }
}

Problem problem_of(const LeftOver& left, const Graph& graph) {
  if (const Node* node = graph.find_node(left.name)) return operator_problem(*node, left.reason);
  return {"`" + left.name + "` cannot be converted to OpenVINO: " + left.reason, {}, {}};
}

}  // namespace

// A literal that is left (None, text, a list) stands for the operators that read it.
std::vector<LeftOver> find_left_over(const ov::Model& converted, const Graph& graph) {
  std::map<std::string, LeftOver> found;
  const auto add = [&](const ov::Node& node, const std::string& reason) {
    const Node* origin = find_origin(node, graph);
    const std::string name = origin ? origin->name() : node.get_friendly_name();
    found.try_emplace(name, LeftOver{name, reason});
  };
  for (const auto& node : converted.get_ordered_ops()) {
    const auto* left = as_left_over(node.get());
    if (!left) continue;
    if (left->get_input_size() > 0) {
      add(*left, reason_of(*left));
      continue;
    }
    for (const auto& user : node->output(0).get_target_inputs()) {
      if (!as_left_over(user.get_node())) add(*user.get_node(), "OpenVINO wants a tensor where the graph has None, text or a list");
    }
  }
  std::vector<LeftOver> all;
  for (auto& [name, left] : found) all.push_back(std::move(left));
  return all;
}

// Its exceptions name the operator within their text.
std::vector<LeftOver> normalize(const ov::frontend::FrontEnd& frontend, const std::shared_ptr<ov::Model>& converted, const Graph& graph) {
  try {
    frontend.normalize(converted);
    return {};
  } catch (const ov::Exception& error) {
    std::istringstream words(error.what());
    for (std::string word; words >> word;) {
      const Node* node = graph.find_node(word.substr(0, word.find('/')));
      if (!node || word.find('/') == std::string::npos) continue;
      return {{node->name(), "the frontend has no rule for it with these arguments"}};
    }
    throw;
  }
}

void refuse(const std::vector<LeftOver>& left, const Graph& graph) {
  std::vector<Problem> problems;
  for (const LeftOver& part : left) problems.push_back(problem_of(part, graph));
  throw Error(ErrorCode::unsupported, std::move(problems));
}

void write_out(Decomposer& decomposer, Graph& graph, const std::vector<LeftOver>& left) {
  std::vector<Problem> problems;
  for (const LeftOver& part : left) {
    Node* node = graph.find_node(part.name);
    const Problem problem = problem_of(part, graph);  // before the node is gone
    if (!node || !decomposer.replace(node).empty()) problems.push_back(problem);
  }
  if (!problems.empty()) throw Error(ErrorCode::unsupported, std::move(problems));
  graph.erase_dead_code(false);
}

}  // namespace dsc
