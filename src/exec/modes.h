// Global modes of LibTorch around stretches of nodes: autocast and recording of gradients.
#pragma once

#include <ATen/core/LegacyTypeDispatch.h>
#include <ATen/core/grad_mode.h>
#include <c10/core/DeviceType.h>
#include <c10/core/ScalarType.h>

#include <array>
#include <cstddef>
#include <optional>

#include "dscompress/graph.h"
#include "exec/options.h"

namespace dsc {

struct Mode {
  static constexpr std::array<c10::DeviceType, 2> kDevices{c10::kCPU, c10::kCUDA};
  struct Autocast {
    bool enabled = false;
    c10::ScalarType dtype = c10::kBFloat16;
    bool operator==(const Autocast&) const = default;
  };
  std::array<Autocast, 2> autocast{Autocast{false, c10::kBFloat16}, Autocast{false, c10::kHalf}};
  bool cache = true;            // casts of weights are kept until the outermost autocast ends
  bool inside_autocast = false;
  bool grad = true;
};

// The mode of nodes outside all regions.
Mode make_base_mode(const ExecutorOptions& options, c10::DeviceType device);
// The mode inside a region. A region over the graph's own device type follows the run's device.
// errors: unsupported, for arguments of other kinds than the exporter writes.
Mode enter_region(Mode outer, const Region& region, const std::string& graph_device, c10::DeviceType device);

// Applies modes, and puts the caller's back when it ends.
class ModeScope {
 public:
  // Without `gradients` the dispatcher starts below autograd, which saves its share of every call.
  explicit ModeScope(bool gradients);
  ~ModeScope();
  ModeScope(const ModeScope&) = delete;
  ModeScope& operator=(const ModeScope&) = delete;
  void enter(const Mode& mode);

 private:
  void apply(const Mode& mode);

  bool gradients_;
  Mode callers_;
  Mode current_;
  std::optional<at::NoGradGuard> no_grad_;
  std::optional<at::AutoDispatchBelowAutograd> below_autograd_;
};

}  // namespace dsc
