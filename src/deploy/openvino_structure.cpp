// From results to parameters, node by node in pairs.
#include "deploy/openvino_structure.h"

#include <cstring>
#include <deque>
#include <limits>
#include <map>
#include <memory>
#include <openvino/core/attribute_visitor.hpp>
#include <openvino/core/model.hpp>
#include <openvino/core/type/float16.hpp>
#include <openvino/op/constant.hpp>
#include <openvino/op/convert.hpp>
#include <openvino/op/util/multi_subgraph_base.hpp>
#include <openvino/op/util/variable.hpp>
#include <sstream>
#include <unordered_map>
#include <vector>

namespace dsc {
namespace {

using ov::op::v0::Constant;
using ov::op::v0::Convert;

// A node's attributes as text, by name. Sub-graphs are compared as models.
class AttributeTexts : public ov::AttributeVisitor {
 public:
  void on_adapter(const std::string& name, ov::ValueAccessor<void>& adapter) override {
    if (const auto* variable = ov::as_type<ov::AttributeAdapter<std::shared_ptr<ov::op::util::Variable>>>(&adapter)) {
      texts[name] = const_cast<ov::AttributeAdapter<std::shared_ptr<ov::op::util::Variable>>*>(variable)->get()->get_info().variable_id;
    }
  }
  void on_adapter(const std::string& name, ov::ValueAccessor<std::string>& adapter) override { texts[name] = adapter.get(); }
  void on_adapter(const std::string& name, ov::ValueAccessor<bool>& adapter) override { texts[name] = adapter.get() ? "true" : "false"; }
  void on_adapter(const std::string& name, ov::ValueAccessor<std::int64_t>& adapter) override { texts[name] = std::to_string(adapter.get()); }
  void on_adapter(const std::string& name, ov::ValueAccessor<double>& adapter) override { texts[name] = exact(adapter.get()); }
  void on_adapter(const std::string& name, ov::ValueAccessor<std::vector<std::int64_t>>& adapter) override { texts[name] = list(adapter.get()); }
  void on_adapter(const std::string& name, ov::ValueAccessor<std::vector<std::uint64_t>>& adapter) override { texts[name] = list(adapter.get()); }
  void on_adapter(const std::string& name, ov::ValueAccessor<std::vector<float>>& adapter) override { texts[name] = list(adapter.get()); }
  void on_adapter(const std::string& name, ov::ValueAccessor<std::vector<std::string>>& adapter) override { texts[name] = list(adapter.get()); }
  void on_adapter(const std::string&, ov::ValueAccessor<std::shared_ptr<ov::Model>>&) override {}

  std::map<std::string, std::string> texts;

 private:
  static std::string exact(double value) {
    std::ostringstream text;
    text.precision(std::numeric_limits<float>::max_digits10);  // files hold them as decimal numbers
    text << value;
    return text.str();
  }
  template <class List>
  static std::string list(const List& values) {
    std::ostringstream text;
    text.precision(std::numeric_limits<float>::max_digits10);
    for (const auto& value : values) text << value << ',';
    return text.str();
  }
};

std::string shown(const ov::Node& node) { return std::string(node.get_type_name()) + " `" + node.get_friendly_name() + "`"; }

std::map<std::string, std::string> attributes_of(const ov::Node& node) {
  AttributeTexts visitor;
  const_cast<ov::Node&>(node).visit_attributes(visitor);  // OpenVINO reads and writes attributes through one function
  return std::move(visitor.texts);
}

bool same_bytes(const Constant& a, const Constant& b) {
  return a.get_byte_size() == b.get_byte_size() &&
         (a.get_byte_size() == 0 || std::memcmp(a.get_data_ptr(), b.get_data_ptr(), a.get_byte_size()) == 0);
}

// Every number the nearest that f16 has; what is too large for it may be the largest.
bool is_rounded(const Constant& written, const Constant& converted) {
  const auto wide = converted.cast_vector<float>(), narrow = written.cast_vector<float>();
  if (wide.size() != narrow.size()) return false;
  const float largest = static_cast<float>(std::numeric_limits<ov::float16>::max());
  for (std::size_t i = 0; i < wide.size(); ++i) {
    const float nearest = static_cast<float>(ov::float16(wide[i]));
    const bool is_clamped = std::abs(wide[i]) > largest && narrow[i] == std::copysign(largest, wide[i]);
    if (narrow[i] != nearest && !is_clamped && !(std::isnan(wide[i]) && std::isnan(narrow[i]))) return false;
  }
  return true;
}

class StructureComparison {
 public:
  StructureComparison(bool to_f16) : to_f16_(to_f16) {}

