// dscompress inspect FILE.xml: what OpenVINO will run, as it was compiled for this machine.
#include "cli/inspect_openvino.h"

#include <iostream>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>

#include "cli/session.h"
#include "deploy/openvino_engine.h"
#include "exec/engine.h"
#include "ir/describe.h"

namespace dsc {
namespace {

using LayerCounts = std::map<std::pair<std::string, std::string>, int>;  // by type and precision

LayerCounts count_layers(const Engine& engine) {
  LayerCounts counts;
  for (const auto& layer : engine.layers()) {
    if (layer.type != "Const") ++counts[{layer.type, layer.precision}];
  }
  return counts;
}

}  // namespace

int inspect_openvino(const Session& session, const std::string& path) {
  const Model inputs = read_openvino_inputs(path);
  const auto engine = read_openvino_ir(path, {.threads = static_cast<int>(session.threads)});
  const auto counts = count_layers(*engine);
  if (session.json) {
    nlohmann::ordered_json json{{"file", path}, {"engine", engine->name()}};
    for (const auto& input : inputs.graph.inputs()) json["inputs"].push_back({{"name", input.target}, {"type", describe_type(input.value->type())}});
    for (const auto& [kind, count] : counts) json["layers"].push_back({{"type", kind.first}, {"precision", kind.second}, {"count", count}});
    std::cout << json.dump(2) << '\n';
    return 0;
  }
  std::cout << path << ": " << engine->name() << '\n';
  for (const auto& input : inputs.graph.inputs()) std::cout << "input   " << input.target << ": " << describe_type(input.value->type()) << '\n';
  std::vector<std::vector<std::string>> rows = {{"layer", "precision", "count"}};
  for (const auto& [kind, count] : counts) rows.push_back({kind.first, kind.second, std::to_string(count)});
  std::cout << format_table(rows);
  return 0;
}

}  // namespace dsc
