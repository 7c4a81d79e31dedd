#include "checkpoint/gguf.h"

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <utility>

#include "checkpoint/gguf_architecture.h"
#include "checkpoint/gguf_metadata.h"
#include "checkpoint/gguf_names.h"

namespace dsc::checkpoint {
namespace {

GgmlType float_type_of(Element element) { return element == Element::f32 ? GgmlType::f32 : element == Element::f16 ? GgmlType::f16 : GgmlType::bf16; }

GgmlType type_of(const TensorPlan& tensor) { return tensor.scheme ? ggml_type_of(tensor.scheme->weights).value_or(GgmlType::q8_0) : float_type_of(tensor.element); }

std::uint64_t padded(std::uint64_t size) { return (size + kGgufAlignment - 1) / kGgufAlignment * kGgufAlignment; }

// The type of most weights.
GgmlType main_type(const Plan& plan) {
  std::map<GgmlType, std::int64_t> elements;
  for (const auto& tensor : plan.tensors) elements[type_of(tensor)] += plan.source.tensors[tensor.tensor].rows() * plan.source.tensors[tensor.tensor].columns();
  return std::max_element(elements.begin(), elements.end(), [](const auto& a, const auto& b) { return a.second < b.second; })->first;
}

// Several modules with one problem are one problem.
class Findings {
 public:
  void add(ErrorCode code, const std::string& reason, const std::string& module, const std::string& hint) {
    auto& entry = entries_[reason];
    if (entry.count++ == 0) entry = {code, module, hint, 1};
  }
  std::vector<Finding> list() const {
    std::vector<Finding> findings;
    for (const auto& [reason, entry] : entries_) {
      const auto others = entry.count > 1 ? " and " + std::to_string(entry.count - 1) + " more" : "";
      findings.push_back({entry.code, {reason + ": `" + entry.module + "`" + others, {}, entry.hint}});
    }
    return findings;
  }

