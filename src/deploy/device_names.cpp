#include "deploy/device_names.h"

#include <algorithm>
#include <set>
#include <sstream>

namespace dsc {
namespace {

std::vector<std::string> split(const std::string& list) {
  std::vector<std::string> names;
  std::istringstream words(list);
  for (std::string name; std::getline(words, name, ',');) {
    name = name.substr(0, name.find('('));  // BATCH:CPU(16)
    if (!name.empty()) names.push_back(name);
  }
  return names;
}

bool contains(const std::vector<std::string>& list, const std::string& wanted) {
  return std::any_of(list.begin(), list.end(), [&](const std::string& found) { return is_device(found, wanted); });
}

}  // namespace

DeviceRequest parse_device(const std::string& device) {
  static const std::set<std::string> kinds = {"AUTO", "HETERO", "MULTI", "BATCH"};
  const auto colon = device.find(':');
  const std::string head = device.substr(0, colon);
  if (!kinds.contains(head)) return {"", split(device)};
  return {head, colon == std::string::npos ? std::vector<std::string>{} : split(device.substr(colon + 1))};
}

bool is_device(const std::string& found, const std::string& wanted) { return found == wanted || found.starts_with(wanted + "."); }

std::vector<std::string> devices_of(const std::vector<LayerReport>& layers) {
  std::vector<std::string> devices;
  for (const LayerReport& layer : layers) {
    for (const std::string& name : split(layer.device)) {
      if (std::find(devices.begin(), devices.end(), name) == devices.end()) devices.push_back(name);
    }
  }
  return devices;
}

std::string find_device_mismatch(const std::string& device, const std::vector<LayerReport>& layers) {
  const auto [kind, names] = parse_device(device);
  if (names.empty()) return "`" + device + "` names no device that could be required";
  const bool shares = kind == "HETERO" || kind == "MULTI";
  const std::vector<std::string> wanted = shares ? names : std::vector{names.front()}, used = devices_of(layers);
  for (const LayerReport& layer : layers) {
    for (const std::string& found : split(layer.device)) {
      const bool is_wanted = std::any_of(wanted.begin(), wanted.end(), [&](const std::string& name) { return is_device(found, name); });
      if (!is_wanted) return "layer " + layer.name + " (" + layer.type + ") runs on " + found + ", and `" + device + "` is required";
    }
  }
  for (const std::string& name : wanted) {
    if (!contains(used, name)) return "no layer runs on " + name + ", and `" + device + "` is required";
  }
  return "";
}

}  // namespace dsc