  std::string compare(const ov::Model& written, const ov::Model& converted) {
    if (written.inputs().size() != converted.inputs().size()) return "the number of inputs differs";
    if (written.get_results().size() != converted.get_results().size()) return "the number of outputs differs";
    if (written.get_sinks().size() != converted.get_sinks().size()) return "the number of states differs";
    for (std::size_t i = 0; i < written.inputs().size(); ++i) pair_up(written.get_parameters()[i].get(), converted.get_parameters()[i].get());
    for (std::size_t i = 0; i < written.get_results().size(); ++i) pair_up(written.get_results()[i].get(), converted.get_results()[i].get());
    for (std::size_t i = 0; i < written.get_sinks().size(); ++i) pair_up(written.get_sinks()[i].get(), converted.get_sinks()[i].get());
    while (!open_.empty()) {
      const auto [a, b] = open_.front();
      open_.pop_front();
      if (auto difference = compare(*a, *b); !difference.empty()) return difference;
    }
    return difference_;
  }

 private:
  void pair_up(const ov::Node* written, const ov::Node* converted) {
    const auto [known, added] = partner_.emplace(written, converted);
    if (added) open_.emplace_back(written, converted);
    else if (known->second != converted) difference_ = shown(*written) + " stands for two nodes";
  }

  // The f32 constant as the file has it: in f16, behind a Convert.
  const Constant* rounded_constant(const ov::Node& written, const ov::Node& converted) const {
    const auto* convert = to_f16_ && dynamic_cast<const Constant*>(&converted) ? dynamic_cast<const Convert*>(&written) : nullptr;
    return convert ? dynamic_cast<const Constant*>(convert->get_input_node_ptr(0)) : nullptr;
  }

  std::string compare(const ov::Node& written, const ov::Node& converted) {
    if (const auto* rounded = rounded_constant(written, converted)) {
      const bool same = rounded->get_shape() == converted.get_output_shape(0) && is_rounded(*rounded, dynamic_cast<const Constant&>(converted));
      return same ? "" : shown(converted) + " has other values";
    }
    if (written.get_type_info() != converted.get_type_info()) return shown(converted) + " became " + shown(written);
    if (written.get_input_size() != converted.get_input_size()) return shown(converted) + " has another number of inputs";
    for (std::size_t i = 0; i < written.get_output_size(); ++i) {
      const bool same = written.get_output_element_type(i) == converted.get_output_element_type(i) &&
                        written.get_output_partial_shape(i) == converted.get_output_partial_shape(i);
      if (!same) return shown(converted) + " has another type or shape";
    }
    if (const auto* constant = dynamic_cast<const Constant*>(&written)) {
      return same_bytes(*constant, dynamic_cast<const Constant&>(converted)) ? "" : shown(converted) + " has other values";
    }
    if (attributes_of(written) != attributes_of(converted)) return shown(converted) + " has other attributes";
    for (std::size_t i = 0; i < written.get_input_size(); ++i) {
      if (written.get_input_source_output(i).get_index() != converted.get_input_source_output(i).get_index()) {
        return shown(converted) + " reads another output";
      }
      pair_up(written.get_input_node_ptr(i), converted.get_input_node_ptr(i));
    }
    return compare_subgraphs(written, converted);
  }

  std::string compare_subgraphs(const ov::Node& written, const ov::Node& converted) const {
    const auto* a = dynamic_cast<const ov::op::util::MultiSubGraphOp*>(&written);
    const auto* b = dynamic_cast<const ov::op::util::MultiSubGraphOp*>(&converted);
    if (!a || !b) return "";
    const auto &ours = a->get_functions(), &theirs = b->get_functions();
    if (ours.size() != theirs.size()) return shown(converted) + " has another number of bodies";
    for (std::size_t i = 0; i < ours.size(); ++i) {
      if (auto difference = StructureComparison(to_f16_).compare(*ours[i], *theirs[i]); !difference.empty()) return difference;
    }
    return "";
  }

  bool to_f16_;
  std::string difference_;
  std::deque<std::pair<const ov::Node*, const ov::Node*>> open_;
  std::unordered_map<const ov::Node*, const ov::Node*> partner_;
};

}  // namespace

std::string find_structure_difference(const ov::Model& written, const ov::Model& converted, bool to_f16) {
  return StructureComparison(to_f16).compare(written, converted);
}

}  // namespace dsc
