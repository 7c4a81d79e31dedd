#include "ops/widths.h"

#include <ATen/core/Tensor.h>
#include <ATen/ops/tensor.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "core/fields_json.h"
#include "core/printed.h"
#include "dscompress/error.h"
#include "ir/shared_copy.h"
#include "ops/cut.h"
#include "ops/norm_weights.h"

namespace dsc {
namespace {

constexpr const char* kWidthsRecord = "widths.json";

std::vector<std::string> all_norm_weights(const Graph& graph) {
  std::vector<std::string> names = norm_statistics(graph);
  const std::vector<std::string> parameters = norm_parameters(graph);
  names.insert(names.end(), parameters.begin(), parameters.end());
  return names;
}

void put_norm(Model& narrow, const std::set<std::string>& known, const Width& width, const std::string& name, const std::vector<double>& numbers) {
  if (!known.contains(name) || narrow.weights.get(name).numel() != static_cast<std::int64_t>(numbers.size())) {
    throw Error(ErrorCode::model_file, printed("the batch norms of width %g do not fit the network any more, first `%s`", width.share, name.c_str()),
                {.file = narrow.source}, "let switchable_width be the last step that changes layers; change each width's own model afterwards");
  }
  const at::Tensor& old = narrow.weights.get(name);
  narrow.weights.set(name, at::tensor(numbers, at::kDouble).to(old.scalar_type()).view(old.sizes()));
}

std::vector<std::size_t> groups_of_units(const ChannelGroups& groups) {
  std::vector<std::size_t> group_of(groups.unit_count());
  for (std::size_t g = 0; g < groups.groups().size(); ++g) {
    for (const UnitId unit : groups.groups()[g].units) group_of[static_cast<std::size_t>(unit)] = g;
  }
  return group_of;
}

// Whether an element belongs to the group and to one of `others` at once.
bool shares_elements(const ChannelGroups& groups, std::size_t group, const std::vector<std::size_t>& group_of, const std::set<std::size_t>& others) {
  for (const std::size_t m : groups.groups()[group].members) {
    for (const std::int32_t label : groups.labels(groups.members()[m].axis)) {
      bool has_own = false, has_other = false;
      for (const UnitId unit : groups.units(label)) {
        const std::size_t owner = group_of[static_cast<std::size_t>(unit)];
        has_own = has_own || owner == group;
        has_other = has_other || others.contains(owner);
      }
      if (has_own && has_other) return true;
    }
  }
  return false;
}

}  // namespace

void Width::fields(FieldVisitor& visit) {
  visit("share", share, {.text = "Of each group's channels.", .unit = "fraction", .minimum = 0, .maximum = 1});
  visit("norms", norms, {.text = "Statistics, scales and shifts of its batch norms, by weight."});
}

void Widths::fields(FieldVisitor& visit) { visit("widths", widths, {.text = "Besides the whole, the widest first."}); }

std::optional<Widths> widths_of(const Model& model) {
  const auto found = model.archive.extra_files.find(kWidthsRecord);
  if (found == model.archive.extra_files.end()) return std::nullopt;
  try {
    return parse_json<Widths>(found->second, kWidthsRecord);
  } catch (const Error&) {  // what is wrong with a text that no one writes by hand does not help
    throw Error(ErrorCode::model_file, std::string(kWidthsRecord) + " in the model file is damaged", {.file = model.source},
                "run the step switchable_width again");
  }
}

void set_widths(Model& model, const Widths& widths) { model.archive.extra_files[kWidthsRecord] = dump_json(widths); }

Removal removal_at(const ChannelGroups& groups, double share) {
  Removal removed = groups.nothing();
  const std::vector<std::size_t> group_of = groups_of_units(groups);
  std::set<std::size_t> shrunk;
  for (std::size_t g = 0; g < groups.groups().size(); ++g) {
    const ChannelGroup& group = groups.groups()[g];
    if (group.is_chosen || shares_elements(groups, g, group_of, shrunk)) continue;
    shrunk.insert(g);
    const auto all = static_cast<std::int64_t>(group.units.size());
    const std::int64_t kept = std::clamp<std::int64_t>(std::llround(share * static_cast<double>(all)), std::min(group.least, all), all);
    for (std::int64_t i = kept; i < all; ++i) removed[static_cast<std::size_t>(group.units[static_cast<std::size_t>(i)])] = 1;
  }
  return removed;
}

Model at_width(const Model& model, const Width& width) {
  Model narrow = shared_copy(model);
  narrow.archive.extra_files.erase(kWidthsRecord);
  const ChannelGroups groups(narrow);
  cut(narrow, groups, removal_at(groups, width.share));
  const auto names = all_norm_weights(narrow.graph);
  const std::set<std::string> known(names.begin(), names.end());
  for (const auto& [name, numbers] : width.norms) put_norm(narrow, known, width, name, numbers);
  return narrow;
}

Width read_width(double share, const Model& narrow) {
  Width width{.share = share, .norms = {}};
  for (const auto& name : all_norm_weights(narrow.graph)) {
    const at::Tensor numbers = narrow.weights.get(name).detach().to(at::kDouble).contiguous();
    width.norms[name] = {numbers.const_data_ptr<double>(), numbers.const_data_ptr<double>() + numbers.numel()};
  }
  return width;
}

}  // namespace dsc
