#include "core/tree_place.h"

namespace dsc {

Place place_of(const Tree& root, const std::string& pointer) {
  const Tree* at = &root;
  for (bool deeper = true; deeper && at->pointer != pointer;) {
    const auto below = [&](const Tree& child) { return pointer == child.pointer || pointer.starts_with(child.pointer + "/"); };
    deeper = false;
    for (const auto& item : at->items) {
      if (!below(item)) continue;
      at = &item;
      deeper = true;
      break;
    }
    for (const auto& entry : at->entries) {
      if (deeper || !below(entry.value)) continue;
      at = &entry.value;
      deeper = true;
      break;
    }
  }
  auto place = at->place();
  place.pointer = pointer;
  return place;
}

}  // namespace dsc
