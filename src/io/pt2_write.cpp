// Everything an exported program consists of, made consistent with the graph as it is now: what the archive said about
// calling the program stays where it is still true, and is made anew where edits changed inputs or outputs.
#include <caffe2/serialize/inline_container.h>

#include <algorithm>
#include <functional>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "core/file.h"
#include "dscompress/error.h"
#include "io/output_file.h"
#include "io/pt2.h"
#include "io/pt2_graph_write.h"
#include "io/pt2_payload.h"
#include "io/pt2_schema.h"
#include "io/pt2_treespec.h"

namespace dsc {
namespace {

using Json = nlohmann::json;
using pt2::PayloadFacts;

constexpr std::uint64_t kZipFormatVersion = 6;  // as torch.export writes it

Json kept_json(const Model& model, const std::string& key, Json otherwise) {
  const auto found = model.archive.json.find(key);
  return found == model.archive.json.end() ? std::move(otherwise) : Json::parse(found->second);
}

bool has_same_user_inputs(const Model& model) {
  const auto found = model.archive.json.find("user_inputs");
  return found != model.archive.json.end() && found->second == pt2::describe_user_inputs(model.graph);
}

// Which of the inputs that the program was exported with are gone; none when others came or the order changed.
std::optional<std::vector<bool>> removed_inputs(const Model& model) {
  const auto before = kept_json(model, "user_inputs", Json::array());
  const auto now = pt2::user_input_targets(model.graph);
  std::vector<bool> removed;
  std::size_t next = 0;
  for (const auto& input : before) {
    const bool is_kept = next < now.size() && input.at(0) == now[next];
    next += is_kept;
    removed.push_back(!is_kept);
  }
  return next == now.size() ? std::optional(removed) : std::nullopt;
}

// How forward() is called: as exported, less what is gone; or plainly, all inputs in order.
Json call_signature(const Model& model, const Json& exported) {
  const auto targets = pt2::user_input_targets(model.graph);
  Json names = Json::array();
  for (const auto& target : targets) names.push_back(pt2::identifier(target));
  Json signature{{"inputs", Json::array()},
                 {"outputs", Json::array()},
                 {"in_spec", pt2::plain_input_spec(targets.size())},
                 {"out_spec", ""},
                 {"forward_arg_names", names}};
  const auto outputs =
      static_cast<std::size_t>(std::count_if(model.graph.outputs().begin(), model.graph.outputs().end(), [](const GraphOutput& output) {
        return output.kind == OutputKind::user || output.kind == OutputKind::loss;
      }));
  signature["out_spec"] = pt2::plain_output_spec(outputs);
  if (!exported.is_object()) return signature;

  const auto out_spec = exported.at("out_spec").get<std::string>();
  if (pt2::leaf_count(out_spec) == outputs) signature["out_spec"] = out_spec;
  const auto in_spec = exported.at("in_spec").get<std::string>();
  const auto removed = removed_inputs(model);
  if (!removed) return signature;
  if (std::find(removed->begin(), removed->end(), true) == removed->end()) {
    if (pt2::leaf_count(in_spec) != targets.size()) return signature;
    signature["in_spec"] = in_spec;
    signature["forward_arg_names"] = exported.value("forward_arg_names", Json());
    return signature;
  }
  std::vector<std::string> forward_names;
  if (exported.contains("forward_arg_names") && !exported.at("forward_arg_names").is_null())
    forward_names = exported.at("forward_arg_names").get<std::vector<std::string>>();
  if (const auto trimmed = pt2::without_leaves(in_spec, forward_names, *removed)) {
    signature["in_spec"] = trimmed->spec;
    signature["forward_arg_names"] = forward_names.empty() ? Json(nullptr) : Json(trimmed->forward_names);
  }
  return signature;
}

// A submodule's own signature names values of the graph; it goes when one of them is gone.
bool names_exist(const Json& signature, const std::set<std::string>& names) {
  for (const char* side : {"inputs", "outputs"}) {
    for (const auto& argument : signature.at(side)) {
      const auto& content = argument.begin().value();
      if (!content.is_object()) continue;
      const auto name = content.value("name", content.value("as_name", ""));
      if (!name.empty() && !names.contains(name)) return false;
    }
  }
  return true;
}

Json call_graph(const Model& model, const pt2::WrittenGraph& written) {
  auto entries = kept_json(model, "module_call_graph", Json::array({{{"fqn", ""}, {"signature", nullptr}}}));
  for (auto& entry : entries) {
    auto& signature = entry.at("signature");
    if (entry.at("fqn") == "")
      signature = call_signature(model, signature);
    else if (!signature.is_null() && !names_exist(signature, written.names))
      signature = nullptr;
  }
  return entries;
}

// Constraints of symbols that no expression mentions any more would only make the loader warn.
Json range_constraints(const Model& model, const std::set<std::string>& expressions) {
  auto kept = Json::object();
  const auto all = kept_json(model, "range_constraints", Json::object());
  for (const auto& [symbol, range] : all.items()) {
    const auto quoted = "'" + symbol + "'";
    const bool is_used = std::any_of(expressions.begin(), expressions.end(),
                                     [&](const std::string& text) { return text == symbol || text.find(quoted) != std::string::npos; });
    if (is_used) kept[symbol] = range;
  }
  return kept;
}

// {"name": text, ...} of texts that are JSON already: the graph can be large, and is made once.
std::string object_text(const std::vector<std::pair<std::string, std::string>>& members) {
  std::string text;
  for (const auto& [name, value] : members) text += (text.empty() ? "{\"" : ", \"") + name + "\": " + value;
  return text + "}";
}

std::string kept_text(const Model& model, const std::string& key, const std::string& otherwise) {
  const auto found = model.archive.json.find(key);
  return found == model.archive.json.end() ? otherwise : found->second;
}

std::string program_text(const Model& model) {
  const auto written = pt2::write_graph(model.graph);
  const auto module = object_text({{"graph", written.graph},
                                   {"signature", written.signature},
                                   {"module_call_graph", call_graph(model, written).dump(-1, ' ', true)},
                                   {"metadata", kept_text(model, "metadata", "{}")},
                                   {"treespec_namedtuple_fields", kept_text(model, "treespec_namedtuple_fields", "{}")}});
  const Json version{{"major", model.archive.schema_major}, {"minor", model.archive.schema_minor}};
  return object_text({{"graph_module", module},
                      {"opset_version", kept_text(model, "opset_version", R"({"aten": 10})")},
                      {"range_constraints", range_constraints(model, written.expressions).dump()},
                      {"schema_version", version.dump()},
                      {"verifiers", kept_text(model, "verifiers", R"(["TRAINING"])")},
                      {"torch_version", Json(model.archive.torch_version).dump()},
                      // Guards compare the inputs as they were exported.
                      {"guards_code", has_same_user_inputs(model) ? kept_text(model, "guards_code", "[]") : "[]"}});
}

// State that is saved with a model lives in one folder, constants and other buffers in another.
bool is_state(const GraphInput& input) { return input.kind == InputKind::parameter || (input.kind == InputKind::buffer && input.persistent); }

// Tensors in their order, then further names of tied ones.
std::vector<PayloadFacts> payload_facts(const Model& model, bool state) {
  std::unordered_map<std::string, const GraphInput*> inputs;
  for (const auto& input : model.graph.inputs()) {
    if (input.is_weight() && is_state(input) == state) inputs.emplace(input.target, &input);
  }
  std::vector<PayloadFacts> facts;
  const auto add = [&](const std::string& name, const std::string& target) {
    const auto found = inputs.find(target);
    if (found == inputs.end()) return;
    const auto& input = *found->second;
    const auto& type = input.value->tensor();
    const auto& tensor = model.weights.get(target);
    const bool can_train = tensor.is_floating_point() || tensor.is_complex();
    facts.push_back({name, tensor, input.kind == InputKind::parameter, type.requires_grad && can_train, type.device.type});
  };
  for (const auto& name : model.weights.names()) add(name, name);
  const auto aliases = kept_json(model, "aliases", Json::object());
  for (const auto& [alias, target] : aliases.items()) {
    if (!model.weights.has(alias)) add(alias, target.get<std::string>());
  }
  return facts;
}

void write_records(const Model& model, const std::function<void(const std::string&, const void*, std::size_t)>& write) {
  const auto write_text = [&](const std::string& name, const std::string& text) { write(name, text.data(), text.size()); };
  const auto weights = std::string(pt2::kWeightsFolder), constants = std::string(pt2::kConstantsFolder);
  write_text(weights + "model_weights_config.json", pt2::write_payloads(payload_facts(model, true), weights, "weight_", write));
  write_text(constants + "model_constants_config.json", pt2::write_payloads(payload_facts(model, false), constants, "tensor_", write));
  write_text("models/model.json", program_text(model));
  write_text("data/sample_inputs/model.pt", has_same_user_inputs(model) ? model.archive.sample_inputs : std::string());
  for (const auto& [name, content] : model.archive.extra_files) write_text(std::string(pt2::kExtraFolder) + name, content);
  write_text("archive_format", "pt2");
  write_text("archive_version", "0");
}

}  // namespace

void write_pt2(const Model& model, const std::string& path) {
  write_atomically(path, [&](const std::string& temporary) {
    OutputFile file(temporary, path);
    try {
      // A failed write is told to the file alone, which throws when it is closed: told to the writer, it would throw once more
      // from its destructor, which ends the process.
      caffe2::serialize::PyTorchStreamWriter writer([&](const void* data, std::size_t size) {
        file.write(data, size);
        return size;
      });
      writer.setMinVersion(kZipFormatVersion);
      write_records(model, [&](const std::string& name, const void* data, std::size_t size) { writer.writeRecord(name, data, size); });
      writer.writeEndOfFile();
    } catch (const c10::Error& error) {
      throw Error(ErrorCode::io, std::string("cannot write the archive: ") + error.what_without_backtrace(), {.file = path});
    } catch (const Json::exception& error) {
      throw Error(ErrorCode::model_file, std::string("what the archive said about calling the program is damaged: ") + error.what(),
                  {.file = model.source}, "export the model again");
    }
    file.close();
  });
}

}  // namespace dsc
