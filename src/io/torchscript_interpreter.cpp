// One frame per function call, one item per TorchScript value. Items are dropped after their last use, so that the
// activations of all lanes need not be kept.
#include "io/torchscript_interpreter.h"

#include <ATen/core/grad_mode.h>
#include <torch/csrc/jit/api/function_impl.h>
#include <torch/csrc/jit/ir/constants.h>
#include <torch/csrc/jit/ir/ir.h>

#include <map>
#include <unordered_map>
#include <utility>

#include "dscompress/error.h"
#include "io/torchscript_calls.h"
#include "io/torchscript_lists.h"
#include "io/torchscript_origin.h"

namespace dsc::torchscript {
namespace {

namespace jit = torch::jit;
namespace prim = c10::prim;
using Environment = std::unordered_map<const jit::Value*, Item>;
using LastUses = std::unordered_map<const jit::Node*, std::vector<const jit::Value*>>;

constexpr std::int64_t kMostIterations = 100000;
constexpr std::size_t kMostCalls = 200;  // inside each other; TorchScript has no recursion worth having

// Everything that a node, or the blocks in it, reads.
void collect_reads(const jit::Node* node, std::vector<const jit::Value*>& reads) {
  for (const jit::Value* input : node->inputs()) reads.push_back(input);
  for (const jit::Block* block : node->blocks()) {
    for (const jit::Node* inner : block->nodes()) collect_reads(inner, reads);
    collect_reads(block->return_node(), reads);
  }
}

// For each node of a function's body, the values that nothing reads after it.
LastUses last_uses(const jit::Block* body) {
  std::unordered_map<const jit::Value*, const jit::Node*> last;
  const auto read = [&](const jit::Node* node) {
    std::vector<const jit::Value*> reads;
    collect_reads(node, reads);
    for (const jit::Value* value : reads) last[value] = node;
  };
  for (const jit::Node* node : body->nodes()) read(node);
  read(body->return_node());
  LastUses uses;
  for (const auto& [value, node] : last) uses[node].push_back(value);
  return uses;
}

class Interpreter {
 public:
  Interpreter(GraphBuilder& builder, std::string file) : builder_(builder), file_(std::move(file)) {}

  Item call(jit::Function& function, Items arguments) {
    if (!function.isGraphFunction()) throw Error(ErrorCode::unsupported, "function `" + function.qualname().qualifiedName() + "` is built in");
    if (++depth_ > kMostCalls) throw Error(ErrorCode::unsupported, "function `" + function.qualname().qualifiedName() + "` calls itself");
    const auto graph = jit::toGraphFunction(function).graph();
    Environment environment;
    for (std::size_t i = 0; i < graph->inputs().size(); ++i) environment[graph->inputs()[i]] = std::move(arguments.at(i));
    auto known = last_uses_.find(graph.get());
    if (known == last_uses_.end()) known = last_uses_.emplace(graph.get(), last_uses(graph->block())).first;
    const std::string outer = std::exchange(function_, function.name());
    run_nodes(graph->block(), environment, &known->second);
    function_ = outer;
    --depth_;
    return environment.at(graph->outputs().at(0));
  }

  Item call_method(const Item& self, const std::string& method, Items arguments) {
    const auto* module = self.as<ModuleItem>();
    const auto* known = self.as<KnownItem>();
    if (!module && !(known && known->value.isObject())) throw Error(ErrorCode::unsupported, "a method of something that is no module");
    const auto type = module ? module->object->type() : known->value.toObjectRef().type();
    if (module) origin_.enter(module->path, type->name()->qualifiedName());
    Item result = call(type->getMethod(method), std::move(arguments));
    if (module) origin_.leave();
    return result;
  }

 private:
  // --- blocks ---

  void run_nodes(const jit::Block* block, Environment& environment, const LastUses* uses) {
    for (const jit::Node* node : block->nodes()) {
      run_located(node, environment);
      if (!uses) continue;
      if (const auto last = uses->find(node); last != uses->end()) {
        for (const jit::Value* value : last->second) environment.erase(value);
      }
    }
  }

  // Errors get the source line of the innermost node.
  void run_located(const jit::Node* node, Environment& environment) {
    const auto refuse = [&](ErrorCode code, const std::string& what, const std::string& hint) {
      const std::string line = origin_.source_line(node->sourceRange(), function_);
      throw Error(code, what + (line.empty() ? "" : ", from " + line), {.file = file_}, hint);
    };
    try {
      run_node(node, environment);
    } catch (const Error& error) {
      const Problem& problem = error.problems().front();
      if (!problem.place.empty()) throw;
      refuse(error.code(), problem.message, problem.hint);
    } catch (const c10::Error& error) {
      const std::string text = error.what_without_backtrace();
      refuse(ErrorCode::data, std::string(node->kind().toQualString()) + " fails on the example inputs: " + text.substr(0, text.find('\n')),
             "check the inputs' shapes and types (model.inputs, --input)");
    }
  }

