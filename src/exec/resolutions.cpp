#include "exec/resolutions.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "core/fields_json.h"
#include "dscompress/error.h"
#include "exec/executor.h"
#include "exec/open_reshapes.h"
#include "ir/dim_expression.h"
#include "ir/shared_copy.h"
#include "ops/writes.h"

namespace dsc {
namespace {

constexpr const char* kRecord = "resolutions.json";
constexpr const char* kOpenHint = "export the model with open height and width: scripts/export_model.py ... --dynamic batch,height,width";

[[noreturn]] void refuse(const Model& model, const std::string& why, const std::string& hint) {
  throw Error(ErrorCode::unsupported, "the network cannot run at several resolutions: " + why, {.file = model.source}, hint);
}

Dim& dim_of(TensorType& type, std::size_t dim) { return type.sizes.at(dim); }

// What is open in the pictures' height and width, at the new size.
SymbolValues symbols_at(const Model& model, const Value& pictures, const PictureSize& size) {
  SymbolValues symbols;
  for (const auto& [dim, wanted] : {std::pair(std::size_t{2}, size.height), std::pair(std::size_t{3}, size.width)}) {
    const Dim& found = pictures.tensor().sizes[dim];
    if (found.is_fixed()) continue;
    const std::string symbol = symbol_of(found.expression);
    if (symbol.empty()) refuse(model, "its height or width has to be a multiple of a number", kOpenHint);
    if (!symbols.emplace(symbol, wanted).second && symbols.at(symbol) != wanted)
      refuse(model, "its pictures have to be square", "give square pictures");
  }
  return symbols;
}

std::optional<std::int64_t> known(const Value* value, const SymbolValues& symbols) {
  const auto* symbol = value ? std::get_if<SymbolType>(&value->type()) : nullptr;
  if (!symbol || symbol->kind != ScalarKind::sym_int) return std::nullopt;
  return symbol->expression.is_fixed() ? std::nullopt : evaluate_dim(symbol->expression.expression, symbols);
}

// Sizes that follow from height and width become numbers, as an export of that size has them.
void write_numbers(Graph& graph, const SymbolValues& symbols) {
  for (Node* node : graph.nodes()) {
    std::vector<NamedArgument> arguments = node->arguments();
    bool changed = false;
    for (NamedArgument& argument : arguments) {
      if (auto* value = std::get_if<Value*>(&argument.value)) {
        const auto number = known(*value, symbols);
        changed = changed || number;
        if (number) argument.value = *number;
      } else if (auto* list = std::get_if<IntList>(&argument.value)) {
        for (IntOrValue& entry : *list) {
          auto* const* value = std::get_if<Value*>(&entry);
          const auto number = value ? known(*value, symbols) : std::nullopt;
          changed = changed || number;
          if (number) entry = *number;
        }
      }
    }
    if (changed) graph.set_arguments(node, std::move(arguments));
  }
  graph.erase_dead_code(false);
}

// Types say what a run finds again; until then no size that depends on height and width is open.
void close_types(Graph& graph, const SymbolValues& symbols) {
  const auto close = [&](Value* value) {
    if (!value || !value->is_tensor()) return;
    TensorType type = value->tensor();
    bool changed = false;
    for (Dim& dim : type.sizes) {
      for (const auto& [symbol, size] : symbols) {
        if (dim.is_fixed() || !names_symbol(dim.expression, symbol)) continue;
        dim.expression.clear();
        changed = true;
      }
    }
    if (!changed) return;
    type.strides.clear();
    graph.set_type(value, std::move(type));
  };
  for (const GraphInput& input : graph.inputs()) close(input.value);
  for (Node* node : graph.nodes()) {
    for (Value* value : node->outputs()) close(value);
  }
}

void set_size(Graph& graph, Value* pictures, const PictureSize& size) {
  TensorType type = pictures->tensor();
  dim_of(type, 2) = {size.height, {}};
  dim_of(type, 3) = {size.width, {}};
  type.strides.clear();
  graph.set_type(pictures, std::move(type));
}

void insert_resizing(Graph& graph, Value* pictures, const PictureSize& wanted) {
  const std::vector<Use> uses = pictures->uses();
  TensorType type = pictures->tensor();
  dim_of(type, 2).size = wanted.height;
  dim_of(type, 3).size = wanted.width;
  Node* first = graph.nodes().front();
  Node* resize = graph.insert(first, "aten._upsample_bilinear2d_aa.default",
                              {{"self", pictures}, {"output_size", IntList{wanted.height, wanted.width}}, {"align_corners", false}},
                              {{"resized", std::move(type)}});
  graph.copy_origin(resize, first);
  for (const Use& use : uses) graph.replace_use(use, resize->output());
}

// Its reshapes fit the size that its first operator gives, and its types say so.
void fit(Model& made, const Model& model, const PictureSize& wanted) {
  const auto inputs = example_inputs(made, 0, 1);
  try {
    open_reshapes(made, inputs);
    refresh_types(made, inputs);
  } catch (const Error& error) {
    refuse(model, "at " + to_string(wanted) + " pixels " + error.problems().front().message, kOpenHint);
  }
}

}  // namespace

std::string to_string(const PictureSize& size) { return std::to_string(size.height) + " x " + std::to_string(size.width); }

void Resolutions::fields(FieldVisitor& visit) {
  rule.fields(visit);
  visit("height", height, {.text = "Of the pictures themselves.", .unit = "pixels", .minimum = 1, .required = true});
  visit("width", width, {.text = "Of the pictures themselves.", .unit = "pixels", .minimum = 1, .required = true});
  visit("sizes", sizes, {.text = "Heights of smaller ones, the smallest first.", .unit = "pixels", .minimum = 1});
}

std::vector<PictureSize> Resolutions::all() const {
  std::vector<PictureSize> found;
  for (const std::int64_t size : sizes) {
    const double share = static_cast<double>(size) / static_cast<double>(height);
    found.push_back({size, std::max<std::int64_t>(1, std::llround(static_cast<double>(width) * share))});
  }
  found.push_back({height, width});
  return found;
}

std::optional<Resolutions> resolutions_of(const Model& model) {
  const auto found = model.archive.extra_files.find(kRecord);
  if (found == model.archive.extra_files.end()) return std::nullopt;
  try {
    auto resolutions = parse_json<Resolutions>(found->second, kRecord);
    if (picture_input(model.graph) && !resolutions.sizes.empty()) return resolutions;
  } catch (const Error&) {  // what is wrong with a text that no one writes by hand does not help
  }
  throw Error(ErrorCode::model_file, std::string(kRecord) + " in the model file does not fit the model", {.file = model.source},
              "run the step dynamic_resolution again");
}

void set_resolutions(Model& model, const Resolutions& resolutions) { model.archive.extra_files[kRecord] = dump_json(resolutions); }

const Value* picture_input(const Graph& graph) {
  const Value* pictures = nullptr;
  for (const GraphInput& input : graph.inputs()) {
    if (input.kind != InputKind::user || !input.value) continue;
    if (pictures || !input.value->is_tensor() || input.value->tensor().rank() != 4 || !is_floating(input.value->tensor().dtype)) return nullptr;
    pictures = input.value;
  }
  return pictures;
}

PictureSize fixed_size(const Value& pictures) {
  const auto size_of = [&](std::size_t dim) {
    const Dim& found = pictures.tensor().sizes[dim];
    return found.is_fixed() ? found.size : 0;
  };
  return {size_of(2), size_of(3)};
}

Model at_resolution(const Model& model, const PictureSize& given, const PictureSize& wanted) {
  if (!state_inputs(model.graph).empty()) refuse(model, "it remembers something from run to run", "export it without a cache");
  Model made = shared_copy(model);
  made.archive.extra_files.clear();
  made.archive.sample_inputs.clear();
  Value* pictures = made.graph.find_value(picture_input(made.graph)->name());
  const SymbolValues symbols = symbols_at(model, *pictures, wanted);
  write_numbers(made.graph, symbols);
  close_types(made.graph, symbols);
  set_size(made.graph, pictures, given);
  if (given != wanted) insert_resizing(made.graph, pictures, wanted);
  fit(made, model, wanted);
  return made;
}

ExitStages resolution_stages(const Model& model) {
  const Resolutions resolutions = resolutions_of(model).value();
  const Value* pictures = picture_input(model.graph);
  if (pictures->tensor().sizes.front().is_fixed())
    refuse(model, "it was exported for " + std::to_string(pictures->tensor().sizes.front().size) + " examples at a time",
           "export it with a dynamic batch, as scripts/export_model.py does");
  ExitStages made{.plan = {.rule = resolutions.rule, .shared = {}, .stages = {}}, .models = {}};
  for (const PictureSize& size : resolutions.all()) {
    made.plan.stages.push_back({to_string(size), {pictures->name()}, {}});
    made.models.push_back(at_resolution(model, {resolutions.height, resolutions.width}, size));
  }
  return made;
}

}  // namespace dsc
