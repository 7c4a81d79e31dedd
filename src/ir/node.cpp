// What a node says of itself.
#include <algorithm>
#include <sstream>
#include <string_view>

#include "dscompress/graph.h"

namespace dsc {
namespace {

constexpr std::string_view kFrame = "File \"", kGenerated = "<eval_with_key>";  // in stack traces

}  // namespace

bool has_side_effect(const Node& node) {
  const auto op = node.op();
  const auto name = op.substr(op.rfind('.') + 1);
  const bool in_place = name.ends_with("_") && !name.ends_with("__");
  return in_place || name.starts_with("_assert") || name.starts_with("sym_constrain_range");
}

std::string_view Node::op() const {
  const std::string_view target = target_;
  return std::count(target.begin(), target.end(), '.') >= 2 ? target.substr(0, target.rfind('.')) : target;
}

const Argument* Node::find_argument(std::string_view name) const {
  for (const auto& argument : arguments_) {
    if (argument.name == name) return &argument.value;
  }
  return nullptr;
}

Value* Node::find_value(std::string_view name) const {
  const auto* argument = find_argument(name);
  const auto* value = argument ? std::get_if<Value*>(argument) : nullptr;
  return value ? *value : nullptr;
}

std::string Node::source_line() const {
  const auto found = metadata_.find("stack_trace");
  if (found == metadata_.end()) return {};
  const auto& trace = found->second;
  auto start = trace.rfind(kFrame);
  if (start == std::string::npos) return {};
  // The innermost line that a person wrote: frames of code that PyTorch generated (bodies of control flow) are passed over.
  while (start > 0 && trace.compare(start + kFrame.size(), kGenerated.size(), kGenerated) == 0) {
    const auto outer = trace.rfind(kFrame, start - 1);
    if (outer == std::string::npos) break;
    start = outer;
  }
  std::istringstream lines(trace.substr(start));
  std::string head, code;
  std::getline(lines, head);  // File "path/model.py", line 31, in forward
  std::getline(lines, code);
  const auto quote = head.find('"', 6), line = head.find("line "), in = head.find(", in ");
  if (quote == std::string::npos || line == std::string::npos || in == std::string::npos) return head;
  const auto path = head.substr(6, quote - 6);
  const auto text = code.find_first_not_of(' ');
  return path.substr(path.rfind('/') + 1) + ":" + head.substr(line + 5, in - line - 5) + " in " + head.substr(in + 5) +
         (text == std::string::npos ? "" : ": " + code.substr(text));
}

}  // namespace dsc
