#include "serve/routes.h"

#include <vector>

namespace dsc {
namespace {

std::vector<std::string> parts_of(std::string_view target) {
  std::vector<std::string> parts;
  while (!target.empty()) {
    target.remove_prefix(target.front() == '/' ? 1 : 0);
    const auto end = std::min(target.find('/'), target.size());
    if (end > 0) parts.emplace_back(target.substr(0, end));
    target.remove_prefix(end);
  }
  return parts;
}

// v2/models/NAME[/versions/VERSION][/ready or /infer]
std::optional<Route> model_route(const std::vector<std::string>& parts) {
  if (parts.size() < 3) return std::nullopt;
  Route route{.kind = Route::Kind::model, .model = parts[2], .version = {}};
  std::size_t next = 3;
  if (parts.size() > 4 && parts[3] == "versions") {
    route.version = parts[4];
    next = 5;
  }
  if (parts.size() == next) return route;
  if (parts.size() > next + 1) return std::nullopt;
  if (parts[next] == "infer")
    route.kind = Route::Kind::infer;
  else if (parts[next] == "ready")
    route.kind = Route::Kind::model_ready;
  else
    return std::nullopt;
  return route;
}

}  // namespace

std::optional<Route> find_route(std::string_view target) {
  using enum Route::Kind;
  const auto parts = parts_of(target);
  if (parts == std::vector<std::string>{"metrics"}) return Route{.kind = metrics, .model = {}, .version = {}};
  if (parts.empty() || parts.front() != "v2") return std::nullopt;
  if (parts.size() == 1) return Route{};
  if (parts == std::vector<std::string>{"v2", "health", "live"}) return Route{.kind = live, .model = {}, .version = {}};
  if (parts == std::vector<std::string>{"v2", "health", "ready"}) return Route{.kind = ready, .model = {}, .version = {}};
  return parts[1] == "models" ? model_route(parts) : std::nullopt;
}

}  // namespace dsc
