// The version that answers, and the one that may take its place.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>

#include "serve/counters.h"
#include "serve/served_model.h"

namespace dsc {

struct VersionsOptions {
  std::string path;       // a registry, or a version
  std::string candidate;  // a version, or a link to one; empty: none
  double canary = 0;      // share of the requests that the candidate answers
  ServedModelOptions model;
};

class Versions {
 public:
  // errors: usage and those of ServedModel, for the version that answers.
  Versions(const VersionsOptions& options, const PassTable& passes, Counters& counters);

  // Loads what is there now in place of what was. What cannot be loaded is logged, tried again later, and replaces nothing.
  // A candidate that has become the version that answers is none any more.
  void refresh();

  std::shared_ptr<ServedModel> stable() const;
  std::shared_ptr<ServedModel> candidate() const;  // null: none
  // The same request goes to the same version.
  std::shared_ptr<ServedModel> choose(std::uint64_t hash) const;
  std::shared_ptr<ServedModel> named(const std::string& version) const;  // null: not served

 private:
  // What is served in one role.
  struct Role {
    const char* name;
    std::shared_ptr<ServedModel> model;
    std::string identity;  // of its file; empty: none
    std::string failed;    // identity of what could not be loaded
    std::chrono::steady_clock::time_point failed_at;
  };
  void replace(Role& role, const std::string& folder);
  void show();

  const VersionsOptions options_;
  const PassTable& passes_;
  Counters& counters_;
  mutable std::mutex mutex_;  // of the models' pointers
  Role stable_{.name = "stable", .model = {}, .identity = {}, .failed = {}, .failed_at = {}};
  Role candidate_{.name = "candidate", .model = {}, .identity = {}, .failed = {}, .failed_at = {}};
};

}  // namespace dsc
