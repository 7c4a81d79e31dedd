#include "exec/modes.h"

#include <ATen/autocast_mode.h>

#include <string>

#include "dscompress/error.h"
#include "exec/convert.h"

namespace dsc {
namespace {

Mode current_mode() {
  Mode mode;
  for (std::size_t i = 0; i < Mode::kDevices.size(); ++i) {
    mode.autocast[i] = {at::autocast::is_autocast_enabled(Mode::kDevices[i]),
                        at::autocast::get_autocast_dtype(Mode::kDevices[i])};
    mode.inside_autocast = mode.inside_autocast || mode.autocast[i].enabled;
  }
  mode.cache = at::autocast::is_autocast_cache_enabled();
  mode.grad = at::GradMode::is_enabled();
  return mode;
}

std::optional<std::size_t> device_index(c10::DeviceType device) {
  for (std::size_t i = 0; i < Mode::kDevices.size(); ++i) {
    if (Mode::kDevices[i] == device) return i;
  }
  return std::nullopt;
}

[[noreturn]] void bad_region(const Region& region) {
  throw Error(ErrorCode::unsupported, "region `" + region.name + "` has arguments that are not understood");
}

Mode enter_autocast(Mode mode, const Region& region, const std::string& graph_device, c10::DeviceType device) {
  if (region.arguments.size() < 3) bad_region(region);
  const auto* type = std::get_if<std::string>(&region.arguments[0]);
  const auto* dtype = std::get_if<ScalarType>(&region.arguments[1]);
  const auto* enabled = std::get_if<bool>(&region.arguments[2]);
  if (!type || !enabled || (!dtype && !std::holds_alternative<NoneArgument>(region.arguments[1]))) bad_region(region);
  const c10::DeviceType on = *type == graph_device ? device : to_c10(Device{*type}).type();
  if (const std::optional<std::size_t> index = device_index(on)) {
    mode.autocast[*index].enabled = *enabled;
    if (dtype) mode.autocast[*index].dtype = to_c10(*dtype);
  }
  if (region.arguments.size() > 3) {
    if (const auto* cache = std::get_if<bool>(&region.arguments[3])) mode.cache = *cache;
  }
  mode.inside_autocast = true;
  return mode;
}

}  // namespace

Mode make_base_mode(const ExecutorOptions& options, c10::DeviceType device) {
  Mode mode;
  if (!options.autocast) return mode;
  const std::optional<std::size_t> index = device_index(device);
  if (!index) throw Error(ErrorCode::unsupported, "autocast is available on cpu and cuda only");
  mode.autocast[*index] = {true, to_c10(*options.autocast)};
  mode.inside_autocast = true;
  return mode;
}

Mode enter_region(Mode outer, const Region& region, const std::string& graph_device, c10::DeviceType device) {
  if (region.kind == Region::Kind::autocast) return enter_autocast(outer, region, graph_device, device);
  if (region.arguments.empty()) bad_region(region);
  const auto* enabled = std::get_if<bool>(&region.arguments[0]);
  if (!enabled) bad_region(region);
  outer.grad = *enabled;
  return outer;
}

ModeScope::ModeScope(bool gradients) : gradients_(gradients), callers_(current_mode()), current_(callers_) {
  if (gradients) return;
  no_grad_.emplace();
  below_autograd_.emplace();
}

ModeScope::~ModeScope() { apply(callers_); }

void ModeScope::enter(const Mode& mode) { apply(mode); }

void ModeScope::apply(const Mode& mode) {
  for (std::size_t i = 0; i < Mode::kDevices.size(); ++i) {
    if (mode.autocast[i] == current_.autocast[i]) continue;
    at::autocast::set_autocast_dtype(Mode::kDevices[i], mode.autocast[i].dtype);
    at::autocast::set_autocast_enabled(Mode::kDevices[i], mode.autocast[i].enabled);
  }
  if (mode.cache != current_.cache) at::autocast::set_autocast_cache_enabled(mode.cache);
  if (current_.inside_autocast && !mode.inside_autocast) at::autocast::clear_cache();
  if (gradients_ && mode.grad != current_.grad) at::GradMode::set_enabled(mode.grad);
  current_ = mode;
}

}  // namespace dsc
