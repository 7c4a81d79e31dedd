#include "nightly/registry.h"

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <string_view>

#include "core/file.h"
#include "dscompress/error.h"

namespace dsc {
namespace {

namespace fs = std::filesystem;

constexpr const char* kDecision = "decision.json";
constexpr const char* kRejected = "rejected";
constexpr const char* kLastGood = "last-good";
constexpr const char* kCandidateFile = ".candidate.json";
constexpr std::string_view kCandidate = ".new-";

std::optional<std::int64_t> number_of(std::string_view name) {
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), number);
  const bool whole = error == std::errc() && end == name.data() + name.size() && number > 0;
  return whole ? std::optional(number) : std::nullopt;
}

// Numbers of the folders `prefix`NUMBER, ascending.
std::vector<std::int64_t> numbers_in(const std::string& folder, std::string_view prefix = {}) {
  std::vector<std::int64_t> numbers;
  if (!fs::is_directory(folder)) return numbers;
  for (const auto& entry : fs::directory_iterator(folder)) {
    const auto name = entry.path().filename().string();
    if (!name.starts_with(prefix) || entry.is_symlink() || !entry.is_directory()) continue;
    if (const auto number = number_of(std::string_view(name).substr(prefix.size()))) numbers.push_back(*number);
  }
  std::ranges::sort(numbers);
  return numbers;
}

std::string list_of(const std::vector<std::int64_t>& numbers) {
  std::string text;
  for (const auto number : numbers) text += (text.empty() ? "" : ", ") + std::to_string(number);
  return text.empty() ? "none" : text;
}

}  // namespace

bool Registry::exists() const { return fs::is_directory(folder_); }

void Registry::make() const { make_folders(folder_); }

std::string Registry::rejected_folder(std::int64_t number) const { return file(kRejected) + "/" + std::to_string(number); }

std::vector<std::int64_t> Registry::versions() const { return numbers_in(folder_); }

std::optional<std::int64_t> Registry::last_good() const {
  const bool is_linked = fs::is_symlink(fs::symlink_status(file(kLastGood)));
  if (!is_linked && versions().empty()) return std::nullopt;
  const auto number = is_linked ? number_of(fs::read_symlink(file(kLastGood)).filename().string()) : std::nullopt;
  if (number && fs::is_directory(version_folder(*number))) return number;
  throw Error(ErrorCode::io, is_linked ? "last-good leads to no version" : "there are versions, but no last-good", {.file = file(kLastGood)},
              "name one (" + list_of(versions()) + "): dscompress nightly rollback LOOP N");
}

std::int64_t Registry::next_number() const {
  std::int64_t last = 0;
  for (const auto& numbers : {versions(), numbers_in(file(kRejected)), numbers_in(folder_, kCandidate)}) {
    if (!numbers.empty()) last = std::max(last, numbers.back());
  }
  return last + 1;
}

std::optional<Decision> Registry::candidate() const {
  const auto path = file(kCandidateFile);
  return fs::exists(path) ? std::optional(parse_decision(read_file(path), path)) : std::nullopt;
}

void Registry::start_candidate(const Decision& candidate) const { write_file_atomically(file(kCandidateFile), decision_json(candidate)); }

void Registry::end_candidate() const { fs::remove(file(kCandidateFile)); }

std::optional<Decision> Registry::decision_in(const std::string& folder) const {
  const auto path = folder + "/" + kDecision;
  return fs::exists(path) ? std::optional(parse_decision(read_file(path), path)) : std::nullopt;
}

void Registry::write_decision(const std::string& folder, const Decision& decision) const {
  write_file_atomically(folder + "/" + kDecision, decision_json(decision));
}

void Registry::settle(const Decision& decision) const {
  const bool promoted = decision.verdict == Verdict::promoted;
  if (!promoted) make_folders(file(kRejected));
  fs::rename(candidate_folder(decision.number), promoted ? version_folder(decision.number) : rejected_folder(decision.number));
}

std::optional<Decision> Registry::settled(std::int64_t number) const {
  for (const auto& folder : {version_folder(number), rejected_folder(number)}) {
    if (auto decision = decision_in(folder)) return decision;
  }
  return std::nullopt;
}

void Registry::link(std::int64_t number) const {
  const auto beside = file(".last-good.new");
  fs::remove(beside);
  fs::create_symlink(std::to_string(number), beside);
  fs::rename(beside, file(kLastGood));
}

void Registry::reject_above(std::int64_t number) const {
  for (const auto version : versions()) {
    if (version <= number) continue;
    make_folders(file(kRejected));
    fs::rename(version_folder(version), rejected_folder(version));
  }
}

void Registry::tidy(std::int64_t keep) const {
  const auto good = last_good();
  if (good) reject_above(*good);
  const auto remove_oldest = [keep](const std::string& folder, const std::vector<std::int64_t>& numbers) {
    for (std::size_t i = 0; i + static_cast<std::size_t>(keep) < numbers.size(); ++i) fs::remove_all(folder + "/" + std::to_string(numbers[i]));
  };
  remove_oldest(folder_, versions());  // last-good is the highest
  remove_oldest(file(kRejected), numbers_in(file(kRejected)));
}

void Registry::go_back(std::int64_t number) const {
  if (!fs::is_directory(version_folder(number))) {
    const auto decision = decision_in(rejected_folder(number));
    if (!decision || decision->verdict != Verdict::promoted) {
      throw Error(ErrorCode::usage, "there is no version " + std::to_string(number), {.file = folder_}, "there are: " + list_of(versions()));
    }
    fs::rename(rejected_folder(number), version_folder(number));
  }
  link(number);
  reject_above(number);
}

RegistryLock::RegistryLock(const Registry& registry)
    : FileLock(registry.file(".lock"), Error(ErrorCode::io, "another night is at work in this registry", {.file = registry.file(".lock")}, "wait until it ends")) {}

}  // namespace dsc
