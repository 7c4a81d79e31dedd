// dscompress inspect MODEL: what is in a model file.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <iostream>
#include <map>
#include <nlohmann/json.hpp>

#include "cli/inspect_data.h"
#include "cli/inspect_groups.h"
#include "cli/inspect_openvino.h"
#include "cli/session.h"
#include "core/log.h"
#include "core/names.h"
#include "deploy/openvino_engine.h"
#include "exec/unknown_operators.h"
#include "io/output_names.h"
#include "ir/describe.h"
#include "ir/shared_copy.h"
#include "ir/text.h"
#include "ops/cost.h"
#include "pipeline/open_model.h"

namespace dsc {
namespace {

struct InspectOptions {
  std::string model, weights;
  std::vector<std::string> inputs;
  bool graph = false, modules = false, operators = false, groups = false, members = false;
  std::string select;
};

// What one module holds, itself and everything below it.
struct ModuleRow {
  std::string type;
  double macs = 0;
  std::int64_t parameters = 0, nodes = 0;
};

// The path and every path above it: "a.b" -> "", "a", "a.b".
std::vector<std::string> with_parents(const std::string& path) {
  std::vector<std::string> paths = {""};
  if (path.empty()) return paths;
  for (std::size_t dot = path.find('.'); dot != std::string::npos; dot = path.find('.', dot + 1)) paths.push_back(path.substr(0, dot));
  paths.push_back(path);
  return paths;
}

std::map<std::string, ModuleRow> collect_modules(const Model& model) {
  std::map<std::string, ModuleRow> modules;
  std::map<const Node*, double> costs;
  for (const auto& cost : node_costs(model)) costs[cost.node] = cost.macs;
  for (const auto* node : model.graph.nodes()) {
    const auto cost = costs.find(node);
    for (const auto& path : with_parents(node->module_path())) {
      auto& row = modules[path];
      row.nodes += 1;
      if (cost != costs.end()) row.macs += cost->second;
      if (path == node->module_path()) row.type = node->module_type();
    }
  }
  for (const auto& input : model.graph.inputs()) {
    if (input.kind != InputKind::parameter) continue;
    std::int64_t count = 1;
    for (const auto& dim : input.value->tensor().sizes) count *= dim.size;
    const auto dot = input.target.rfind('.');
    for (const auto& path : with_parents(dot == std::string::npos ? "" : input.target.substr(0, dot))) modules[path].parameters += count;
  }
  return modules;
}

std::map<std::string, int> count_operators(const Model& model) {
  std::map<std::string, int> counts;
  for (const auto* node : model.graph.nodes()) ++counts[node->target()];
  return counts;
}

// All outputs that are values, by what users call them.
std::vector<std::pair<std::string, const Value*>> outputs_of(const Model& model) {
  std::vector<std::pair<std::string, const Value*>> outputs;
  const auto names = output_names(model);
  auto next = names.begin();
  for (const auto& output : model.graph.outputs()) {
    const auto* const value = std::get_if<Value*>(&output.value);
    if (!value) continue;
    const bool is_named = (output.kind == OutputKind::user || output.kind == OutputKind::loss) && (*value)->is_tensor();
    outputs.emplace_back(is_named ? *next++ : (*value)->name(), *value);
  }
  return outputs;
}

nlohmann::ordered_json to_json(const Model& model, const InspectOptions& options) {
  nlohmann::ordered_json json;
  json["file"] = options.model;
  json["torch_version"] = model.archive.torch_version;
  json["schema"] = std::to_string(model.archive.schema_major) + "." + std::to_string(model.archive.schema_minor);
  for (const auto& input : model.graph.inputs()) {
    if (input.kind == InputKind::user) json["inputs"].push_back({{"name", input.target}, {"type", describe_type(input.value->type())}});
  }
  for (const auto& [name, value] : outputs_of(model)) json["outputs"].push_back({{"name", name}, {"type", describe_type(value->type())}});
  json["nodes"] = model.graph.node_count();
  json["parameters"] = parameter_count(model);
  json["weight_bytes"] = weight_bytes(model);
  json["macs"] = model_cost(model).macs;
  json["operators"] = count_operators(model);
  for (const Problem& problem : find_unknown_operators(model.graph)) json["cannot_run"].push_back({{"message", problem.message}, {"hint", problem.hint}});
  for (const auto& [path, row] : collect_modules(model)) {
    if (!options.select.empty() && !matches_glob(options.select, path)) continue;
    json["modules"].push_back({{"path", path}, {"type", row.type}, {"macs", row.macs}, {"parameters", row.parameters}, {"nodes", row.nodes}});
  }
  return json;
}

void print_overview(const Model& model, const InspectOptions& options) {
  std::cout << options.model << ": torch " << model.archive.torch_version << ", export schema " << model.archive.schema_major << '.'
            << model.archive.schema_minor << '\n';
  for (const auto& input : model.graph.inputs()) {
    if (input.kind == InputKind::user) std::cout << "  input   " << input.target << ": " << describe_type(input.value->type()) << '\n';
  }
  for (const auto& [name, value] : outputs_of(model)) std::cout << "  output  " << name << ": " << describe_type(value->type()) << '\n';
  std::cout << "  " << model.graph.node_count() << " nodes, " << format_count(static_cast<double>(parameter_count(model))) << " parameters, "
            << format_bytes(static_cast<double>(weight_bytes(model))) << " of weights, " << format_count(model_cost(model).macs) << " MACs an example\n";
}

// A program that runs nowhere here can still be looked at.
void warn_of_unknown_operators(const Model& model) {
  for (const Problem& problem : find_unknown_operators(model.graph)) log_warning(problem.message + "; " + problem.hint);
}

void print_modules(const Model& model, const InspectOptions& options) {
  std::vector<std::vector<std::string>> rows = {{"module", "type", "MACs", "parameters"}};
  for (const auto& [path, row] : collect_modules(model)) {
    if (!options.select.empty() && !matches_glob(options.select, path)) continue;
    rows.push_back({path.empty() ? "(root)" : path, row.type.substr(row.type.rfind('.') + 1), format_count(row.macs),
                    format_count(static_cast<double>(row.parameters))});
  }
  if (rows.size() == 1 && options.select.empty()) {
    std::cout << "no modules: the program has neither operators nor parameters\n";
    return;
  }
  if (rows.size() == 1) {
    throw Error(ErrorCode::usage, "no module matches `" + options.select + "`", {}, "`*` stays within one component, `**` crosses dots");
  }
  std::cout << format_table(rows);
}

void print_operators(const Model& model) {
  std::vector<std::pair<std::string, int>> counts;
  for (const auto& entry : count_operators(model)) counts.push_back(entry);
  std::stable_sort(counts.begin(), counts.end(), [](const auto& a, const auto& b) { return a.second > b.second; });
  std::vector<std::vector<std::string>> rows = {{"operator", "nodes"}};
  for (const auto& [op, count] : counts) rows.push_back({op, std::to_string(count)});
  std::cout << format_table(rows);
}

// What can be pruned is asked of the form that passes work on.
Model as_passes_see(const Model& model) {
  Model formed = shared_copy(model);
  bring_into_form(formed, true);
  return formed;
}

int inspect(const Session& session, const InspectOptions& options) {
  if (is_openvino_file(options.model)) return inspect_openvino(session, options.model);
  const Model model = open_model(options.model, options.weights, options.inputs, LackingWeights::allowed);
  if (session.json) {
    auto json = to_json(model, options);
    if (options.groups || options.members) json.update(groups_json(as_passes_see(model)));
    std::cout << json.dump(2) << '\n';
    return 0;
  }
  if (options.graph) {
    std::cout << print_graph(model.graph, {.metadata = false});
    return 0;
  }
  print_overview(model, options);
  warn_of_unknown_operators(model);
  if (options.modules || !options.select.empty()) print_modules(model, options);
  if (options.operators) print_operators(model);
  if (options.groups || options.members) std::cout << groups_text(as_passes_see(model), options.members);
  return 0;
}

}  // namespace

void add_inspect_command(CLI::App& app, Session& session) {
  auto options = std::make_shared<InspectOptions>();
  auto* command = app.add_subcommand("inspect", "Show what is in a model file, or in a recipe's data");
  auto* model = command->add_option("MODEL", options->model, "Model file (.pt2, TorchScript .pt; OpenVINO's .xml, .onnx)")->type_name("");
  add_input_option(*command, options->inputs);
  command->add_option("--weights", options->weights, "Swap in these weights first: a .safetensors file, or a checkpoint's folder")->type_name("FILE");
  command->add_flag("--graph", options->graph, "Print the operator graph as text");
  command->add_flag("--modules", options->modules, "List the modules: the names that selectors match");
  command->add_flag("--operators", options->operators, "Count the operators");
  command->add_flag("--groups", options->groups, "List what can be pruned together, and what cannot and why");
  command->add_flag("--members", options->members, "With the weight dimensions of each group");
  command->add_option("--select", options->select, "Only modules that match this glob")->type_name("GLOB");
  command->add_flag("--json", session.json, "Print JSON");
  command->footer(
      "Examples:\n"
      "  dscompress inspect resnet20.pt2 --modules\n"
      "  dscompress inspect resnet20.pt2 --groups\n"
      "  dscompress inspect bert.pt2 --select '**.attention.*' --json\n"
      "  dscompress inspect data recipe.yaml");
  auto* data = add_inspect_data_command(*command, session);
  command->callback([&session, options, model, data] {
    if (data->parsed()) return;
    if (model->count() == 0) throw CLI::RequiredError("MODEL");
    session.run = [&session, options] { return inspect(session, *options); };
  });
}

}  // namespace dsc
