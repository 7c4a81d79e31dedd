#include "checkpoint/journal.h"

#include <filesystem>
#include <nlohmann/json.hpp>

#include "core/fields_json.h"
#include "core/fields_write.h"
#include "core/file.h"
#include "core/hash.h"

namespace dsc::checkpoint {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

constexpr const char* kJournal = "journal.json";

std::string journal_path(const std::string& folder) { return folder + "/" + kJournal; }

// Names, sizes and times of the files: reading terabytes to compare them would take longer than converting them.
std::string source_fingerprint(const Plan& plan) {
  std::string text = plan.source.config;
  for (const auto* source : {&plan.source, &plan.calibration}) {
    for (const auto& shard : source->shards) text += shard.path + "|" + std::to_string(shard.bytes) + "|" + std::to_string(shard.modified_ns) + "\n";
  }
  return fingerprint(text);
}

Json read_journal(const std::string& folder) {
  try {
    return Json::parse(read_file(journal_path(folder)));
  } catch (const Json::exception& error) {
    throw Error(ErrorCode::usage, std::string("the journal cannot be read: ") + error.what(), {.file = journal_path(folder)}, "remove " + folder + " to start over");
  }
}

}  // namespace

std::string partial_folder(const std::string& out) { return (fs::path(out).parent_path() / (fs::path(out).filename().string() + ".part")).string(); }

bool is_resumable(const std::string& out) { return fs::exists(journal_path(partial_folder(out))); }

Journal::Journal(std::string folder, const Plan& plan, const std::string& build)
    : folder_(std::move(folder)), options_(to_json(write_fields(plan.options), -1)), source_(source_fingerprint(plan)), build_(build) {
  if (!fs::exists(journal_path(folder_))) {
    write();
    return;
  }
  const auto json = read_journal(folder_);
  std::string differing;
  const auto compare = [&](const char* key, const std::string& value, const char* what) {
    if (json.value(key, "") != value) differing += (differing.empty() ? "" : ", ") + std::string(what);
  };
  compare("options", options_, "options");
  compare("source", source_, "checkpoint files");
  compare("build", build_, "program");
  if (!differing.empty()) {
    throw Error(ErrorCode::usage, "an interrupted conversion lies there that was begun with other " + differing, {.file = folder_},
                "go on with what it was begun with, or remove the folder to start over");
  }
  for (const auto& name : json.at("finished")) finished_.insert(name.get<std::string>());
}

bool Journal::is_finished(const ShardPlan& shard) const {
  std::error_code missing;
  return finished_.contains(shard.name) && fs::file_size(fs::path(folder_) / shard.name, missing) == shard.bytes && !missing;
}

void Journal::add(const ShardPlan& shard) {
  finished_.insert(shard.name);
  write();
}

void Journal::write() const {
  const Json json = {{"version", 1}, {"options", options_}, {"source", source_}, {"build", build_}, {"finished", finished_}};
  write_file_atomically(journal_path(folder_), json.dump(2) + "\n");
}

void Journal::remove() const { fs::remove(journal_path(folder_)); }

Options read_begun(const std::string& out) {
  const auto folder = partial_folder(out);
  if (!is_resumable(out)) throw Error(ErrorCode::usage, "nothing to go on with: there is no " + journal_path(folder), {.file = out});
  return parse_json<Options>(read_journal(folder).at("options").get<std::string>(), journal_path(folder));
}

}  // namespace dsc::checkpoint
