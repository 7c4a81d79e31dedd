#include "deploy/openvino_decoder.h"

#include <ATen/core/Tensor.h>

#include <algorithm>
#include <functional>
#include <numeric>
#include <openvino/core/model.hpp>
#include <openvino/frontend/input_model.hpp>
#include <openvino/frontend/manager.hpp>
#include <openvino/frontend/pytorch/decoder.hpp>
#include <openvino/op/constant.hpp>
#include <openvino/pass/constant_folding.hpp>
#include <openvino/pass/manager.hpp>
#include <openvino/runtime/properties.hpp>
#include <utility>

#include "deploy/decompose.h"
#include "deploy/openvino_interface.h"
#include "deploy/openvino_left_over.h"
#include "deploy/openvino_states.h"
#include "deploy/openvino_types.h"
#include "deploy/torch_program.h"
#include "deploy/torch_program_builder.h"
#include "exec/convert.h"
#include "ir/shared_copy.h"
#include "ops/evaluation_form.h"

namespace dsc {
namespace {

namespace type = ov::frontend::type;
using ov::frontend::pytorch::DecoderRTInfo;
using ov::frontend::pytorch::TorchDecoder;

ov::Any type_of(const TorchValue& value) {
  const ov::Any element = to_openvino(value.dtype);
  switch (value.kind) {
    case TorchValue::Kind::none: return type::PyNone();
    case TorchValue::Kind::text: return type::Str();
    case TorchValue::Kind::number: return type::PyScalar(element);
    case TorchValue::Kind::tensor: return type::Tensor(element);
    case TorchValue::Kind::list: {
      const ov::Any any = ov::element::Type(ov::element::dynamic);
      return type::List(value.is_tensor_list ? ov::Any(type::Tensor(any)) : ov::Any(type::PyScalar(element)));
    }
  }
  return {};
}

struct ToConstant {
  using Constant = ov::op::v0::Constant;
  const std::string& name;
  template <class T>
  ov::OutputVector make(ov::element::Type type, const ov::Shape& shape, const std::vector<T>& values) const {
    return Constant::create(type, shape, values)->outputs();
  }
  ov::OutputVector operator()(std::monostate) const { return {}; }
  ov::OutputVector operator()(const std::string&) const { return {}; }
  ov::OutputVector operator()(std::int64_t value) const { return make<std::int64_t>(ov::element::i64, {}, {value}); }
  // As floats already: Constant refuses a double that is infinite.
  ov::OutputVector operator()(double value) const { return make<float>(ov::element::f32, {}, {static_cast<float>(value)}); }
  ov::OutputVector operator()(bool value) const { return make<std::int64_t>(ov::element::boolean, {}, {value ? 1 : 0}); }
  ov::OutputVector operator()(const std::vector<std::int64_t>& v) const { return make(ov::element::i64, {v.size()}, v); }
  ov::OutputVector operator()(const std::vector<double>& v) const {
    return make(ov::element::f32, {v.size()}, std::vector<float>(v.begin(), v.end()));
  }
  ov::OutputVector operator()(const std::vector<bool>& v) const {
    return make(ov::element::boolean, {v.size()}, std::vector<std::int64_t>(v.begin(), v.end()));
  }
  ov::OutputVector operator()(const at::Tensor& tensor) const { return share_constant(tensor, name); }
};

// What the whole program and one call have in common; a TorchScript decoder needs only a part of the interface.
class ProgramPart : public TorchDecoder {
 public:
  ProgramPart(std::shared_ptr<const TorchProgram> program, const std::vector<ValueId>& inputs, const std::vector<ValueId>& outputs)
      : program_(std::move(program)), inputs_(inputs), outputs_(outputs) {}

