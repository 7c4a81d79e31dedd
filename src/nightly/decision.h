// What became of one night: a row of the history, and decision.json in a candidate's folder.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "nightly/budgets.h"
#include "nightly/loop.h"

namespace dsc {

enum class Verdict : std::uint8_t {
  pending,          // a candidate is being made
  promoted,         // it is what is deployed now
  kept,             // the version before it stays
  not_enough_data,  // and it cannot be told yet which is better
  failed,           // it could not be made
  healthy,          // there was nothing to try, and all budgets are kept
  violated,         // there was nothing to try, and a budget is not kept
  rollback          // somebody went back to this version
};
std::span<const std::string_view> enum_names(Verdict);

// Written into a candidate's folder before anything moves: a killed night goes on from it.
struct Decision {
  std::int64_t number = 0;  // of the version
  Verdict verdict = Verdict::pending;
  std::string reason;
  Trigger trigger = Trigger::checkpoint;
  std::string weights;      // of a checkpoint: its file
  std::string fingerprint;  // of all that the candidate was made from; empty where there is none
  std::string decided_at;   // UTC, ISO 8601
  Figures figures;          // of this version
  Figures deployed;         // of the one before it, on the same examples; empty: there was none
  std::int64_t examples = 0;            // that were compared on
  std::optional<double> low, high;      // one-sided bounds of the candidate's advantage
  std::optional<std::int64_t> more;     // about how many further examples would decide
  void fields(FieldVisitor& visit);

  // Of the version that is deployed once this is done.
  const Figures& deployed_after() const { return verdict == Verdict::promoted || deployed.empty() ? figures : deployed; }
  bool is_about_candidate() const { return verdict < Verdict::healthy; }
};

std::string decision_json(const Decision& decision);
Decision parse_decision(const std::string& json, const std::string& place);  // errors: data

}  // namespace dsc