  Items gather(const jit::Node* node, Environment& environment, std::size_t from = 0) {
    Items items;
    for (std::size_t i = from; i < node->inputs().size(); ++i) items.push_back(get(node->inputs()[i], environment));
    return items;
  }

  Item get(const jit::Value* value, Environment& environment) {
    const auto found = environment.find(value);
    if (found != environment.end()) return found->second;
    if (value->type()->kind() == c10::TypeKind::FunctionType) return KnownItem{};
    throw Error(ErrorCode::internal, "%" + value->debugName() + " is read before it is made");
  }

  void run_node(const jit::Node* node, Environment& environment) {
    const auto kind = node->kind();
    if (kind == prim::If) return run_if(node, environment);
    if (kind == prim::Loop) return run_loop(node, environment);
    Items results = results_of(node, environment);
    for (std::size_t i = 0; i < node->outputs().size(); ++i) environment[node->outputs()[i]] = std::move(results.at(i));
  }

  Items results_of(const jit::Node* node, Environment& environment) {
    const auto kind = node->kind();
    if (kind == prim::Constant) return constant(node);
    if (kind == prim::GetAttr) return {attribute(get(node->input(), environment), node->s(c10::attr::name))};
    if (kind == prim::SetAttr) throw Error(ErrorCode::unsupported, "the model sets its attribute `" + node->s(c10::attr::name) + "` while it runs");
    if (kind == prim::CallMethod) return {call_at(node, [&] { return call_method(get(node->input(0), environment), node->s(c10::attr::name), gather(node, environment)); })};
    if (kind == prim::CallFunction) {
      auto* function = node->input(0)->type()->expectRef<c10::FunctionType>().function();
      return {call_at(node, [&] { return call(*function, gather(node, environment, 1)); })};
    }
    if (kind == prim::RaiseException) raise(get(node->input(0), environment));
    const Items arguments = gather(node, environment);
    if (auto made = run_on_structure(node, arguments)) return *made;
    if (auto made = run_on_containers(kind.toQualString(), arguments)) return *made;
    origin_.apply(builder_, node->sourceRange(), function_);
    return call_operator(builder_, *node, arguments);
  }

  template <class Body>
  Item call_at(const jit::Node* node, Body body) {
    origin_.push_call(node->sourceRange(), function_);
    Item result = body();
    origin_.pop_call();
    return result;
  }

  // --- control flow ---

  bool decide(const Item& condition, const std::string& what) {
    const auto* known = find_known(condition);
    if (!known) throw Error(ErrorCode::unsupported, what + " depends on the inputs' sizes", {}, "give a number for the dimension, instead of a name");
    return known->toBool();
  }

  void run_if(const jit::Node* node, Environment& environment) {
    const bool taken = decide(get(node->input(), environment), "an `if`");
    const jit::Block* block = node->blocks().at(taken ? 0 : 1);
    run_nodes(block, environment, nullptr);
    for (std::size_t i = 0; i < node->outputs().size(); ++i) environment[node->outputs()[i]] = get(block->outputs()[i], environment);
  }

  void run_loop(const jit::Node* node, Environment& environment) {
    const jit::Block* body = node->blocks().at(0);
    const Item trips = get(node->input(0), environment);
    const auto* most = find_known(trips);
    if (!most) throw Error(ErrorCode::unsupported, "how often a loop runs depends on the inputs' sizes", {}, "give a number for the dimension, instead of a name");
    bool goes_on = decide(get(node->input(1), environment), "whether a loop runs");
    Items carried = gather(node, environment, 2);
    for (std::int64_t i = 0; goes_on && i < most->toInt(); ++i) {
      if (i == kMostIterations) throw Error(ErrorCode::unsupported, "a loop of more than " + std::to_string(kMostIterations) + " rounds");
      environment[body->inputs()[0]] = KnownItem{i};
      for (std::size_t j = 0; j < carried.size(); ++j) environment[body->inputs()[j + 1]] = std::move(carried[j]);
      run_nodes(body, environment, nullptr);
      goes_on = decide(get(body->outputs()[0], environment), "whether a loop goes on");
      for (std::size_t j = 0; j < carried.size(); ++j) carried[j] = get(body->outputs()[j + 1], environment);
    }
    for (std::size_t j = 0; j < carried.size(); ++j) environment[node->outputs()[j]] = std::move(carried[j]);
  }

