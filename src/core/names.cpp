#include "core/names.h"

#include <algorithm>
#include <cctype>
#include <numeric>

namespace dsc {
namespace {

// The bracket at the start of `glob` with its content, "[0-2]"; empty: no bracket that closes. A `]` at once is a member.
std::string_view bracket_at_start(std::string_view glob) {
  if (!glob.starts_with('[')) return {};
  const std::size_t first = glob.size() > 1 && (glob[1] == '!' || glob[1] == '^') ? 2 : 1;
  const auto end = glob.find(']', first + 1);
  return end == std::string_view::npos ? std::string_view() : glob.substr(0, end + 1);
}

bool is_in_bracket(std::string_view bracket, char c) {
  auto members = bracket.substr(1, bracket.size() - 2);
  const bool others = members.front() == '!' || members.front() == '^';
  if (others) members.remove_prefix(1);
  bool found = false;
  for (std::size_t i = 0; i < members.size(); ++i) {
    const bool is_range = i + 2 < members.size() && members[i + 1] == '-';
    found = found || (is_range ? members[i] <= c && c <= members[i + 2] : members[i] == c);
    if (is_range) i += 2;
  }
  return others ? !found && c != '.' : found;
}

// Which beginnings of a name the glob read so far matches: element i stands for the first i characters. One piece of the glob
// turns one such set into the next, so that no number of stars takes more than glob times name.
using Beginnings = std::vector<bool>;

void match_star(std::string_view name, bool across, Beginnings& matched) {
  for (std::size_t i = 0; i < name.size(); ++i) {
    if (matched[i] && (across || name[i] != '.')) matched[i + 1] = true;
  }
}

template <class Fits>
void match_character(std::string_view name, Fits fits, Beginnings& matched) {
  for (std::size_t i = name.size(); i > 0; --i) matched[i] = matched[i - 1] && fits(name[i - 1]);
  matched[0] = false;
}

bool match(std::string_view glob, std::string_view name) {
  Beginnings matched(name.size() + 1, false);
  matched[0] = true;
  while (!glob.empty()) {
    std::size_t length = 1;
    if (glob.front() == '*') {
      const bool across = glob.starts_with("**");
      length = across ? 2 : 1;
      match_star(name, across, matched);
    } else if (const auto bracket = bracket_at_start(glob); !bracket.empty()) {
      length = bracket.size();
      match_character(name, [&](char c) { return is_in_bracket(bracket, c); }, matched);
    } else if (glob.front() == '?') {
      match_character(name, [](char c) { return c != '.'; }, matched);
    } else {
      match_character(name, [&](char c) { return c == glob.front(); }, matched);
    }
    glob.remove_prefix(length);
  }
  return matched.back();
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