  const std::vector<std::size_t>& inputs() const override { return inputs_; }
  const std::vector<std::size_t>& outputs() const override { return outputs_; }
  std::size_t output(std::size_t i) const override { return outputs_.at(i); }
  std::size_t num_of_outputs() const override { return outputs_.size(); }
  // The frontend reads these names as numbers.
  const std::string& get_input_debug_name(std::size_t i) const override { return input(i).number; }
  const std::string& get_output_debug_name(std::size_t i) const override { return result(i).number; }
  const std::string& get_input_signature_name(std::size_t i) const override { return input(i).number; }
  ov::PartialShape get_input_shape(std::size_t i) const override { return to_partial_shape(input(i)); }
  ov::PartialShape get_output_shape(std::size_t i) const override { return to_partial_shape(result(i)); }
  ov::Any get_input_type(std::size_t i) const override { return type_of(input(i)); }
  ov::Any get_output_type(std::size_t i) const override { return type_of(result(i)); }
  bool input_is_none(std::size_t i) const override {
    return i >= inputs_.size() || input(i).kind == TorchValue::Kind::none;
  }
  const std::vector<std::size_t>& get_input_strides(std::size_t) const override {
    static const std::vector<std::size_t> none;
    return none;
  }
  const std::string& decoder_type_name() const override {
    static const std::string name = "ts";
    return name;
  }

  ov::Any const_input(std::size_t) const override { return {}; }
  std::size_t output_list_size() const override { return 0; }
  bool is_input_inlined(std::size_t) const override { return false; }
  std::shared_ptr<TorchDecoder> get_inlined_input_decoder(std::size_t) const override { return nullptr; }
  std::shared_ptr<TorchDecoder> get_subgraph_decoder(std::size_t) const override { return nullptr; }
  ov::Any get_attribute(const std::string&) const override { return {}; }
  std::size_t get_named_input(const std::string&) const override { return 0; }
  DecoderRTInfo get_rt_info() const override { return {}; }
  bool has_converter() const override { return false; }
  ov::OutputVector convert(const ov::frontend::NodeContext*) const override { return {}; }

 protected:
  const TorchValue& input(std::size_t i) const { return program_->values[inputs_.at(i)]; }
  const TorchValue& result(std::size_t i) const { return program_->values[outputs_.at(i)]; }

  std::shared_ptr<const TorchProgram> program_;

 private:
  std::vector<ValueId> inputs_, outputs_;
};

class CallDecoder final : public ProgramPart {
 public:
  CallDecoder(std::shared_ptr<const TorchProgram> program, const TorchCall& call)
      : ProgramPart(std::move(program), call.inputs, call.outputs), call_(call) {}

  const std::string& get_op_type() const override { return call_.op; }
  const std::string& get_schema() const override { return call_.schema; }
  ov::OutputVector try_decode_get_attr() const override { return as_constant(); }
  ov::OutputVector as_constant() const override { return std::visit(ToConstant{call_.name}, call_.constant); }
  const std::string& as_string() const override { return std::get<std::string>(call_.constant); }
  bool may_produce_alias(std::size_t in, std::size_t out) const override { return call_.may_alias && in == 0 && out == 0; }
  std::size_t get_subgraph_size() const override { return 0; }
  void visit_subgraph(std::function<void(std::shared_ptr<TorchDecoder>)>) const override {}
  // Names layers after the graph's nodes: "conv2d/Convolution".
  std::shared_ptr<ov::Node> mark_node(std::shared_ptr<ov::Node> node) const override {
    if (call_.op != "prim::GetAttr") node->set_friendly_name(call_.name + "/" + node->get_type_name());
    return node;
  }

 private:
  const TorchCall& call_;
};

class ProgramDecoder final : public ProgramPart {
 public:
  explicit ProgramDecoder(std::shared_ptr<const TorchProgram> program)
      : ProgramPart(program, program->inputs, computed_outputs(*program)) {}

  const std::string& get_input_signature_name(std::size_t i) const override { return program_->input_names.at(i); }
  std::size_t get_subgraph_size() const override { return 1; }
  void visit_subgraph(std::function<void(std::shared_ptr<TorchDecoder>)> visit) const override {
    for (const TorchCall& call : program_->calls) visit(std::make_shared<CallDecoder>(program_, call));
  }

  const std::string& get_op_type() const override { return none_; }
  const std::string& get_schema() const override { return none_; }
  const std::string& as_string() const override { return none_; }
  ov::OutputVector try_decode_get_attr() const override { return {}; }
  ov::OutputVector as_constant() const override { return {}; }
  bool may_produce_alias(std::size_t, std::size_t) const override { return false; }
  std::shared_ptr<ov::Node> mark_node(std::shared_ptr<ov::Node> node) const override { return node; }

