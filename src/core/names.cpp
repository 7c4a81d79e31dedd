#include "core/names.h"

#include <algorithm>
#include <cctype>
#include <numeric>

namespace dsc {
namespace {

bool match(std::string_view glob, std::string_view name) {
  while (!glob.empty()) {
    if (glob.starts_with("**")) {
      const auto rest = glob.substr(2);
      for (std::size_t i = 0; i <= name.size(); ++i) {
        if (match(rest, name.substr(i))) return true;
      }
      return false;
    }
    if (glob.front() == '*') {
      const auto rest = glob.substr(1);
      for (std::size_t i = 0;; ++i) {
        if (match(rest, name.substr(i))) return true;
        if (i == name.size() || name[i] == '.') return false;
      }
    }
    if (name.empty()) return false;
    if (glob.front() == '[' && glob.find(']') != std::string_view::npos) {
      const auto end = glob.find(']');
      if (glob.substr(1, end - 1).find(name.front()) == std::string_view::npos) return false;
      glob.remove_prefix(end + 1);
    } else {
      const bool any = glob.front() == '?' && name.front() != '.';
      if (!any && glob.front() != name.front()) return false;
      glob.remove_prefix(1);
    }
    name.remove_prefix(1);
  }
  return name.empty();
}

// Optimal string alignment distance: insertions, deletions, substitutions, swaps of neighbours; case is half an edit.
double edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::vector<double>> cost(a.size() + 1, std::vector<double>(b.size() + 1));
  for (std::size_t i = 0; i <= a.size(); ++i) cost[i][0] = static_cast<double>(i);
  for (std::size_t j = 0; j <= b.size(); ++j) cost[0][j] = static_cast<double>(j);
  const auto difference = [](char x, char y) {
    if (x == y) return 0.0;
    return std::tolower(static_cast<unsigned char>(x)) == std::tolower(static_cast<unsigned char>(y)) ? 0.5 : 1.0;
  };
  for (std::size_t i = 1; i <= a.size(); ++i) {
    for (std::size_t j = 1; j <= b.size(); ++j) {
      cost[i][j] = std::min({cost[i - 1][j] + 1, cost[i][j - 1] + 1, cost[i - 1][j - 1] + difference(a[i - 1], b[j - 1])});
      const bool swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
      if (swapped) cost[i][j] = std::min(cost[i][j], cost[i - 2][j - 2] + 1);
    }
  }
  return cost[a.size()][b.size()];
}

}  // namespace

bool matches_glob(std::string_view glob, std::string_view name) { return match(glob, name); }

std::vector<std::string> nearest_names(std::string_view wrong, const std::vector<std::string>& names, std::size_t most) {
  std::vector<std::pair<double, std::string>> ranked;
  for (const auto& name : names) {
    const auto distance = edit_distance(wrong, name);
    const bool contains = wrong.size() >= 4 && (name.find(wrong) != std::string::npos || wrong.find(name) != std::string_view::npos) && name.size() >= 3;
    const auto longest = static_cast<double>(std::max(wrong.size(), name.size()));
    if (distance <= std::max(1.0, longest * 0.4) || contains) ranked.emplace_back(contains ? std::min(distance, 1.5) : distance, name);
  }
  std::stable_sort(ranked.begin(), ranked.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  std::vector<std::string> nearest;
  for (std::size_t i = 0; i < std::min(most, ranked.size()); ++i) nearest.push_back(ranked[i].second);
  return nearest;
}

std::string suggest(std::string_view wrong, const std::vector<std::string>& names) {
  const auto nearest = nearest_names(wrong, names);
  if (!nearest.empty()) return "did you mean `" + nearest.front() + "`?";
  if (names.empty()) return {};
  constexpr std::size_t kShown = 12;
  std::string text = "known: ";
  for (std::size_t i = 0; i < std::min(kShown, names.size()); ++i) text += (i ? ", " : "") + names[i];
  return names.size() > kShown ? text + ", ... (" + std::to_string(names.size()) + " in all)" : text;
}

}  // namespace dsc