  [[noreturn]] void raise(const Item& message) {
    const auto* known = find_known(message);
    throw Error(ErrorCode::data, "the model raises an exception on the example inputs: " + (known && known->isString() ? known->toStringRef() : std::string("?")), {},
                "check the inputs' shapes and types (model.inputs, --input)");
  }

  // --- values ---

  Items constant(const jit::Node* node) {
    if (node->output()->type()->kind() == c10::TypeKind::FunctionType) return {KnownItem{}};
    const auto value = jit::toIValue(node->output());
    if (!value) throw Error(ErrorCode::unsupported, "a constant of type " + node->output()->type()->repr_str());
    return {builder_.item(*value)};
  }

  Item attribute(const Item& object, const std::string& name) {
    const auto* module = object.as<ModuleItem>();
    const auto* known = object.as<KnownItem>();
    if (!module && !(known && known->value.isObject())) throw Error(ErrorCode::unsupported, "attribute `" + name + "` of something that is no module");
    const c10::IValue value = jit::Object(module ? module->object : known->value.toObject()).attr(name);
    const std::string path = module && !module->path.empty() ? module->path + "." + name : name;
    if (value.isObject() && value.toObjectRef().type()->is_module()) return ModuleItem{value.toObject(), path};
    if (module && value.isTensor()) {
      if (auto weight = builder_.find_weight(path)) return *weight;
    }
    if (!value.isList() && !value.isGenericDict()) return builder_.item(value);
    // A container may be changed by one reader and seen by another.
    const auto [container, is_new] = containers_.try_emplace({module ? module->object.get() : &known->value.toObjectRef(), name});
    if (is_new) container->second = builder_.item(value);
    return container->second;
  }

  // Nodes that only build or take apart; none: the node is another.
  std::optional<Items> run_on_structure(const jit::Node* node, const Items& arguments) {
    switch (node->kind()) {
      case prim::ListConstruct:
        return Items{ListItem{std::make_shared<Items>(arguments), node->output()->type()->expectRef<c10::ListType>().getElementType()}};
      case prim::TupleConstruct: return Items{TupleItem{arguments}};
      case prim::DictConstruct: {
        auto entries = std::make_shared<std::vector<std::pair<Item, Item>>>();
        for (std::size_t i = 0; i + 1 < arguments.size(); i += 2) entries->emplace_back(arguments[i], arguments[i + 1]);
        return Items{DictItem{std::move(entries)}};
      }
      case prim::ListUnpack: return *arguments.at(0).as<ListItem>()->elements;
      case prim::TupleUnpack: return arguments.at(0).as<TupleItem>()->elements;
      case prim::TupleIndex: return run_on_containers("aten::__getitem__", arguments);
      case prim::TupleSlice: {
        const auto& all = arguments.at(0).as<TupleItem>()->elements;
        return Items{TupleItem{Items(all.begin() + node->i(c10::attr::beg), all.begin() + node->i(c10::attr::end))}};
      }
      case prim::Uninitialized: return Items{KnownItem{}};
      case prim::unchecked_cast:
      case prim::unchecked_unwrap_optional: return Items{arguments.at(0)};
      case prim::Print: return Items{};
      case c10::aten::_unwrap_optional: return Items{arguments.at(0)};
      case c10::aten::warn: return Items{};
      case prim::isinstance: return Items{KnownItem{is_instance(arguments.at(0), node->tys(c10::attr::types))}};
      case c10::aten::dict: return Items{new_dictionary(arguments)};
      default: break;
    }
    // The model is to be trained: paths that only inference can take are left aside.
    if (node->kind().toQualString() == std::string_view("aten::is_grad_enabled")) return Items{KnownItem{true}};
    return std::nullopt;
  }

  GraphBuilder& builder_;
  std::string file_;
  std::string function_ = "forward";
  std::size_t depth_ = 0;
  Origin origin_;
  std::unordered_map<const jit::Graph*, LastUses> last_uses_;
  std::map<std::pair<const c10::ivalue::Object*, std::string>, Item> containers_;
};

}  // namespace

Item run_forward(GraphBuilder& builder, const jit::Module& module, Items arguments, const std::string& file) {
  const at::NoGradGuard no_grad;
  const Item self = ModuleItem{module._ivalue(), ""};
  arguments.insert(arguments.begin(), self);
  return Interpreter(builder, file).call_method(self, "forward", std::move(arguments));
}

}  // namespace dsc::torchscript
