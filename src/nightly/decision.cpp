#include "nightly/decision.h"

#include <array>

#include "core/fields_json.h"
#include "core/fields_write.h"

namespace dsc {

std::span<const std::string_view> enum_names(Verdict) {
  static constexpr std::array<std::string_view, 8> kNames{"pending", "promoted", "kept", "not_enough_data", "failed", "healthy", "violated", "rollback"};
  return kNames;
}

void Decision::fields(FieldVisitor& visit) {
  visit("number", number, {.text = "Number of the version."});
  visit("verdict", verdict, {.text = "What became of it."});
  visit("reason", reason, {.text = "Why."});
  visit("trigger", trigger, {.text = "Why it was made."});
  visit("weights", weights, {.text = "The checkpoint's file."});
  visit("fingerprint", fingerprint, {.text = "Of all that it was made from."});
  visit("decided_at", decided_at, {.text = "UTC, ISO 8601."});
  visit("figures", figures, {.text = "Of this version."});
  visit("deployed", deployed, {.text = "Of the version before it, on the same examples."});
  visit("examples", examples, {.text = "That were compared on."});
  visit("low", low, {.text = "Lower bound of its advantage."});
  visit("high", high, {.text = "Upper bound."});
  visit("more", more, {.text = "About how many further examples would decide."});
}

std::string decision_json(const Decision& decision) { return to_json(write_fields(decision)) + "\n"; }

Decision parse_decision(const std::string& json, const std::string& place) { return parse_json<Decision>(json, place); }

}  // namespace dsc
