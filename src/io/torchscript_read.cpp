// TorchScript files: the program is run on example inputs in several lanes (torchscript_interpreter.h), and what it did becomes
// the graph.
#include <ATen/CPUGeneratorImpl.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/randn.h>
#include <torch/csrc/jit/serialization/import.h>
#include <torch/version.h>

#include <algorithm>
#include <functional>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>

#include "core/names.h"
#include "dscompress/error.h"
#include "io/pt2_schema.h"
#include "io/torchscript.h"
#include "io/torchscript_interpreter.h"
#include "io/torchscript_kind.h"

namespace dsc {
namespace {

using torchscript::Expressions;
using torchscript::GraphBuilder;
using torchscript::Item;
using torchscript::Items;
using torchscript::KnownItem;

// Runs `body`; what LibTorch's reader and parser throw becomes an Error.
template <class Body>
auto reading(const std::string& path, Body body) {
  const auto refuse = [&](const std::string& text) {
    throw Error(ErrorCode::model_file, "LibTorch cannot load the program: " + text.substr(0, text.find('\n')), {.file = path},
                "save it again with the torch version that dscompress was built with, and without custom operators");
  };
  try {
    return body();
  } catch (const Error&) {
    throw;
  } catch (const torchscript::LaneFailure&) {
    throw;
  } catch (const c10::Error& error) {
    refuse(error.what_without_backtrace());
  } catch (const std::exception& error) {
    refuse(error.what());
  }
  throw Error(ErrorCode::internal, "unreachable");
}

torch::jit::Module load(const std::string& path) {
  torchscript::check_is_torchscript(path);
  return reading(path, [&] {
    auto module = torch::jit::load(path, c10::Device(c10::kCPU));
    if (!module.find_method("forward")) throw Error(ErrorCode::model_file, "the module has no forward()", {.file = path});
    module.eval();
    return module;
  });
}

// --- lanes ---

// The sizes that have names, with their example.
SymbolValues example_symbols(const std::vector<InputSpec>& inputs) {
  SymbolValues symbols;
  for (const auto& input : inputs) {
    for (const auto& dim : input.sizes) {
      if (!dim.is_fixed()) symbols.emplace(dim.expression, dim.size);
    }
  }
  return symbols;
}

std::set<std::string> leading_symbols(const std::vector<InputSpec>& inputs) {
  std::set<std::string> names;
  for (const auto& input : inputs) {
    if (!input.sizes.empty() && !input.sizes.front().is_fixed()) names.insert(input.sizes.front().expression);
  }
  return names;
}

// The example, then for each symbol what shows how sizes depend on it: one more, and for lengths and resolutions, which
// strides divide, also twice as much. `only_multiples`: for models that need a multiple of something.
std::vector<SymbolValues> make_lanes(const std::vector<InputSpec>& inputs, bool only_multiples) {
  std::vector<SymbolValues> lanes{example_symbols(inputs)};
  const auto leading = leading_symbols(inputs);
  const SymbolValues example = lanes.front();
  for (const auto& [name, size] : example) {
    const auto add = [&, &name = name](std::int64_t other) {
      lanes.push_back(example);
      lanes.back()[name] = other;
    };
    if (leading.contains(name)) {
      add(size + 1);
      continue;
    }
    if (!only_multiples) add(size + 1);
    add(2 * size);
    if (only_multiples) add(3 * size);
  }
  return lanes;
}

// "Symbol('batch', positive=True, integer=True)", as torch.export writes symbols.
Expressions symbol_expressions(const SymbolValues& symbols) {
  Expressions expressions;
  for (const auto& [name, value] : symbols) expressions[name] = "Symbol('" + name + "', positive=True, integer=True)";
  return expressions;
}

at::Tensor example_tensor(const InputSpec& input, const SymbolValues& lane, at::Generator& generator) {
  std::vector<std::int64_t> sizes;
  for (const auto& dim : input.sizes) sizes.push_back(dim.is_fixed() ? dim.size : lane.at(dim.expression));
  const auto dtype = pt2::to_aten(input.dtype);
  if (!at::isFloatingType(dtype)) return at::ones(sizes, dtype);  // a valid index, and a mask that hides nothing
  return at::randn(sizes, generator, at::kFloat).to(dtype);
}

// --- inputs ---

struct Formal {
  std::string name;
  c10::TypePtr type;
  std::optional<c10::IValue> otherwise;  // what the program takes when the argument is not given
};

std::vector<Formal> formals(const torch::jit::Module& module) {
  std::vector<Formal> out;
  const auto& arguments = module.get_method("forward").function().getSchema().arguments();
  for (std::size_t i = 1; i < arguments.size(); ++i) out.push_back({arguments[i].name(), arguments[i].type(), arguments[i].default_value()});
  return out;
}

bool takes_tensor(const Formal& formal) {
  const auto* optional = formal.type->castRaw<c10::OptionalType>();
  return (optional ? optional->getElementType() : formal.type)->kind() == c10::TypeKind::TensorType;
}

// The specification of each argument; null: the argument keeps its default.
std::vector<const InputSpec*> match_inputs(const std::vector<Formal>& arguments, const std::vector<InputSpec>& inputs, const std::string& path) {
  std::vector<std::string> names;
  for (const auto& argument : arguments) names.push_back(argument.name);
  std::vector<Problem> problems;
  const auto problem = [&](const std::string& what, std::string hint) { problems.push_back({what, {.file = path}, std::move(hint)}); };
  std::vector<const InputSpec*> matched(arguments.size(), nullptr);
  std::size_t next = 0;
  for (const auto& input : inputs) {
    const auto at = input.name.empty() ? next : static_cast<std::size_t>(std::find(names.begin(), names.end(), input.name) - names.begin());
    next = at + 1;
    if (at < arguments.size()) matched[at] = &input;
    else if (input.name.empty()) problem(std::to_string(inputs.size()) + " inputs for the " + std::to_string(names.size()) + " that the model takes", "");
    else problem("the model has no input `" + input.name + "`", suggest(input.name, names));
  }
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    const auto& argument = arguments[i];
    if (matched[i] && !takes_tensor(argument)) {
      problem("input `" + argument.name + "` is of type " + argument.type->repr_str() + ", and only tensors can be given",
              "wrap the model in a module whose forward() takes tensors");
    } else if (!matched[i] && !argument.otherwise) {
      const bool can_be_given = takes_tensor(argument);
      problem("the shape of input `" + argument.name + "` (" + argument.type->repr_str() + ") is not known: TorchScript files have none",
              can_be_given ? "give it on the command line, --input " + argument.name + "=batch,3,224,224, or in the recipe, model: {inputs: [\"" + argument.name +
                                 "=batch,3,224,224\"]}; names are sizes that may change"
                           : "wrap the model in a module whose forward() takes tensors");
    }
  }
  if (!problems.empty()) throw Error(ErrorCode::usage, std::move(problems));
  return matched;
}

// --- translation ---

using Walk = std::function<void(const c10::ivalue::Object& module, std::size_t slot, const std::string& name)>;
void walk_slots(const c10::intrusive_ptr<c10::ivalue::Object>& module, const std::string& prefix, const Walk& visit) {
  const auto type = module->type();
  for (std::size_t i = 0; i < type->numAttributes(); ++i) visit(*module, i, prefix + type->getAttributeName(i));
  for (std::size_t i = 0; i < type->numAttributes(); ++i) {
    if (type->getAttribute(i)->is_module()) walk_slots(module->getSlot(i).toObject(), prefix + type->getAttributeName(i) + ".", visit);
  }
}

// Parameters, then buffers, as in the module's state.
void add_weights(GraphBuilder& builder, const torch::jit::Module& module) {
  for (const auto kind : {InputKind::parameter, InputKind::buffer}) {
    walk_slots(module._ivalue(), "", [&](const c10::ivalue::Object& object, std::size_t slot, const std::string& name) {
      const auto& value = object.getSlot(slot);
      const bool is_wanted = kind == InputKind::parameter ? object.type()->is_parameter(slot) : object.type()->is_buffer(slot);
      if (is_wanted && value.isTensor() && value.toTensor().defined()) builder.add_weight(kind, name, value.toTensor());
    });
  }
}

void add_outputs(Graph& graph, GraphBuilder& builder, const Item& item) {
  if (const auto* tuple = item.as<torchscript::TupleItem>()) {
    for (const Item& element : tuple->elements) add_outputs(graph, builder, element);
  } else if (const auto* list = item.as<torchscript::ListItem>()) {
    for (const Item& element : *list->elements) add_outputs(graph, builder, element);
  } else if (const auto* dictionary = item.as<torchscript::DictItem>()) {
    for (const auto& entry : *dictionary->entries) add_outputs(graph, builder, entry.second);
  } else if (torchscript::is_tensor(item)) {
    graph.add_output(OutputKind::user, builder.value(item));
  } else if (const auto* number = item.as<torchscript::NumberItem>(); number && number->value) {
    graph.add_output(OutputKind::user, number->value);
  }
}

std::string range_constraints(const SymbolValues& symbols) {
  auto ranges = nlohmann::json::object();
  for (const auto& [name, value] : symbols) ranges[name] = {{"min_val", 1}, {"max_val", nullptr}};
  return ranges.dump();
}

Model translate(const torch::jit::Module& module, const std::vector<Formal>& arguments, const std::vector<const InputSpec*>& specs,
                const std::vector<SymbolValues>& lanes, const std::string& path) {
  Model model;
  model.source = path;
  model.archive.torch_version = TORCH_VERSION;
  GraphBuilder builder(model, lanes, symbol_expressions(lanes.front()));
  add_weights(builder, module);
  auto generator = at::detail::createCPUGenerator(0);
  Items items;
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    if (!specs[i]) {
      items.push_back(builder.item(*arguments[i].otherwise));
      continue;
    }
    std::vector<at::Tensor> tensors;
    for (const auto& lane : lanes) tensors.push_back(example_tensor(*specs[i], lane, generator));
    items.push_back(builder.add_user_input(arguments[i].name, std::move(tensors)));
  }
  add_outputs(model.graph, builder, torchscript::run_forward(builder, module, std::move(items), path));
  if (model.graph.outputs().empty()) throw Error(ErrorCode::unsupported, "the model returns no tensor", {.file = path});
  for (const auto& name : model.graph.erase_dead_code(false)) model.weights.erase(name);
  builder.drop_unused_aliases();
  model.archive.json["range_constraints"] = range_constraints(lanes.front());
  return model;
}

std::string describe_lane(const SymbolValues& example, const SymbolValues& lane) {
  for (const auto& [name, size] : lane) {
    if (example.at(name) != size) return "`" + name + "` is " + std::to_string(size) + " instead of " + std::to_string(example.at(name));
  }
  return {};
}

}  // namespace

Model read_torchscript(const std::string& path, const std::vector<InputSpec>& inputs) {
  const auto module = load(path);
  const auto arguments = formals(module);
  const auto specs = match_inputs(arguments, inputs, path);
  try {
    return reading(path, [&] { return translate(module, arguments, specs, make_lanes(inputs, false), path); });
  } catch (const torchscript::LaneFailure&) {  // a size that must be a multiple of something
  }
  const auto lanes = make_lanes(inputs, true);
  try {
    return reading(path, [&] { return translate(module, arguments, specs, lanes, path); });
  } catch (const torchscript::LaneFailure& failure) {
    throw Error(ErrorCode::unsupported, "the model does not run when " + describe_lane(lanes.front(), lanes[failure.lane]) + ": " + failure.why, {.file = path},
                "give a number for that dimension, instead of a name");
  }
}

}  // namespace dsc