 private:
  struct Entry {
    ErrorCode code = ErrorCode::unsupported;
    std::string module, hint;
    std::size_t count = 0;
  };
  std::map<std::string, Entry> entries_;
};

void check_tensor(const Plan& plan, const TensorPlan& tensor, Findings& findings) {
  const auto& source = plan.source.tensors[tensor.tensor];
  if (!element_of(source.dtype)) findings.add(ErrorCode::unsupported, "GGUF files of models hold no " + source.dtype, source.name, "format: compressed_tensors");
  if (gguf_name(source.name).empty()) findings.add(ErrorCode::unsupported, "GGUF has no name for this tensor", source.name, "format: compressed_tensors");
  if (interleaved_heads(plan.source, source.name) > 0 && source.shape.size() != 2) {
    findings.add(ErrorCode::unsupported, "biases of interleaved queries and keys are not converted", source.name, "format: compressed_tensors");
  }
  if (!tensor.scheme) return;
  const auto type = ggml_type_of(tensor.scheme->weights);
  if (!type || tensor.scheme->activations.bits != 16) {
    findings.add(ErrorCode::recipe, "GGUF has no blocks for " + to_string(*tensor.scheme), source.module(),
                 "group_size: 32 with bits: 8 is Q8_0, with bits: 4 Q4_0, with bits: 4 and symmetric: false Q4_K");
  } else if (source.columns() % columns_of_block(*type) != 0) {
    findings.add(ErrorCode::recipe, "rows of " + std::to_string(source.columns()) + " are no whole blocks of " + std::to_string(columns_of_block(*type)) + " (" +
                     std::string(name_of(*type)) + ")", source.module(), "symmetric: true for these modules has blocks of 32");
  }
}

// A tensor of the file: one of the plan's, or the experts' matrices one behind another.
struct Entry {
  std::string name;
  std::vector<std::size_t> parts;  // in Plan::tensors, in the order of experts
};

// In the order of their first parts.
std::vector<Entry> entries_of(const Plan& plan) {
  std::vector<Entry> entries;
  std::map<std::string, std::size_t> stacks;
  const auto name_of_part = [&](std::size_t part) { return gguf_name(plan.source.tensors[plan.tensors[part].tensor].name); };
  for (std::size_t i = 0; i < plan.tensors.size(); ++i) {
    const auto name = name_of_part(i);
    const auto [known, added] = name.expert ? stacks.emplace(name.name, entries.size()) : std::pair(stacks.end(), true);
    if (added) entries.push_back({name.name, {}});
    (added ? entries.back() : entries[known->second]).parts.push_back(i);
  }
  for (auto& entry : entries) std::ranges::sort(entry.parts, {}, [&](std::size_t part) { return name_of_part(part).expert.value_or(0); });
  return entries;
}

void check_stack(const Plan& plan, const Entry& stack, Findings& findings) {
  const auto& first = plan.tensors[stack.parts.front()];
  const auto& like = plan.source.tensors[first.tensor];
  for (std::size_t i = 0; i < stack.parts.size(); ++i) {
    const auto& part = plan.tensors[stack.parts[i]];
    const auto& source = plan.source.tensors[part.tensor];
    if (gguf_name(source.name).expert.value_or(0) != static_cast<std::int64_t>(i)) {
      findings.add(ErrorCode::model_file, "of experts that lie in one tensor number " + std::to_string(i) + " is missing", stack.name,
                   "copy the checkpoint again");
      return;
    }
    if (source.shape != like.shape)
      findings.add(ErrorCode::model_file, "experts that lie in one tensor have one shape", source.name, "format: compressed_tensors");
    if (type_of(part) != type_of(first))
      findings.add(ErrorCode::recipe, "experts that lie in one tensor have one type", source.module(), "let a rule select all of them");
  }
}

}  // namespace

std::int64_t interleaved_heads(const Source& source, const std::string& name) {
  if (gguf_architecture(source) != "llama") return 0;
  const bool is_query = name.find("self_attn.q_proj.") != std::string::npos, is_key = name.find("self_attn.k_proj.") != std::string::npos;
  if (!is_query && !is_key) return 0;
  const auto config = nlohmann::json::parse(source.config, nullptr, false);
  const std::int64_t heads = config.value("num_attention_heads", std::int64_t{0});
  return is_query ? heads : config.value("num_key_value_heads", heads);
}

std::int64_t gguf_row(std::int64_t row, std::int64_t rows, std::int64_t heads) {
  if (heads <= 0) return row;
  const auto width = rows / heads, half = width / 2, within = row % width;
  return row - within + within % half * 2 + within / half;
}

Output gguf_output(const Tensor& tensor, const TensorPlan& plan) {
  Output output{{.name = gguf_name(tensor.name).name, .dtype = std::string(name_of(type_of(plan))), .shape = tensor.shape}, Content::blocks};
  if (!plan.scheme) output.content = element_of(tensor.dtype) == plan.element ? Content::bytes : Content::converted;
  return output;
}

std::vector<Finding> check_gguf(const Plan& plan) {
  auto findings = check_gguf_metadata(plan.source);
  if (gguf_architecture(plan.source).empty()) return findings;  // all names would be unknown
  Findings of_tensors;
  for (const auto& tensor : plan.tensors) check_tensor(plan, tensor, of_tensors);
  for (const auto& entry : entries_of(plan)) {
    if (!entry.name.empty()) check_stack(plan, entry, of_tensors);
  }
  for (auto& finding : of_tensors.list()) findings.push_back(std::move(finding));
  return findings;
}

void lay_out_gguf(Plan& plan) {
  GgufHeader header;
  add_gguf_metadata(header, plan.source, main_type(plan));
  ShardPlan shard{.name = "model.gguf", .tensors = {}, .bytes = 0, .header = {}};
  std::uint64_t place = 0;
  for (const auto& entry : entries_of(plan)) {
    const auto& first = plan.tensors[entry.parts.front()];
    auto shape = plan.source.tensors[first.tensor].shape;
    if (gguf_name(plan.source.tensors[first.tensor].name).expert) shape.insert(shape.begin(), static_cast<std::int64_t>(entry.parts.size()));
    header.add_tensor(entry.name, shape, type_of(first), place);
    for (const auto part : entry.parts) {
      const auto& source = plan.source.tensors[plan.tensors[part].tensor];
      auto& stored = plan.tensors[part].outputs.front().stored;
      stored.begin = place;
      stored.end = place += static_cast<std::uint64_t>(source.rows() * ggml_row_bytes(type_of(plan.tensors[part]), source.columns()));
      shard.tensors.push_back(part);
    }
    place = padded(place);
  }
  shard.header = header.bytes();
  shard.bytes = shard.header.size() + place;
  plan.shards.push_back(std::move(shard));
}

}  // namespace dsc::checkpoint
