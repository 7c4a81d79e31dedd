// Paths of the Open Inference Protocol.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace dsc {

struct Route {
  enum class Kind : std::uint8_t { metrics, server, live, ready, model, model_ready, infer };
  Kind kind = Kind::server;
  std::string model, version;  // version: empty, if the path names none
};

// None: there is no such path.
std::optional<Route> find_route(std::string_view target);

}  // namespace dsc
