// Order of the checks: what kind of archive, which schema version, then the graph, then the tensors it names.
#include <nlohmann/json.hpp>

#include <string>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "dscompress/error.h"
#include "io/pt2.h"
#include "io/pt2_graph_read.h"
#include "io/pt2_graph_write.h"
#include "io/pt2_payload.h"
#include "io/pt2_schema.h"
#include "ir/describe.h"

namespace dsc {
namespace {

using Json = nlohmann::json;
using pt2::Payload;

constexpr const char* kExportAgain = "export the model again with torch 2.11 to 2.13: torch.export.save(program, \"model.pt2\")";

[[noreturn]] void refuse(const ZipArchive& archive, const std::string& what, const std::string& hint = kExportAgain) {
  throw Error(ErrorCode::model_file, what, {.file = archive.path()}, hint);
}

void check_kind(const ZipArchive& archive) {
  if (archive.find("serialized_exported_program.json")) refuse(archive, "the archive is in the format of torch 2.7 and older");
  if (archive.find("constants.pkl")) refuse(archive, "the archive is TorchScript, not torch.export", "give it the extension .pt, and the inputs' shapes");
  if (archive.find("data.pkl"))
    refuse(archive, "the file is a pickled checkpoint (torch.save), not an exported program", "export the model with scripts/export_model.py");
  if (archive.read_text("archive_format") != "pt2") refuse(archive, "the archive is not of format pt2");
  const auto version = archive.read_text("archive_version");
  if (version != "0") refuse(archive, "the archive has version " + version + "; dscompress reads version 0");
  if (archive.find("byteorder") && archive.read_text("byteorder") != "little") refuse(archive, "the archive was written on a big-endian machine");
}

// "model" of "models/model.json"; an archive may hold several programs.
std::string program_name(const ZipArchive& archive) {
  std::vector<std::string> names;
  for (const auto& entry : archive.entries()) {
    if (!entry.name.starts_with(pt2::kModelPrefix) || !entry.name.ends_with(".json")) continue;
    names.push_back(entry.name.substr(pt2::kModelPrefix.size(), entry.name.size() - pt2::kModelPrefix.size() - 5));
  }
  if (names.empty()) refuse(archive, "the archive has no program (entry `models/model.json`)");
  if (names.size() > 1) {
    std::string list;
    for (const auto& name : names) list += (list.empty() ? "" : ", ") + name;
    refuse(archive, "the archive holds " + std::to_string(names.size()) + " programs: " + list, "save each program in an archive of its own");
  }
  return names.front();
}

Json parse_program(const ZipArchive& archive, const std::string& entry) {
  try {
    return Json::parse(archive.read_text(entry));
  } catch (const Json::exception& error) {
    throw Error(ErrorCode::model_file, "entry `" + entry + "` is not JSON: " + error.what(), {.file = archive.path()}, kExportAgain);
  }
}

void check_schema(const ZipArchive& archive, const Json& program, ArchiveInfo& info) {
  const auto& version = program.at("schema_version");
  info.schema_major = version.at("major").get<std::int64_t>();
  info.schema_minor = version.at("minor").get<std::int64_t>();
  info.torch_version = program.value("torch_version", "");
  if (info.schema_major == pt2::kSchemaMajor) return;
  refuse(archive, "the program has export schema " + std::to_string(info.schema_major) + "." + std::to_string(info.schema_minor) +
                      (info.torch_version.empty() ? "" : " (torch " + info.torch_version + ")") + "; dscompress reads 8.x");
}

// What the writer needs again and the graph does not hold.
void keep_rest(const ZipArchive& archive, const std::string& name, const Json& program, const Graph& graph, ArchiveInfo& info) {
  const auto& module = program.at("graph_module");
  for (const char* key : {"opset_version", "range_constraints", "verifiers", "guards_code"}) {
    if (program.contains(key)) info.json[key] = program.at(key).dump();
  }
  for (const char* key : {"module_call_graph", "metadata", "treespec_namedtuple_fields"}) {
    if (module.contains(key)) info.json[key] = module.at(key).dump();
  }
  info.json["user_inputs"] = pt2::describe_user_inputs(graph);
  if (archive.find("data/sample_inputs/" + name + ".pt")) info.sample_inputs = archive.read_text("data/sample_inputs/" + name + ".pt");
  for (const auto& entry : archive.entries()) {
    if (entry.name.starts_with(pt2::kExtraFolder)) info.extra_files[entry.name.substr(pt2::kExtraFolder.size())] = archive.read_text(entry.name);
  }
}

bool same_sizes(const at::Tensor& tensor, const TensorType& type) {
  if (tensor.dim() != type.rank()) return false;
  for (std::int64_t i = 0; i < tensor.dim(); ++i) {
    const auto& dim = type.sizes[static_cast<std::size_t>(i)];
    if (!dim.is_fixed() || dim.size != tensor.size(i)) return false;
  }
  return true;
}

// Names of state that the graph does not use but that share a used tensor (tied weights).
void note_aliases(const std::vector<Payload>& unused, Model& model) {
  auto aliases = Json::object();
  std::unordered_map<const void*, std::string> by_tensor;
  for (const auto& name : model.weights.names()) by_tensor.emplace(model.weights.get(name).unsafeGetTensorImpl(), name);
  for (const auto& payload : unused) {
    const auto found = by_tensor.find(payload.tensor.unsafeGetTensorImpl());
    if (found != by_tensor.end()) aliases[payload.name] = found->second;
  }
  if (!aliases.empty()) model.archive.json["aliases"] = aliases.dump();
}

void read_weights(const ZipArchive& archive, const std::string& name, Model& model) {
  auto payloads = pt2::read_payloads(archive, pt2::kWeightsFolder, std::string(pt2::kWeightsFolder) + name + "_weights_config.json");
  auto constants = pt2::read_payloads(archive, pt2::kConstantsFolder, std::string(pt2::kConstantsFolder) + name + "_constants_config.json");
  payloads.insert(payloads.end(), constants.begin(), constants.end());
  std::unordered_map<std::string, const GraphInput*> wanted;
  for (const auto& input : model.graph.inputs()) {
    if (input.value && input.kind != InputKind::user) wanted.emplace(input.target, &input);
  }
  std::vector<Problem> problems;
  std::vector<Payload> unused;
  for (auto& payload : payloads) {
    const auto found = wanted.find(payload.name);
    if (found == wanted.end()) {
      unused.push_back(payload);
      continue;
    }
    const auto& type = found->second->value->tensor();
    if (payload.tensor.scalar_type() != pt2::to_aten(type.dtype) || !same_sizes(payload.tensor, type)) {
      problems.push_back({"`" + payload.name + "` is " + std::string(to_string(type.dtype)) + describe_sizes(type.sizes) +
                              " in the graph but its payload is " + c10::toString(payload.tensor.scalar_type()) + describe_sizes(payload.tensor),
                          {.file = archive.path()},
                          kExportAgain});
    }
    model.weights.set(payload.name, payload.tensor);
  }
  for (const auto& input : model.graph.inputs()) {
    if (!input.value || input.kind == InputKind::user || model.weights.has(input.target)) continue;
    problems.push_back(
        {"the archive has no tensor for `" + input.target + "`", {.file = archive.path(), .pointer = "%" + input.value->name()}, kExportAgain});
  }
  if (!problems.empty()) throw Error(ErrorCode::model_file, std::move(problems));
  note_aliases(unused, model);
}

}  // namespace

Model read_pt2(const std::string& path) {
  const ZipArchive archive(path);
  check_kind(archive);
  const auto name = program_name(archive);
  const auto entry = std::string(pt2::kModelPrefix) + name + ".json";
  const auto program = parse_program(archive, entry);
  Model model;
  model.source = path;
  try {
    check_schema(archive, program, model.archive);
    model.graph = pt2::read_graph(program.at("graph_module"), path);
    keep_rest(archive, name, program, model.graph, model.archive);
  } catch (const Json::exception& error) {
    throw Error(ErrorCode::model_file, "entry `" + entry + "` does not follow export schema 8: " + error.what(), {.file = path}, kExportAgain);
  }
  read_weights(archive, name, model);
  return model;
}

}  // namespace dsc
