// history.sqlite of a registry: one row for each decision, each night without one, and each rollback.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "nightly/decision.h"

struct sqlite3;

namespace dsc {

class History {
 public:
  explicit History(const std::string& path);  // made if it is not there; errors: io
  static History in_memory();                 // of a registry that has none yet

  bool has_decision(std::int64_t number) const;
  // The last one on a candidate made from the same.
  std::optional<Decision> find_decision(const std::string& fingerprint) const;
  void add(const Decision& row);  // nothing, if this version has its decision
  std::vector<Decision> rows() const;  // oldest first

 private:
  std::unique_ptr<sqlite3, int (*)(sqlite3*)> database_;
};

}  // namespace dsc
