#include "deploy/openvino_caches.h"

#include <openvino/core/graph_util.hpp>
#include <openvino/core/model.hpp>
#include <openvino/op/assign.hpp>
#include <openvino/op/broadcast.hpp>
#include <openvino/op/concat.hpp>
#include <openvino/op/constant.hpp>
#include <openvino/op/gather.hpp>
#include <openvino/op/parameter.hpp>
#include <openvino/op/read_value.hpp>
#include <openvino/op/result.hpp>
#include <openvino/op/shape_of.hpp>
#include <openvino/op/util/variable.hpp>
#include <openvino/runtime/properties.hpp>
#include <string>

#include "deploy/cached_decoder.h"
#include "deploy/openvino_decoder.h"
#include "deploy/openvino_types.h"

namespace dsc {
namespace {

std::shared_ptr<ov::op::v0::Constant> int64_constant(const std::vector<std::int64_t>& values, const std::string& name, bool is_list = true) {
  const auto constant = ov::op::v0::Constant::create(ov::element::i64, is_list ? ov::Shape{values.size()} : ov::Shape{}, values);
  constant->set_friendly_name(name);
  return constant;
}

// How many sequences a call is given, as a list of one number.
ov::Output<ov::Node> batch_of(ov::Model& model) {
  const auto shape = std::make_shared<ov::op::v3::ShapeOf>(model.input("input_ids"), ov::element::i64);
  const auto batch = std::make_shared<ov::op::v8::Gather>(shape, int64_constant({0}, "batch/Dimension"), int64_constant({0}, "batch/Axis", false));
  shape->set_friendly_name("batch/ShapeOf");
  batch->set_friendly_name("batch");
  return batch;
}

// [batch, heads, 0, features].
std::shared_ptr<ov::Node> empty_cache(const ov::op::v0::Parameter& like, const ov::Output<ov::Node>& batch, const std::string& name) {
  const ov::PartialShape& shape = like.get_partial_shape();
  const auto sizes = std::make_shared<ov::op::v0::Concat>(
      ov::OutputVector{batch, int64_constant({shape[1].get_length(), 0, shape[3].get_length()}, name + "/Sizes")}, 0);
  sizes->set_friendly_name(name + "/Shape");
  const auto zero = ov::op::v0::Constant::create(like.get_element_type(), {}, {0});
  zero->set_friendly_name(name + "/Zero");
  const auto empty = std::make_shared<ov::op::v3::Broadcast>(zero, sizes);
  empty->set_friendly_name(name + "/Empty");
  return empty;
}

}  // namespace

void keep_caches(ov::Model& model, std::size_t caches) {
  const auto parameters = model.get_parameters();
  const auto results = model.get_results();
  const std::size_t inputs = parameters.size() - caches, outputs = results.size() - caches;
  const auto batch = batch_of(model);
  for (std::size_t i = 0; i < caches; ++i) {
    const auto& parameter = parameters[inputs + i];
    const std::string name = parameter->get_friendly_name();
    const auto variable = std::make_shared<ov::op::util::Variable>(
        ov::op::util::VariableInfo{parameter->get_partial_shape(), parameter->get_element_type(), name});
    const auto read = std::make_shared<ov::op::v6::ReadValue>(empty_cache(*parameter, batch, name), variable);
    read->set_friendly_name(name + "/ReadValue");
    ov::replace_node(parameter, read);
    const auto& result = results[outputs + i];
    const auto assign = std::make_shared<ov::op::v6::Assign>(result->input_value(0), variable);
    assign->set_friendly_name(name + "/Assign");
    model.remove_result(result);
    model.remove_parameter(parameter);
    model.add_sinks({assign});
    model.add_variables({variable});
  }
  model.validate_nodes_and_infer_types();
}

std::shared_ptr<ov::Model> convert_to_stateful(const Model& model) {
  const CachedDecoder decoder = to_cached_decoder(model);
  return translating([&] {
    const auto converted = convert_to_openvino(decoder.model);
    keep_caches(*converted, decoder.caches);
    // Left to itself the plugin would round keys and values to 8 bits; who wants that says so when loading.
    converted->set_rt_info("f32", {"runtime_options", ov::hint::kv_cache_precision.name()});
    return converted;
  });
}

}  // namespace dsc
