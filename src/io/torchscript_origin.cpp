#include "io/torchscript_origin.h"

#include <algorithm>
#include <optional>
#include <string_view>

namespace dsc::torchscript {
namespace {

struct Line {
  std::string file, code;
  std::size_t number;
};

// The line of the Python source that was scripted or traced; none when only TorchScript's own text is left.
std::optional<Line> find_line(const torch::jit::SourceRange& range) {
  const auto original = range.source() ? range.findSourceRangeThatGenerated() : std::nullopt;
  const auto& best = original ? *original : range;
  const auto place = best.file_line_col();
  if (!place) return std::nullopt;
  auto [file, number, column] = *place;
  if (file.starts_with("code/")) return std::nullopt;
  for (const std::string_view folder : {"/site-packages/", "/dist-packages/"}) {
    if (const auto at = file.rfind(folder); at != std::string::npos) file.erase(0, at + folder.size());
  }
  if (file.starts_with('/')) file.erase(0, file.rfind('/') + 1);
  const auto& source = *best.source();
  std::string code = source.get_line(source.lineno_for_offset(best.start())).str();
  const auto start = code.find_first_not_of(' '), end = code.find_last_not_of(" \n");
  code = start == std::string::npos ? std::string() : code.substr(start, end - start + 1);
  return Line{std::move(file), std::move(code), number};
}

// "__torch__.torch.nn.modules.conv.___torch_mangle_4.Conv2d" -> "torch.nn.modules.conv.Conv2d".
std::string python_name(std::string name) {
  if (name.starts_with("__torch__.")) name.erase(0, std::string_view("__torch__.").size());
  constexpr std::string_view kMangle = "___torch_mangle_";
  for (auto at = name.find(kMangle); at != std::string::npos; at = name.find(kMangle)) name.erase(at, name.find('.', at) - at + 1);
  return name;
}

}  // namespace

void Origin::enter(const std::string& path, const std::string& qualified_type) { modules_.push_back({path, python_name(qualified_type)}); }

std::string Origin::frame(const torch::jit::SourceRange& range, const std::string& function) {
  const auto line = find_line(range);
  if (!line) return {};
  return "File \"" + line->file + "\", line " + std::to_string(line->number) + ", in " + function + "\n    " + line->code;
}

std::string Origin::source_line(const torch::jit::SourceRange& range, const std::string& function) {
  const auto line = find_line(range);
  if (!line) return {};
  return line->file.substr(line->file.rfind('/') + 1) + ":" + std::to_string(line->number) + " in " + function + ": " + line->code;
}

void Origin::apply(GraphBuilder& builder, const torch::jit::SourceRange& range, const std::string& function) const {
  std::map<std::string, std::string> metadata;
  std::string stack;
  for (const auto& [path, type] : modules_) {
    std::string key = "L__self__" + path;
    std::replace(key.begin(), key.end(), '.', '_');
    stack += (stack.empty() ? "" : ";") + key + "," + path + "," + type;
  }
  metadata["nn_module_stack"] = std::move(stack);
  std::string trace;
  for (const std::string& call : calls_) {
    if (!call.empty()) trace += (trace.empty() ? "" : "\n  ") + call;
  }
  if (const std::string last = frame(range, function); !last.empty()) trace += (trace.empty() ? "" : "\n  ") + last;
  if (!trace.empty()) metadata["stack_trace"] = std::move(trace);
  builder.set_origin(std::move(metadata));
}

}  // namespace dsc::torchscript