 private:
  std::string none_;
};

// Names that OpenVINO makes up count up through the process; the written file must not depend on what ran before. A constant
// that is folded out of a node takes over its name, so this runs before folding as well: `first` is where numbers go on.
// returns: the next number.
std::size_t name_the_nameless(ov::Model& converted, std::size_t first) {
  converted.set_friendly_name("model");
  for (const auto& node : converted.get_ordered_ops()) {
    if (node->get_friendly_name() != node->get_name()) continue;
    node->set_friendly_name(std::string(node->get_type_name()) + "#" + std::to_string(first++));  // no name of OpenVINO's has a #
  }
  return first;
}

// How many neighbours share a scale where activations are quantised at run time; 0: nowhere. Engines take one number.
std::int64_t run_time_group(const Graph& graph) {
  std::int64_t group = 0;
  for (const Node* node : graph.nodes()) {
    if (node->is("quantized_decomposed.quantize_per_token.default")) group = std::gcd(group, get_value(*node, 0, "input")->tensor().sizes.back().size);
  }
  return group;
}

// Until nothing is left: each round writes out what the frontend could not convert. Null where nothing is computed, which the
// frontend does not take for a model.
std::shared_ptr<ov::Model> convert_computed(Model& rewritten, std::shared_ptr<const TorchProgram>& program) {
  constexpr int kMostRounds = 16;  // of operators that consist of others that consist of others
  Decomposer decomposer(rewritten);
  const auto frontend = ov::frontend::FrontEndManager().load_by_framework("pytorch");
  for (int round = 0;; ++round) {
    decomposer.replace_known();
    program = std::make_shared<const TorchProgram>(make_torch_program(rewritten));
    if (computed_outputs(*program).empty()) return nullptr;
    const auto input = frontend->load(std::shared_ptr<ov::frontend::IDecoder>(std::make_shared<ProgramDecoder>(program)));
    const auto converted = frontend->convert_partially(input);
    auto left = normalize(*frontend, converted, rewritten.graph);
    if (left.empty()) left = find_left_over(*converted, rewritten.graph);
    if (left.empty()) return converted;
    if (round == kMostRounds) refuse(left, rewritten.graph);
    write_out(decomposer, rewritten.graph, left);
  }
}

std::vector<std::string> user_output_names(const Graph& graph) {
  std::vector<std::string> names;
  for (const GraphOutput& output : graph.outputs()) {
    auto* const* value = std::get_if<Value*>(&output.value);
    if (output.kind == OutputKind::user && value && *value && (*value)->is_tensor()) names.push_back((*value)->name());
  }
  return names;
}

std::shared_ptr<ov::Model> convert_evaluated(Model& model) {
  return translating([&] {
    const auto names = user_output_names(model.graph);  // before operators are written out
    std::shared_ptr<const TorchProgram> program;
    const auto computed = convert_computed(model, program);
    TorchProgram named = *program;
    std::copy(names.begin(), names.end(), named.output_names.begin());
    const auto converted = with_interface(computed, named);
    keep_states(*converted, named.states);
    const std::size_t first = name_the_nameless(*converted, 0);
    ov::pass::Manager manager;
    manager.register_pass<ov::pass::ConstantFolding>();
    manager.run_passes(converted);
    store_integer_weights(*converted);
    widen_quantizers(*converted);
    slice_before_pointwise(*converted);
    give_quantizers_own_steps(*converted);
    name_the_nameless(*converted, first);
    // Read by the plugins when they compile, and kept in IR files. Left to themselves they would quantise the activations of
    // layers whose weights alone are integers, in groups of 32.
    converted->set_rt_info(std::to_string(run_time_group(model.graph)), {"runtime_options", ov::hint::dynamic_quantization_group_size.name()});
    return converted;
  });
}

}  // namespace

std::shared_ptr<ov::Model> convert_to_openvino(const Model& model) {
  Model evaluated = shared_copy(model);
  put_into_evaluation_form(evaluated);
  return convert_evaluated(evaluated);
}

}  // namespace dsc
