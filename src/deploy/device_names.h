// OpenVINO's device strings: "CPU", "GPU.1", "AUTO", "AUTO:GPU,CPU", "HETERO:GPU,CPU", "BATCH:GPU(16)".
#pragma once

#include <string>
#include <vector>

#include "exec/engine.h"

namespace dsc {

struct DeviceRequest {
  std::string kind;                 // AUTO, HETERO, MULTI, BATCH; empty: one device
  std::vector<std::string> names;   // "GPU", "CPU"; none for AUTO alone
};
DeviceRequest parse_device(const std::string& device);

// "GPU.1" is a "GPU".
bool is_device(const std::string& found, const std::string& wanted);

// Every device that executes layers, in order of appearance.
std::vector<std::string> devices_of(const std::vector<LayerReport>& layers);

// Why these layers do not run where the request says; empty: they do. One device, or the first that AUTO names, executes
// everything; HETERO and MULTI use every device they name, and no other. AUTO alone names none, so nothing can be required.
std::string find_device_mismatch(const std::string& device, const std::vector<LayerReport>& layers);

}  // namespace dsc
