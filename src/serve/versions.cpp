#include "serve/versions.h"

#include <cmath>
#include <filesystem>

#include "core/log.h"
#include "dscompress/error.h"
#include "exec/foreign_error.h"

namespace dsc {
namespace {

namespace fs = std::filesystem;

// Changes when another file takes its place.
std::string identity_of(const std::string& folder) {
  std::error_code gone;  // between two looks: the next one sees what came
  const auto time = fs::last_write_time(folder + "/model.xml", gone);
  return gone ? std::string() : folder + "@" + std::to_string(time.time_since_epoch().count());
}

std::string candidate_folder(const std::string& path) {
  std::error_code none;  // a link that leads nowhere is no candidate
  const auto folder = fs::canonical(path, none);
  return none || !fs::exists(folder / "model.xml") ? std::string() : folder.string();
}

}  // namespace

Versions::Versions(const VersionsOptions& options, const PassTable& passes, Counters& counters)
    : options_(options), passes_(passes), counters_(counters) {
  const auto folder = folder_to_serve(options_.path);
  stable_.model = std::make_shared<ServedModel>(folder, passes_, options_.model);
  stable_.identity = identity_of(folder);
  refresh();
}

void Versions::replace(Role& role, const std::string& folder) {
  using Clock = std::chrono::steady_clock;
  constexpr auto kRetry = std::chrono::seconds(30);
  const auto identity = identity_of(folder);
  if (identity.empty() || identity == role.identity || (identity == role.failed && Clock::now() < role.failed_at + kRetry)) return;
  try {
    auto model = std::make_shared<ServedModel>(folder, passes_, options_.model);
    {
      const std::lock_guard lock(mutex_);
      role.model.swap(model);
    }
    role.identity = identity;
    counters_.add("reloads_total", std::string("role=\"") + role.name + "\"");
    log_info(std::string(role.name) + " version is now " + role.model->version() + " (" + folder + ")");
  } catch (const std::exception&) {
    role.failed = identity;
    role.failed_at = Clock::now();
    counters_.add("failed_reloads_total", std::string("role=\"") + role.name + "\"");
    log_error("the version in " + folder + " cannot be served, what was served stays: " + to_error(std::current_exception()).what());
  }
}

void Versions::refresh() {
  try {
    replace(stable_, folder_to_serve(options_.path));
  } catch (const Error& error) {  // the registry is between two states, or damaged
    log_warning(std::string("nothing new is served: ") + error.what());
  }
  const auto folder = options_.candidate.empty() ? std::string() : candidate_folder(options_.candidate);
  if (!folder.empty() && identity_of(folder) != stable_.identity) {
    replace(candidate_, folder);
  } else if (candidate_.model) {
    log_info("there is no candidate any more");
    const std::lock_guard lock(mutex_);
    candidate_.model.reset();
    candidate_.identity.clear();
  }
  show();
}

void Versions::show() {
  counters_.clear("version_info");
  for (const auto* role : {&stable_, &candidate_}) {
    if (role->model) counters_.set("version_info", std::string("role=\"") + role->name + "\",version=\"" + role->model->version() + "\"", 1);
  }
}

std::shared_ptr<ServedModel> Versions::stable() const {
  const std::lock_guard lock(mutex_);
  return stable_.model;
}

std::shared_ptr<ServedModel> Versions::candidate() const {
  const std::lock_guard lock(mutex_);
  return candidate_.model;
}

std::shared_ptr<ServedModel> Versions::choose(std::uint64_t hash) const {
  const std::lock_guard lock(mutex_);
  const bool is_canary = candidate_.model && std::ldexp(static_cast<double>(hash), -64) < options_.canary;
  return is_canary ? candidate_.model : stable_.model;
}

std::shared_ptr<ServedModel> Versions::named(const std::string& version) const {
  const std::lock_guard lock(mutex_);
  for (const auto& model : {stable_.model, candidate_.model}) {
    if (model && model->version() == version) return model;
  }
  return nullptr;
}

}  // namespace dsc
